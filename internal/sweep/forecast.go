package sweep

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"clr/internal/host"
	"clr/internal/pipeline"
)

// A Forecast is what a sweep will take, before any of it is taken.
type Forecast struct {
	Trials  []Expected `json:"trials"`
	Jobs    int        `json:"jobs"`
	Bytes   int64      `json:"bytes"` // the most that so many trials at a time take
	Seconds float64    `json:"seconds"`
	Points  int        `json:"points"`
	Drawn   bool       `json:"drawn"` // points of later rounds are drawn when those before are done
}

// An Expected is what is expected of a trial. Probes, features and reading are not
// in its time; one that is stopped early takes less.
type Expected struct {
	Trial
	Status  string  `json:"status"` // as it is now
	Steps   int     `json:"steps"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Problem string  `json:"problem,omitempty"` // why it will fail
}

// program is what a process takes beside its plan.
const program = 32 << 20

// needed is the memory of training and probes, which take turns.
func needed(p *pipeline.MemoryPlan) int64 { return int64(max(p.Train, p.Embed)) + program }

// An outline is a plan of a trial: equal ones are made once.
type outline struct {
	bytes int64
	flops int
	steps int
	why   string
}

// outlines plan trials. Points that differ in the seed alone have one plan.
func (s *Sweep) outlines(ctx context.Context, want []int) (map[int]outline, error) {
	all, known := map[int]outline{}, map[int]outline{} // by trial, by point
	for _, i := range want {
		at := i / s.Seeds
		if o, ok := known[at]; ok {
			all[i] = o
			continue
		}
		p, ok, err := s.point(at)
		if err != nil {
			return nil, err
		}
		if !ok { // a later round's: it is like those that are known
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o := s.outline(ctx, s.trial(i, p), p)
		all[i], known[at] = o, o
	}
	return all, nil
}

func (s *Sweep) outline(ctx context.Context, t Trial, p point) (o outline) {
	c, err := s.config(t, p)
	if err != nil {
		return outline{why: firstLine(err.Error())}
	}
	f, err := pipeline.Look(ctx, c, false)
	if err != nil {
		return outline{why: firstLine(err.Error())}
	}
	o = outline{bytes: needed(&f.MemoryPlan), flops: f.StepFLOPs, steps: f.Steps}
	for _, check := range f.Checks {
		if check.Refused && check.Code != "memory" {
			o.why = check.Text
		}
	}
	return o
}

// most is the memory that the largest so many trials take together, of those that
// the machine can hold by themselves: the others will each fail alone.
func most(sizes []int64, jobs int, limit host.Limit) (sum int64) {
	sizes = slices.DeleteFunc(slices.Clone(sizes), func(b int64) bool { return limit.Name != "" && b > limit.Bytes })
	slices.Sort(sizes)
	slices.Reverse(sizes)
	for _, b := range sizes[:min(jobs, len(sizes))] {
		sum += b
	}
	return sum
}

// fits refuses more trials at a time than there is memory for.
func (w *worker) fits(ctx context.Context, jobs int) error {
	limit := host.MemoryLimit()
	if jobs == 1 || limit.Name == "" {
		return nil // each trial asks for itself
	}
	var left []int
	for _, i := range w.want {
		if r, err := w.Result(i); err != nil {
			return err
		} else if r == nil {
			left = append(left, i)
		}
	}
	var sizes []int64
	of := map[int]int64{} // by point
	for _, i := range left {
		at := i / w.Seeds
		if _, known := of[at]; !known {
			p, ok, err := w.point(at)
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if c, err := w.config(w.File.trial(i, p), p); ok && err == nil {
				if p, err := pipeline.Plan(c); err == nil {
					of[at] = needed(p)
				}
			}
		}
		sizes = append(sizes, of[at])
	}
	fewer := jobs
	for fewer > 1 && most(sizes, fewer, limit) > limit.Bytes {
		fewer--
	}
	return limit.Fits(most(sizes, jobs, limit), fmt.Sprintf("training %d trials at a time", jobs), "the sum of the largest plans", fmt.Sprintf("use --jobs %d; clr sweep run --dry-run shows what each takes", fewer))
}

// Look says what trials will take. Time is that of a few steps of the first trial,
// measured, and of the others by their operations.
func Look(ctx context.Context, f *File, o RunOptions) (*Forecast, error) {
	want, err := f.trials(o)
	if err != nil {
		return nil, err
	}
	s := &Sweep{f, o.Out}
	all, err := s.outlines(ctx, want)
	if err != nil {
		return nil, err
	}
	r := &Forecast{Jobs: o.Jobs, Points: f.Points(), Drawn: f.Method == bayes}
	perFLOP := 0.0
	var sizes []int64
	for _, i := range want {
		st, err := s.State(i)
		if err != nil {
			return nil, err
		}
		e := Expected{Trial: st.Trial, Status: st.Status}
		plan, known := all[i]
		if e.Steps, e.Bytes, e.Problem = plan.steps, plan.bytes, plan.why; known && plan.why == "" && perFLOP == 0 {
			if perFLOP, err = s.speed(ctx, i, plan); err != nil {
				return nil, err
			}
		}
		if st.Result == nil && plan.why == "" {
			e.Seconds = perFLOP * float64(plan.flops) * float64(plan.steps)
		}
		sizes = append(sizes, e.Bytes)
		r.Seconds += e.Seconds
		r.Trials = append(r.Trials, e)
	}
	r.Bytes = most(sizes, o.Jobs, host.Limit{})
	return r, nil
}

// speed is the time of an operation in a trial's steps. Trials share the cores, so
// that several at a time take about as long as one after the other.
func (s *Sweep) speed(ctx context.Context, i int, plan outline) (float64, error) {
	p, _, err := s.point(i / s.Seeds)
	if err != nil {
		return 0, err
	}
	c, err := s.config(s.trial(i, p), p)
	if err != nil {
		return 0, err
	}
	f, err := pipeline.Look(ctx, c, true)
	if err != nil || f.Speed == nil || plan.flops == 0 {
		return 0, err
	}
	return f.Speed.StepS / float64(plan.flops), nil
}

// Write shows a forecast, as a table or as JSON.
func (r *Forecast) Write(con pipeline.Console) error {
	if con.JSON {
		return con.Show(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-6s %-8s %6s %8s %10s %9s  %s\n", "trial", "status", "seed", "steps", "memory", "time", "point")
	for _, e := range r.Trials {
		about := "-"
		if e.Seconds > 0 {
			about = pipeline.About(e.Seconds)
		}
		memory := "-"
		if e.Bytes > 0 {
			memory = host.Bytes(e.Bytes)
		}
		point := e.Params.String()
		if e.Params == nil {
			point = "drawn when the trials before are done"
		}
		fmt.Fprintf(&b, "%-6d %-8s %6d %8d %10s %9s  %s\n", e.Index, e.Status, e.Seed, e.Steps, memory, about, point)
		if e.Problem != "" {
			fmt.Fprintf(&b, "       will fail: %s\n", e.Problem)
		}
	}
	fmt.Fprintf(&b, "\n%d trials of %d points; %d at a time take up to %s", len(r.Trials), r.Points, r.Jobs, host.Bytes(r.Bytes))
	if r.Seconds > 0 {
		fmt.Fprintf(&b, ", and all together about %s of training on this machine", time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
	}
	b.WriteString("\n")
	_, err := io.WriteString(con.Out, b.String())
	return err
}
