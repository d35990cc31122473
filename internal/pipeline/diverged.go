package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// divergedFile is the replay file of the step at which a fold's training stopped
// being finite. It stands beside the fold's checkpoints and touches none of them.
//
// It is a safetensors file with all that the step needs, and no path: the arrays
// of a checkpoint and the batch's views; as metadata the version, the config and
// the step. A later divergence takes its place, and once a checkpoint of a later
// step is saved it is removed (see replayFound).
const divergedFile = "diverged.safetensors"

const (
	replayVersion = "1"          // of the layout
	versionKey    = "clr.replay" // metadata: the version, and the mark of a replay file
	stepKey       = "step"       // metadata: a divergence, as JSON
	configKey     = "config"     // metadata: the portable config
	batchPrefix   = "batch."
	viewsKey      = batchPrefix + "views"  // array: (2N, C, F, T)
	cropsKey      = batchPrefix + "crops"  // array: (V·N, C, F, T'), where the method has such
	labelsKey     = batchPrefix + "labels" // array: (N), where the method asks for them
)

// A divergence is a step that is not finite, and what it was taken with.
type divergence struct {
	Step     int      `json:"step"`
	Epoch    int      `json:"epoch"`
	Steps    int      `json:"steps"` // of the whole run
	LR       float64  `json:"lr"`
	Fold     string   `json:"fold"`
	Seed     uint64   `json:"seed"`
	Clips    []string `json:"clips"`             // N; clip i has the views i and N+i
	Classes  int      `json:"classes,omitempty"` // of the labels
	What     string   `json:"not_finite"`
	Value    number   `json:"value"` // of What
	Moved    bool     `json:"moved"` // What is an array after the step, and so are all arrays here; else they are from before it
	Loss     number   `json:"loss"`
	GradNorm number   `json:"grad_norm"`
	Corpus   string   `json:"corpus_sha256"`
	Clr      string   `json:"clr"`
	Go       string   `json:"go"`
	CPU      string   `json:"cpu_path"`
}

// A number is a float64 that JSON can hold even where it is not finite: as text.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if isFinite(float64(n)) {
		return json.Marshal(float64(n))
	}
	return json.Marshal(n.String())
}

func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = number(v)
	return err
}

func (n number) String() string { return strconv.FormatFloat(float64(n), 'g', -1, 64) }

func isFinite(v float64) bool { return v-v == 0 }

// diverged makes of an error of training one that names the replay file, if it is
// of values that are not finite, once that file is written. Any other error, and
// what cannot be written, stays as it is.
func (t *trainer) diverged(dir string, batch *views, l rundir.Line, err error, con Console) error {
	if fault.KindOf(err) != fault.Diverged {
		return err
	}
	v := divergence{
		Step: l.Step, Epoch: l.Epoch, Steps: t.schedule(l.Step).Steps(t.batches.steps), LR: l.LR,
		Fold: t.split.Name, Seed: t.d.c.Seed, Clips: batch.names, Classes: len(t.labels.classes), Loss: number(l.Loss), GradNorm: number(l.GradNorm),
		Corpus: t.d.hash, Clr: rundir.Version(), Go: runtime.Version(), CPU: rundir.CPUPath(),
	}
	arrays := t.state()
	switch {
	case !isFinite(l.Loss):
		v.What, v.Value = "loss", number(l.Loss)
	case !isFinite(l.GradNorm):
		v.What, v.Value = "gradient norm", number(l.GradNorm)
	default: // the step was finite, and moved the weights to where they are not
		v.What, v.Value = notFinite(arrays)
		v.Moved = true
		err = fmt.Errorf("%w (step %d, learning rate %g; clips %s)", err, l.Step, l.LR, firstOf(batch.names))
	}
	arrays[viewsKey] = kernel.Array{Shape: batch.Input.Shape(2 * batch.N), Data: batch.X}
	if len(batch.Crops) > 0 {
		short := t.d.needs.Short(t.d.input)
		arrays[cropsKey] = kernel.Array{Shape: short.Shape(len(batch.Crops) / short.Values()), Data: batch.Crops}
	}
	if len(batch.Labels) > 0 {
		arrays[labelsKey] = kernel.Array{Shape: []int{len(batch.Labels)}, Data: batch.Labels}
	}
	path := filepath.Join(dir, divergedFile)
	if problem := saveReplay(path, v, t.d.c, arrays); problem != nil {
		con.Warn("the step could not be kept for clr replay: %v", problem)
		return err
	}
	return fault.New(fault.Diverged, fmt.Sprintf("clr replay %s shows where it went wrong; %s", path, fault.Remedy(err)),
		"%w; the step is kept in %s", err, path)
}

func saveReplay(path string, v divergence, c *Config, arrays map[string]kernel.Array) error {
	step, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return checkpoint.Save(path, &checkpoint.Checkpoint{Arrays: arrays,
		Meta: map[string]string{versionKey: replayVersion, stepKey: string(step), configKey: string(c.portable().Resolved())}})
}

// notFinite is the first array by name that is not finite, and its first such value.
func notFinite(arrays map[string]kernel.Array) (name string, value number) {
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		for _, v := range arrays[name].Data {
			if v-v != 0 {
				return name, number(v)
			}
		}
	}
	return "", number(math.NaN())
}

// A replayFound is the replay file that a fold's folder held when its training
// began.
type replayFound struct {
	path string
	step int // -1: there is none, or nothing that can be read
}

func lookForReplay(dir string) replayFound {
	path := filepath.Join(dir, divergedFile)
	if f, err := readReplay(path); err == nil {
		return replayFound{path, f.Step}
	}
	return replayFound{path, -1}
}

// passed removes the file once a checkpoint of so many steps is on disk that is
// past its step, so that nobody takes it for the run's end.
func (r *replayFound) passed(saved int, con Console) {
	if r.step < 0 || saved <= r.step {
		return
	}
	if disk.Remove(r.path) == nil {
		con.Say("%s removed: step %d was taken this time", r.path, r.step)
	}
	r.step = -1
}
