package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/model"
)

// manyClasses is the most that a file may claim.
const manyClasses = 1 << 16

// A replayFile is one that was read and believed.
type replayFile struct {
	divergence
	path   string
	config string
	c      *Config
	batch  method.Batch
	arrays map[string]kernel.Array // a checkpoint's, and the views
}

// readReplay reads a replay file. Nothing that it says is believed before it is
// checked: sizes against the file, the config by the strict reader.
func readReplay(path string) (*replayFile, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fault.New(fault.Usage, "name the "+divergedFile+" in it, or in a fold's folder, if the run ended with exit code 4", "%s is a folder, not a replay file", path)
	}
	cp, err := checkpoint.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "name the "+divergedFile+" that clr pretrain wrote into the run folder, or the fold's", "there is no replay file %s", path)
	}
	if err != nil {
		return nil, fault.New(fault.Data, "copy the file again from where it came from, or run into the divergence again: clr pretrain --resume", "%w", err)
	}
	version, ok := cp.Meta[versionKey]
	switch {
	case !ok:
		return nil, fault.New(fault.Data, "name the "+divergedFile+" of a run that ended with exit code 4", "%s is not a replay file", path)
	case version != replayVersion:
		return nil, fault.New(fault.Data, "replay it with the clr that wrote it", "%s is a replay file of version %q, this clr reads version %s", path, version, replayVersion)
	}
	f := &replayFile{path: path, config: cp.Meta[configKey], arrays: cp.Arrays}
	d := json.NewDecoder(strings.NewReader(cp.Meta[stepKey]))
	d.DisallowUnknownFields()
	if err := d.Decode(&f.divergence); err != nil {
		return nil, f.wrong("the step's description: %w", err)
	}
	x := cp.Arrays[viewsKey]
	if n := len(f.Clips); n == 0 || f.Step < 0 || len(x.Shape) != 4 || x.Shape[0] != 2*n {
		return nil, f.wrong("the views of step %d are %v, for %d clips", f.Step, x.Shape, n)
	}
	f.batch = method.Batch{N: len(f.Clips), X: x.Data, Crops: cp.Arrays[cropsKey].Data, Labels: cp.Arrays[labelsKey].Data, Input: model.Input{Channels: x.Shape[1], Bins: x.Shape[2], Frames: x.Shape[3]}, Step: f.Step}
	return f, f.parse()
}

// parse reads the config. It has neither a corpus nor workers, which a replay
// does not need.
func (f *replayFile) parse() (err error) {
	if f.c, err = ParseConfig(f.path, []byte(f.config), Overrides{Set: []string{"corpus=none", "workers=1"}}); err != nil {
		return f.unknown(err)
	}
	in, err := f.c.Input()
	if err != nil {
		return f.unknown(err)
	}
	if in != f.batch.Input {
		return f.wrong("the views are of %v, by its config they would be of %v", f.batch.Input, in)
	}
	if method.NeedsOf(f.c.Method).Labels {
		if f.Classes < 2 || f.Classes > manyClasses || len(f.batch.Labels) != f.batch.N {
			return f.wrong("it has %d labels of %d classes, for %d clips", len(f.batch.Labels), f.Classes, f.batch.N)
		}
		for i, y := range f.batch.Labels {
			if !(y >= unlabelled && y < float32(f.Classes) && y == float32(int(y))) {
				return f.wrong("the label of clip %d is %v, of %d classes", i, y, f.Classes)
			}
		}
	}
	return nil
}

func (f *replayFile) wrong(format string, args ...any) error {
	return fault.New(fault.Data, "use the file as clr pretrain wrote it", "%s: %w", f.path, fmt.Errorf(format, args...))
}

func (f *replayFile) unknown(err error) error {
	return fault.New(fault.Data, "replay it with the clr that wrote it: "+f.Clr, "%s: this clr does not know the config in it: %w", f.path, err)
}

// method makes the method as it stood at the step. Its memory is taken when the
// file is known to fill it.
func (f *replayFile) method(watch func(method.Seen)) (method.Method, error) {
	s := method.Setup{Encoder: f.c.Encoder, Batch: f.batch.N, Input: f.batch.Input, Classes: f.Classes, Seed: f.c.Seed, ExactConv: f.c.Engine.ExactConv}
	plan, err := method.Draft(f.c.Method, s)
	if err != nil {
		return nil, f.unknown(err)
	}
	if err := s.Fits(f.batch, method.NeedsOf(f.c.Method)); err != nil {
		return nil, f.wrong("%w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(plan.State)) {
		if have, ok := f.arrays[name]; !ok {
			return nil, f.wrong("it has no %s", name)
		} else if want := plan.State[name].Shape; !slices.Equal(have.Shape, want) {
			return nil, f.wrong("its %s is %v, by its config it would be %v", name, have.Shape, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.arrays)) {
		if _, ok := plan.State[name]; !ok && !strings.HasPrefix(name, "optimizer.") && !strings.HasPrefix(name, "input.") && !strings.HasPrefix(name, batchPrefix) && !strings.HasPrefix(name, averaged) {
			return nil, f.wrong("it holds %s, which the method in its config has not", name)
		}
	}
	const float = 4
	arrays := float * (plan.Weights + plan.Arrays)
	if err := host.MemoryLimit().Fits(int64(plan.GraphBytes()+arrays), "the replay",
		fmt.Sprintf("graph %s, arrays %s", size(plan.GraphBytes()), size(arrays)), "replay it on the machine that wrote it, or on one as large"); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(f.path), err)
	}
	s.Watch = watch
	m, err := f.c.Method.New(s)
	if err != nil {
		return nil, err
	}
	for name, to := range m.State() {
		copy(to.Data, f.arrays[name].Data)
	}
	return m, f.c.setRates(m.Params()) // frozen weights are not in the gradient's norm
}
