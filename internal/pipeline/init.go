package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/pipeline/strict"
	"clr/internal/rundir"
)

// initFile is where the first weights of a fold's encoder stand: the file that the
// config names or, where it names a run folder, the fold's newest checkpoint.
func (c *Config) initFile(fold string) string {
	path := c.resolve(c.Init)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(rundir.FoldDir(path, fold), rundir.LastFile)
	}
	return path
}

// firstWeights are what a fold's encoder begins with, under the network's names,
// and the SHA-256 of their file; none and "" where the config draws them at random.
func (d *data) firstWeights(s eval.Split) (map[string]kernel.Array, string, error) {
	if d.c.Init == "" {
		return nil, "", nil
	}
	path := d.c.initFile(d.foldName(s))
	if err := foreignWeights(path); err != nil {
		return nil, "", err
	}
	tensors, meta, err := checkpoint.LoadTensors(path)
	if err != nil {
		return nil, "", fault.New(fault.Data, "init names a safetensors file (weights of other formats are to be saved as one), or a run folder with a checkpoint of every fold", "init: %w", err)
	}
	if fold := meta["fold"]; meta["corpus"] == d.hash && fold != s.Name {
		return nil, "", fault.New(fault.Data, "name the run folder: each fold then begins with its own encoder",
			"init: %s was trained on fold %s of this corpus, and has heard the clips that fold %s is tested on", path, fold, s.Name)
	}
	arrays, err := d.c.fitted(tensors, meta, d.input)
	if err != nil {
		return nil, "", fmt.Errorf("init: %s does not fit the encoder:\n%w", path, err)
	}
	sum, err := hashOf(path)
	return arrays, sum, err
}

// initHash is the SHA-256 of the file that the encoders begin with; of a run
// folder with several folds, of their names and files. It is empty without init.
func (d *data) initHash() (string, error) {
	if d.c.Init == "" {
		return "", nil
	}
	h := sha256.New()
	for _, s := range d.splits {
		path := d.c.initFile(d.foldName(s))
		sum, err := hashOf(path)
		if path == d.c.resolve(d.c.Init) || len(d.splits) == 1 {
			return sum, err
		}
		if errors.Is(err, fs.ErrNotExist) { // of a run that was not asked for every fold
			continue
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %s\n", s.Name, sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashOf(path string) (string, error) {
	sum, err := disk.Hash(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return "", fault.New(fault.Data, "bring the file back", "init: %s: %w", path, err)
	}
	return sum, nil
}

// otherInit refuses to go on with a run that began with other weights.
func otherInit(where, then, now string) error {
	if then == now {
		return nil
	}
	say := func(sum string) string {
		if sum == "" {
			return "random weights"
		}
		return fmt.Sprintf("the file %.12s", sum)
	}
	return fault.New(fault.Data, "bring back the file that init named, or start another run", "%s began with %s, init is now %s", where, say(then), say(now))
}

// wrappers are what other tools put before the names of an encoder.
var wrappers = []string{"module.", "backbone.", "model."}

// fitted are a file's tensors as the first weights of the config's encoder. All
// that does not fit is told at once.
func (c *Config) fitted(tensors []checkpoint.Tensor, meta map[string]string, in model.Input) (map[string]kernel.Array, error) {
	arrays, mistakes, err := fit(c.Encoder, tensors, in)
	if err != nil || len(mistakes) == 0 {
		return arrays, err
	}
	return nil, fault.List(fault.Data, c.wouldFit(tensors, meta, in), mistakes)
}

// fit lines a file's tensors up with an encoder's names, and says what is amiss.
func fit(e model.Encoder, tensors []checkpoint.Tensor, in model.Input) (arrays map[string]kernel.Array, mistakes []error, err error) {
	const part = "encoder."
	draft, err := model.Draft(e, in)
	if err != nil {
		return nil, nil, err
	}
	want := map[string]kernel.Array{}
	draft.State("", want)
	file := unwrapped(tensors, func(name string) bool { _, ok := want[part+name]; return ok })
	arrays, mistakes = taken(want, part, file, in)
	classifier := func(name string) bool { // or what an export of clr has behind the encoder
		behind := []string{"fc.", headPrefix, projectorPrefix, predictorPrefix}
		return slices.ContainsFunc(behind, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}
	if slices.ContainsFunc(slices.Sorted(maps.Keys(want)), func(name string) bool { return classifier(strings.TrimPrefix(name, part)) }) {
		classifier = func(string) bool { return false }
	}
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if _, ok := want[part+name]; !ok && !classifier(name) {
			mistakes = append(mistakes, fmt.Errorf("  it has %s %v, the encoder has not", name, file[name].Shape))
		}
	}
	return arrays, mistakes, nil
}

// taken are the arrays of a part of a network, of tensors whose names lack the part's,
// and what is amiss with them.
func taken(want map[string]kernel.Array, part string, file map[string]checkpoint.Tensor, in model.Input) (arrays map[string]kernel.Array, mistakes []error) {
	amiss := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf("  "+format, args...)) }
	arrays = map[string]kernel.Array{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		bare, ok := strings.CutPrefix(name, part)
		if !ok {
			continue
		}
		t, ok := file[bare]
		counts := strings.HasSuffix(name, ".num_batches_tracked")
		switch {
		case !ok && counts: // older tools kept none
		case !ok:
			amiss("it has no %s %v", name, want[name].Shape)
		case counts && t.I64 != nil && len(t.Shape) == 0:
			arrays[name] = kernel.Array{Data: []float32{float32(t.I64[0])}}
		default:
			a, problem := weight(t, want[name].Shape, in)
			if problem != "" {
				amiss("%s %s", name, problem)
			}
			arrays[name] = a
		}
	}
	return arrays, mistakes
}

