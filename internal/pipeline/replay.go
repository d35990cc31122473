package pipeline

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
	"clr/internal/rundir"
)

// A Rerun is what a step that was not finite does when it is run again.
type Rerun struct {
	File     string     `json:"file"`
	Recorded divergence `json:"recorded"`
	Here     struct {
		Clr string `json:"clr"`
		Go  string `json:"go"`
		CPU string `json:"cpu_path"`
	} `json:"here"`
	Loss      number         `json:"loss"`
	GradNorm  number         `json:"grad_norm"`
	Diverged  bool           `json:"diverged"` // here too
	Same      bool           `json:"same"`     // loss and gradient norm are the recorded ones
	Views     viewsSummary   `json:"views"`
	State     []arrayTrouble `json:"state_not_finite"` // before the step runs
	First     *ranFunction   `json:"first_not_finite"` // of Functions
	Z         zSummary       `json:"projections"`
	Layers    []layerRow     `json:"layers"`    // every weight that is moved
	Functions []ranFunction  `json:"functions"` // in the order of running
	Config    string         `json:"config"`
}

// A viewsSummary tells of the batch's views (2N, C, F, T).
type viewsSummary struct {
	Shape     []int      `json:"shape"`
	NotFinite int        `json:"not_finite"` // values
	Min       number     `json:"min"`
	Max       number     `json:"max"`
	Rows      []viewLine `json:"rows"`
	First     string     `json:"first_not_finite,omitempty"` // where, in words
	Largest   int        `json:"largest_row"`                // row of the value furthest from zero
}

// A viewLine is a row of a batch.
type viewLine struct {
	Clip      string `json:"clip"`
	View      int    `json:"view"` // 1 or 2
	Min       number `json:"min"`
	Max       number `json:"max"`
	NotFinite int    `json:"not_finite"`
}

// arrayTrouble is an array with values that are not finite.
type arrayTrouble struct {
	Name      string `json:"name"`
	NotFinite int    `json:"not_finite"`
	Count     int    `json:"count"`
	Value     number `json:"value"` // the first
}

// A zSummary tells of the unit projections (2N, P).
type zSummary struct {
	Shape     []int  `json:"shape"`
	Min       number `json:"min"`
	Max       number `json:"max"`
	NotFinite int    `json:"not_finite"`
	Std       number `json:"std"`      // as z_std in metrics.jsonl
	Positive  number `json:"positive"` // mean cosine of a clip's two views
}

// A layerRow is a weight and its gradient.
type layerRow struct {
	Weight        string `json:"weight"`
	Largest       number `json:"largest"` // single weight, without its sign
	Norm          number `json:"norm"`
	GradNorm      number `json:"grad_norm"`
	Ratio         number `json:"ratio"` // of gradient to weight
	NotFinite     int    `json:"not_finite"`
	GradNotFinite int    `json:"grad_not_finite"`
}

// A ranFunction is one function of the step's graphs, as it ran.
type ranFunction struct {
	Index     int      `json:"index"`
	Graph     string   `json:"graph"`
	Func      string   `json:"function"`
	Layer     string   `json:"layer,omitempty"`
	Backward  bool     `json:"backward"`
	Shape     []int    `json:"shape"`
	Min       number   `json:"min"`
	Max       number   `json:"max"`
	NotFinite int      `json:"not_finite"`
	Count     int      `json:"count"`
	Value     number   `json:"value,omitempty"` // the first that is not finite
	At        int      `json:"at,omitempty"`    // where it lies, in memory's order
	Clips     []string `json:"clips,omitempty"` // whose values are not finite; of the first function that has such
}

// Replay runs the step of a replay file again, and finds where it stops being
// finite. The error is of kind Diverged if it does; the Rerun is nil if the file
// cannot be used.
func Replay(ctx context.Context, path string) (*Rerun, error) {
	f, err := readReplay(path)
	if err != nil {
		return nil, err
	}
	r := &Rerun{File: path, Recorded: f.divergence, Config: f.config}
	r.Here.Clr, r.Here.Go, r.Here.CPU = rundir.Version(), runtime.Version(), rundir.CPUPath()
	r.lookAtViews(f.batch)
	r.lookAtState(f.arrays)
	m, err := f.method(r.watch)
	if err != nil {
		return nil, err
	}
	result, err := m.Step(ctx, f.batch)
	if err != nil {
		return nil, err
	}
	r.Loss, r.GradNorm = number(result.Loss), number(optim.GradNorm(m.Params()))
	r.lookAtLayers(m.Params())
	r.lookAtProjections(result.Z)
	for i := range r.Functions {
		if r.Functions[i].NotFinite > 0 {
			r.First = &r.Functions[i]
			break
		}
	}
	finite := isFinite(float64(r.Loss)) && isFinite(float64(r.GradNorm))
	r.Same = equal(r.Loss, f.Loss) && equal(r.GradNorm, f.GradNorm)
	r.Diverged = !finite || f.Moved && len(r.State) > 0
	switch {
	case !isFinite(float64(r.Loss)):
		err = r.fault("the loss is %v at step %d here too", r.Loss, f.Step)
	case !finite:
		err = r.fault("the gradient norm is %v at step %d here too", r.GradNorm, f.Step)
	case r.Diverged:
		err = r.fault("%s holds %v after step %d", r.State[0].Name, r.State[0].Value, f.Step)
	}
	return r, err
}

