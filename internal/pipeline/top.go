package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/health"
	"clr/internal/rundir"
)

// TopOptions are what the command line says of following a run.
type TopOptions struct {
	Run   string
	Every time.Duration // from one look to the next
	Once  bool          // look once
}

// Check refuses what cannot be done.
func (o TopOptions) Check() error {
	if o.Every < 50*time.Millisecond {
		return fault.New(fault.Usage, "1s is usual", "--every is %v, it must be 50ms or more", o.Every)
	}
	return nil
}

// A View is what is seen of a run at one look.
type View struct {
	Run     string     `json:"run"`
	State   string     `json:"state"`             // running, done, failed or killed
	Outcome string     `json:"outcome,omitempty"` // of a run that has ended: done, or its error
	Exit    int        `json:"exit_code"`         // that it ended with
	Folds   []FoldView `json:"folds"`
}

// A FoldView is what is seen of a fold.
type FoldView struct {
	Fold     string           `json:"fold"`
	Step     int              `json:"step"`  // so many are done
	Steps    int              `json:"steps"` // that it comes to; 0: not known before the first epoch's end
	Epoch    int              `json:"epoch"` // of the last step, from 0
	Epochs   int              `json:"epochs"`
	Loss     float64          `json:"loss"` // of the last step, as all below
	LR       float64          `json:"lr"`
	GradNorm float64          `json:"grad_norm"`
	ZStd     float64          `json:"z_std"`
	ClipsPS  float64          `json:"clips_per_s"` // mean of the last steps
	Left     float64          `json:"left_s"`      // seconds, at that rate; 0: not known, or none
	Losses   []float64        `json:"losses"`      // means of the epochs
	Warnings []health.Warning `json:"warnings"`
}

// recent steps say how fast a run is.
const recent = 50

// Top follows a run that another process trains until it ends, and gives the
// error that it ended with. It changes nothing, and ends without an error where
// ctx does.
func Top(ctx context.Context, o TopOptions, con Console) error {
	if err := o.Check(); err != nil {
		return err
	}
	if _, err := runConfig(o.Run, Overrides{}); err != nil {
		return err
	}
	w := &watcher{o: o, con: con, folds: map[string]*watched{}}
	for {
		v, err := w.look()
		if err != nil {
			return err
		}
		if err := w.show(v); err != nil {
			return err
		}
		if o.Once || v.State != running {
			return v.ended()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.Every):
		}
	}
}

// States of a run.
const (
	running = "running"
	done    = "done"
	failed  = "failed"
	killed  = "killed"
)

// ended is how a run ended, as an error.
func (v *View) ended() error {
	where := filepath.Join(v.Run, rundir.ConfigFile)
	switch v.State {
	case failed:
		return fault.New(fault.Kind(v.Exit), fmt.Sprintf("clr health %s shows what was seen of it; clr pretrain --config %s --run %[1]s --resume goes on", v.Run, where), "%s ended: %s", v.Run, v.Outcome)
	case killed:
		return fault.New(fault.Run, fmt.Sprintf("clr pretrain --config %s --run %s --resume goes on from its last checkpoint", where, v.Run), "%s was killed: it said no end, and its process is gone", v.Run)
	}
	return nil
}

// A watcher looks at a run again and again.
type watcher struct {
	o     TopOptions
	con   Console
	folds map[string]*watched
	gone  bool // at the last look, its process was
	shown int  // steps in all folds that the last line was of
	ever  bool // something was shown
}

// A watched fold is what was read of its logs.
type watched struct {
	steps    *rundir.Tail[rundir.Line]
	looks    *rundir.Tail[rundir.Health]
	last     rundir.Line
	done     int // steps
	epoch    mean
	perEpoch int // steps; 0: not known
	losses   []float64
	times    []float64 // seconds of the last steps
	warnings []health.Warning
}

func (w *watcher) look() (*View, error) {
	// What may have ended is asked before the logs, so that these are whole then.
	c, err := runConfig(w.o.Run, Overrides{})
	if err != nil {
		return nil, err
	}
	v := &View{Run: w.o.Run, Folds: []FoldView{}}
	if err := w.state(v); err != nil {
		return nil, err
	}
	folds, err := rundir.Folds(w.o.Run)
	if err != nil {
		return nil, err
	}
	for _, name := range folds {
		f := w.folds[name]
		if f == nil {
			dir := rundir.FoldDir(w.o.Run, name)
			f = &watched{steps: rundir.TailLog(dir), looks: rundir.TailHealth(dir)}
			w.folds[name] = f
		}
		if err := f.read(c.Batch); err != nil {
			return nil, err
		}
		v.Folds = append(v.Folds, f.view(name, c))
	}
	return v, nil
}

// state says whether the run goes on: as its last session says, or else as the
// lock does. A lock is written anew now and then, so that a process is gone only
// when two looks in a row find none.
func (w *watcher) state(v *View) error {
	_, sessions, err := rundir.Read(w.o.Run)
	if err != nil {
		return err
	}
	if len(sessions) == 0 {
		v.State = running
		return nil
	}
	last := sessions[len(sessions)-1]
	_, held := disk.HolderOf(filepath.Join(w.o.Run, rundir.LockFile))
	gone := !held
	switch v.Outcome = last.Outcome; {
	case last.End != nil && last.Outcome == "done":
		v.State = done
	case last.End != nil:
		v.State, v.Exit = failed, last.Exit
		if v.Exit < 1 || v.Exit > 255 { // an older clr did not say
			v.Exit = int(fault.Run)
		}
	case gone && (w.gone || w.o.Once):
		v.State, v.Exit = killed, int(fault.Run)
	default:
		v.State = running
	}
	w.gone = gone
	return nil
}