// weight is a tensor as an array of a shape, or says why it cannot be. A first
// convolution of three colours becomes one of a single channel by their sum, as if
// the spectrogram were a grey picture.
func weight(t checkpoint.Tensor, shape []int, in model.Input) (a kernel.Array, problem string) {
	a = kernel.Array{Shape: t.Shape, Data: t.F32}
	if t.I64 != nil {
		return a, "is of whole numbers"
	}
	if s := t.Shape; in.Channels == 1 && len(s) == 4 && s[1] == 3 && slices.Equal(shape, []int{s[0], 1, s[2], s[3]}) {
		taps := s[2] * s[3]
		a = kernel.New(shape...)
		for i := range a.Data {
			of := t.F32[i/taps*3*taps+i%taps:]
			a.Data[i] = float32(float64(of[0]) + float64(of[taps]) + float64(of[2*taps]))
		}
	}
	if !slices.Equal(a.Shape, shape) {
		return a, fmt.Sprintf("is %v, the encoder needs %v", a.Shape, shape)
	}
	for _, v := range a.Data {
		if v-v != 0 {
			return a, fmt.Sprintf("holds %v", v)
		}
		if v < 0 && strings.HasSuffix(t.Name, ".running_var") {
			return a, fmt.Sprintf("holds %g, a variance is not below 0", v)
		}
	}
	return a, ""
}

// unwrapped are tensors by the names that an encoder has for them: of a checkpoint
// those of the part encoder, averaged where it keeps an average, and else without what all names begin with.
func unwrapped(tensors []checkpoint.Tensor, known func(name string) bool) map[string]checkpoint.Tensor {
	file := map[string]checkpoint.Tensor{}
	for _, t := range tensors {
		file[t.Name] = t
	}
	within := func(prefix string) map[string]checkpoint.Tensor {
		inner := map[string]checkpoint.Tensor{}
		for name, t := range file {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				inner[rest] = t
			}
		}
		return inner
	}
	if inner := within(averaged); len(inner) > 0 { // of a run that keeps an average, what embeds
		file = inner
	}
	for range 4 { // deeper is nobody's
		if slices.ContainsFunc(slices.Sorted(maps.Keys(file)), known) {
			break
		}
		if inner := within("encoder."); len(inner) > 0 {
			file = inner
			continue
		}
		for _, w := range wrappers {
			if inner := within(w); len(inner) == len(file) {
				file = inner
				break
			}
		}
	}
	return file
}

// wouldFit is the remedy for a file that does not fit: the encoder that it would
// fit, by the config in it or by trying the ResNets, or else what to look for.
func (c *Config) wouldFit(tensors []checkpoint.Tensor, meta map[string]string, in model.Input) string {
	var tried []model.Encoder
	for _, key := range []string{"config", "clr.config"} { // of a checkpoint, of an export
		was := DefaultConfig()
		if _, problems := schema().Decode("its config", []byte(meta[key]), strict.Overrides{}, was); meta[key] != "" && len(problems) == 0 {
			tried = append(tried, was.Encoder)
		}
	}
	base, ok := c.Encoder.(model.ResNet)
	if !ok {
		base = model.Encoders["resnet"].(model.ResNet)
	}
	if stem, ok := unwrapped(tensors, func(name string) bool { return name == "conv1.weight" })["conv1.weight"]; ok && len(stem.Shape) == 4 {
		tried = append(tried, base.Variants(stem.Shape[0])...)
	}
	for _, e := range tried {
		if e.Check() != nil {
			continue
		}
		if _, mistakes, err := fit(e, tensors, in); err != nil || len(mistakes) > 0 {
			continue
		}
		other := *c
		other.Encoder = e
		var set []string
		for _, f := range Diff(&other, c) {
			if f.Old != "" {
				set = append(set, f.Key+"="+f.Old)
			}
		}
		return "it would fit with " + strings.Join(set, ", ")
	}
	return "name a file of the same encoder: an export or a checkpoint of clr, or, for a resnet, weights under torchvision's names"
}