// fault is the error of a step that diverges, with what to do about its cause.
func (r *Rerun) fault(format string, args ...any) error {
	remedy := "lower optimizer.lr or lengthen schedule.warmup_epochs"
	switch {
	case r.Views.NotFinite > 0:
		remedy = "look at the recording, its features and the augmentations: the views are not finite before the network sees them"
	case len(r.State) > 0 && !r.Recorded.Moved:
		remedy = "a step before this one moved the weights there: " + remedy
	}
	return fault.New(fault.Diverged, remedy, format, args...)
}

func equal(a, b number) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
}

// watch is shown each function as it has run.
func (r *Rerun) watch(s method.Seen) {
	e := s.Extent()
	f := ranFunction{Index: len(r.Functions), Graph: s.Graph, Func: s.Func, Layer: s.Layer, Backward: s.Gradient,
		Shape: s.Shape(), Min: number(e.Min), Max: number(e.Max), NotFinite: e.NotFinite, Count: e.Count}
	if e.NotFinite > 0 {
		f.At, f.Value = e.First, number(s.Value.Data[e.First])
		if !slices.ContainsFunc(r.Functions, func(f ranFunction) bool { return f.NotFinite > 0 }) {
			f.Clips = r.clipsIn(s)
		}
	}
	r.Functions = append(r.Functions, f)
}

// clipsIn are the clips, in the batch's order, with values that are not finite.
func (r *Rerun) clipsIn(s method.Seen) (clips []string) {
	n := len(r.Recorded.Clips)
	bad := make([]bool, n)
	for i, v := range s.Value.Data {
		if row := s.Row(i); v-v != 0 && row >= 0 {
			bad[row%n] = true
		}
	}
	for i, b := range bad {
		if b {
			clips = append(clips, r.Recorded.Clips[i])
		}
	}
	return clips
}

func (r *Rerun) lookAtViews(b method.Batch) {
	size := b.Input.Values()
	v := viewsSummary{Shape: b.Input.Shape(2 * b.N)}
	most := float32(-1)
	for row := range 2 * b.N {
		x := b.X[row*size : (row+1)*size]
		e := model.ExtentOf(x)
		l := viewLine{Clip: r.Recorded.Clips[row%b.N], View: 1 + row/b.N, Min: number(e.Min), Max: number(e.Max), NotFinite: e.NotFinite}
		if e.NotFinite > 0 && v.NotFinite == 0 {
			v.First = fmt.Sprintf("%s, view %d: %s is %v", l.Clip, l.View, placeIn(b.Input, e.First), x[e.First])
		}
		if top := max(-e.Min, e.Max); top > most {
			most, v.Largest = top, row
		}
		v.NotFinite += e.NotFinite
		v.Min, v.Max = min(v.Min, l.Min), max(v.Max, l.Max)
		if row == 0 {
			v.Min, v.Max = l.Min, l.Max
		}
		v.Rows = append(v.Rows, l)
	}
	r.Views = v
}

// placeIn says where in a view value i lies.
func placeIn(in model.Input, i int) string {
	row, frame := i/in.Frames, i%in.Frames
	if in.Channels == 1 {
		return fmt.Sprintf("bin %d of frame %d", row, frame)
	}
	return fmt.Sprintf("bin %d of frame %d of channel %d", row%in.Bins, frame, row/in.Bins)
}

func (r *Rerun) lookAtState(arrays map[string]kernel.Array) {
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		if e := model.ExtentOf(arrays[name].Data); e.NotFinite > 0 && !strings.HasPrefix(name, batchPrefix) {
			r.State = append(r.State, arrayTrouble{name, e.NotFinite, len(arrays[name].Data), number(arrays[name].Data[e.First])})
		}
	}
}

func (r *Rerun) lookAtLayers(params []*optim.Param) {
	for _, p := range params {
		e := model.ExtentOf(p.Value.Data)
		l := layerRow{Weight: p.Name, Largest: number(max(-e.Min, e.Max)), Norm: norm(p.Value), GradNorm: norm(p.Grad),
			NotFinite: e.NotFinite, GradNotFinite: model.ExtentOf(p.Grad.Data).NotFinite}
		l.Ratio = l.GradNorm / l.Norm
		r.Layers = append(r.Layers, l)
	}
}

func norm(a kernel.Array) number { return number(math.Sqrt(kernel.SumSquares(a.Data))) }

func (r *Rerun) lookAtProjections(z kernel.Array) {
	e := model.ExtentOf(z.Data)
	r.Z = zSummary{Shape: z.Shape, Min: number(e.Min), Max: number(e.Max), NotFinite: e.NotFinite, Std: number(spread(z))}
	half := len(z.Data) / 2
	r.Z.Positive = number(kernel.Dot(z.Data[:half], z.Data[half:]) / float64(z.Shape[0]/2))
}