// read takes in what was logged since the last look.
func (f *watched) read(batch int) error {
	looks, again, err := f.looks.More()
	if err != nil {
		return err
	}
	if again {
		f.warnings = nil
	}
	for _, l := range looks {
		f.warnings = append(f.warnings, l.Warnings...)
	}
	lines, anew, err := f.steps.More()
	if err != nil {
		return err
	}
	if anew {
		f.last, f.done, f.epoch, f.losses, f.times = rundir.Line{}, 0, mean{}, nil, nil
	}
	for _, l := range lines {
		if l.Epoch > f.last.Epoch && f.epoch.count > 0 {
			f.losses = append(f.losses, f.epoch.take())
			f.perEpoch = l.Step / l.Epoch // whole epochs are behind it
		}
		f.epoch.add(l.Loss)
		f.last, f.done = l, l.Step+1
		if l.ClipsPS > 0 {
			f.times = append(f.times, float64(batch)/l.ClipsPS)
			f.times = f.times[max(0, len(f.times)-recent):]
		}
	}
	return nil
}

func (f *watched) view(name string, c *Config) FoldView {
	v := FoldView{Fold: name, Step: f.done, Steps: f.perEpoch * c.Schedule.Epochs, Epoch: f.last.Epoch, Epochs: c.Schedule.Epochs, Loss: f.last.Loss, LR: f.last.LR,
		GradNorm: f.last.GradNorm, ZStd: f.last.ZStd, Losses: append([]float64{}, f.losses...), Warnings: append([]health.Warning{}, f.warnings...)}
	if f.epoch.count > 0 && f.perEpoch > 0 && f.done%f.perEpoch == 0 { // the last epoch is whole
		last := f.epoch
		v.Losses = append(v.Losses, last.take())
	}
	if len(f.times) > 0 {
		took := 0.0
		for _, t := range f.times {
			took += t / float64(len(f.times))
		}
		v.ClipsPS = float64(c.Batch) / took
		v.Left = float64(max(0, v.Steps-v.Step)) * took
	}
	return v
}

// show shows a look: in the place of the last one on a terminal, and else as a line
// where there is something new.
func (w *watcher) show(v *View) error {
	steps := 0
	for _, f := range v.Folds {
		steps += f.Step
	}
	screen, redraw := w.con.Out.(*Terminal)
	if news := steps != w.shown || v.State != running || !w.ever; !news && (w.con.JSON || !redraw) {
		return nil
	}
	w.shown, w.ever = steps, true
	switch {
	case w.con.JSON:
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.con.Out, "%s\n", b)
		return err
	case redraw:
		return screen.turn(v.page())
	}
	for _, f := range v.Folds {
		if f.Step == 0 || f.Step < f.Steps && len(v.Folds) > 1 && f.Fold != v.active() {
			continue
		}
		if _, err := fmt.Fprintln(w.con.Out, f.sentence()); err != nil {
			return err
		}
	}
	return nil
}

// active is the fold that is trained: the last that has begun.
func (v *View) active() (name string) {
	for _, f := range v.Folds {
		if f.Step > 0 && (f.Steps == 0 || f.Step < f.Steps) {
			name = f.Fold
		}
	}
	return name
}

// sentence is a fold in one line.
func (f FoldView) sentence() string {
	s := fmt.Sprintf("step %s  epoch %d/%d  loss %.4f  z std %.4f  %.0f clips/s", f.of(), f.Epoch+1, f.Epochs, f.Loss, f.ZStd, f.ClipsPS)
	if f.Fold != "" {
		s = "fold " + f.Fold + "  " + s
	}
	if f.Left > 0 {
		s += "  " + f.left() + " left"
	}
	return s
}

func (f FoldView) of() string {
	if f.Steps == 0 {
		return fmt.Sprint(f.Step)
	}
	return fmt.Sprintf("%d/%d", f.Step, f.Steps)
}

func (f FoldView) left() string {
	return time.Duration(f.Left * float64(time.Second)).Round(time.Second).String()
}

// page is a look at all folds on a screen.
func (v *View) page() []string {
	head := v.Run + ": " + v.State
	if v.State == failed {
		head += ": " + v.Outcome
	}
	lines := []string{head}
	for _, f := range v.Folds {
		if f.Step == 0 {
			lines = append(lines, strings.TrimSpace("fold "+f.Fold+" no step is done yet"))
			continue
		}
		if f.Fold != "" {
			lines = append(lines, "", "fold "+f.Fold)
		}
		rest := ""
		if f.Left > 0 {
			rest = f.left() + " left"
		}
		if f.Steps > 0 {
			rest = bar(f.Step, f.Steps) + "  " + rest
		}
		lines = append(lines,
			strings.TrimRight(fmt.Sprintf("  step       %-14s %s", f.of(), rest), " "),
			fmt.Sprintf("  epoch      %d/%d", f.Epoch+1, f.Epochs),
			strings.TrimRight(fmt.Sprintf("  loss       %-14.4f %s", f.Loss, Sparkline(f.Losses, 3*courseWide)), " "),
			fmt.Sprintf("  z std      %.4f", f.ZStd),
			fmt.Sprintf("  gradient   %.3f", f.GradNorm),
			fmt.Sprintf("  rate       %.3g", f.LR),
			fmt.Sprintf("  clips/s    %.0f", f.ClipsPS))
		for _, w := range f.Warnings[max(0, len(f.Warnings)-3):] {
			lines = append(lines, fmt.Sprintf("  warning    step %d: %s: %s", w.Step, w.Code, w.Text))
		}
	}
	return lines
}
