package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/rundir"
)

// A Source names an encoder: of a run's folder, or of what clr export wrote.
type Source struct {
	Run    string `json:"run,omitempty"`    // folder
	Fold   string `json:"fold,omitempty"`   // which of its encoders, where it has several
	Bundle string `json:"bundle,omitempty"` // folder with a model.safetensors
	Model  string `json:"model,omitempty"`  // such a file alone
}

// A frozen is an encoder with all that it takes to embed sound, and no corpus.
type frozen struct {
	*data  // its config and the size of a view, no more
	state  encoderState
	source Source
}

// told says whether an encoder is named; two are refused.
func (s Source) told() (bool, error) {
	named := 0
	for _, name := range []string{s.Run, s.Bundle, s.Model} {
		if name != "" {
			named++
		}
	}
	if named > 1 {
		return true, fault.New(fault.Usage, "name one of them", "--run, --bundle and --model each name an encoder, and %d are given", named)
	}
	if s.Fold != "" && s.Run == "" {
		return named > 0, fault.New(fault.Usage, "leave it out, or name the run with --run", "--fold %s is of a run, and none is given", s.Fold)
	}
	return named > 0, nil
}

// frozenSections are those of a config that may be set anew for embedding.
var frozenSections = []string{"embed", "windows", "on_error"}

// openFrozen reads the encoder that is named.
func openFrozen(s Source, ov Overrides, con Console) (*frozen, error) {
	told, err := s.told()
	switch {
	case err != nil:
		return nil, err
	case !told:
		return nil, fault.New(fault.Usage, "name the folder that clr pretrain --run wrote, or with --bundle or --model what clr export did", "no encoder is given: neither --run nor --bundle nor --model")
	case s.Run != "":
		return openRun(s, ov, con)
	case s.Bundle != "":
		return openModel(filepath.Join(s.Bundle, bundleWeights), s, ov)
	}
	return openModel(s.Model, s, ov)
}

// openRun reads the encoder of a run folder; its corpus need not be there.
func openRun(s Source, ov Overrides, con Console) (*frozen, error) {
	was, err := runConfig(s.Run, Overrides{})
	if err != nil {
		return nil, err
	}
	c, err := runConfigBut(s.Run, ov, frozenSections...)
	if err != nil {
		return nil, err
	}
	folds, err := rundir.Folds(s.Run)
	if err != nil {
		return nil, err
	}
	several := folds[0] != ""
	fold := s.Fold
	switch {
	case several && fold == "" && len(folds) > 1:
		return nil, fault.New(fault.Usage, "choose one with --fold: "+strings.Join(folds, ", "), "the run has %d encoders, one per fold", len(folds))
	case several && fold == "":
		fold = folds[0]
	case several && !slices.Contains(folds, fold):
		return nil, fault.New(fault.Usage, "the folds are "+strings.Join(folds, ", "), "there is no fold %q", fold)
	case !several:
		fold = ""
	}
	dir := rundir.FoldDir(s.Run, fold)
	cp, err := savedIn(dir, con)
	if err != nil {
		return nil, err
	}
	if !several {
		if fold = cp.Meta["fold"]; s.Fold != "" && s.Fold != fold {
			return nil, fault.New(fault.Usage, "leave --fold out", "there is no fold %q, the run's only one is %s", s.Fold, fold)
		}
	}
	f, err := newFrozen(c, s)
	if err != nil {
		return nil, err
	}
	if err := (&data{c: was}).owns(cp, eval.Split{Name: fold}, dir); err != nil {
		return nil, err
	}
	f.state, err = f.trained(cp)
	return f, err
}

func newFrozen(c *Config, s Source) (*frozen, error) {
	in, err := c.Input()
	return &frozen{data: &data{c: c, input: in}, source: s}, err
}

const exportAgain = "let clr export --format safetensors write it again"

// openModel reads an encoder as clr export --format safetensors wrote it.
func openModel(path string, s Source, ov Overrides) (*frozen, error) {
	ov, err := ov.Within("the file says what its encoder was made with", frozenSections...)
	if err != nil {
		return nil, err
	}
	tensors, meta, err := checkpoint.LoadTensors(path)
	if err != nil {
		return nil, fault.New(fault.Data, "name a file that clr export --format safetensors wrote, or with --bundle a folder with such a "+bundleWeights, "%w", err)
	}
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Data, exportAgain, "%s: "+format, append([]any{path}, args...)...)
	}
	if meta[encoderKey] == "" || meta["clr.config"] == "" {
		return nil, fault.New(fault.Data, "name a file that clr export --format safetensors wrote; weights of other programs begin a run by --set init="+filepath.Base(path),
			"%s: clr export did not write it: its metadata lacks %s or clr.config", path, encoderKey)
	}
	text, neither := []byte(meta["clr.config"]), []string{"corpus=" + builtinPrefix + "fsdd", "workers=1"} // which an export says
	if _, err := ParseConfig("clr.config", text, Overrides{Set: neither}); err != nil {
		return nil, wrong("%w", err)
	}
	ov.Set = append(neither, ov.Set...)
	c, err := ParseConfig("clr.config", text, ov)
	if err != nil {
		return nil, err // the command line's
	}
	f, err := newFrozen(c, s)
	if err != nil {
		return nil, wrong("%w", err)
	}
	limit := host.MemoryLimit()
	if err := limit.Fits(8*streamBatch*int64(f.input.Values()), "embedding", "views of "+f.input.String(), exportAgain); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	draft, err := model.Draft(c.headed(), f.input)
	if err != nil {
		return nil, wrong("%w", err)
	}
	want := map[string]kernel.Array{}
	draft.State("", want)
	encoder, projector := map[string]checkpoint.Tensor{}, map[string]checkpoint.Tensor{}
	for _, t := range tensors {
		if rest, ok := strings.CutPrefix(t.Name, projectorPrefix); ok {
			projector[rest] = t
		} else {
			encoder[t.Name] = t
		}
	}
	arrays, mistakes := taken(want, "encoder.", encoder, f.input)
	if len(mistakes) > 0 {
		return nil, wrong("it does not fit the encoder of its clr.config:\n%w", fault.List(fault.Data, exportAgain, mistakes))
	}
	kept, mistakes := taken(want, projectorPrefix, projector, f.input)
	if len(mistakes) > 0 {
		const remedy = "embed from the run's folder with --run, or export it with as many embed.head_layers"
		return nil, fault.New(fault.Data, remedy, "%s: it lacks what embed.head_layers %d keeps of the projector:\n%w", path, c.Embed.HeadLayers, fault.List(fault.Data, remedy, mistakes))
	}
	maps.Copy(arrays, kept)
	norm, err := f.normalizationIn(meta)
	if err != nil {
		return nil, wrong("%w", err)
	}
	if f.state, err = f.fresh(norm); err != nil {
		return nil, wrong("%w", err)
	}
	if err := f.state.params.Load("", arrays); err != nil {
		return nil, wrong("%w", err)
	}
	for key, sum := range map[string]string{encoderKey: f.state.hash(), projectorKey: projectorHash(tensors)} {
		if sum != meta[key] {
			return nil, wrong("its weights are not those that it was written with: their SHA-256 is %.12s, %s says %.12s", sum, key, meta[key])
		}
	}
	return f, nil
}

// normalizationIn undoes normalization.meta.
func (d *data) normalizationIn(meta map[string]string) (n normalization, err error) {
	read := func(key string, values int, above float32) (x []float32) {
		for word := range strings.SplitSeq(meta[key], ",") {
			v, wrong := strconv.ParseFloat(word, 32)
			if err == nil && (wrong != nil || math.IsNaN(v) || math.IsInf(v, 0) || float32(v) <= above) {
				err = fmt.Errorf("%s holds %.40q, which is no mean or deviation", key, word)
			}
			if x = append(x, float32(v)); len(x) > values {
				break
			}
		}
		if err == nil && len(x) != values {
			err = fmt.Errorf("%s holds %d values, for views of %s there must be %d", key, len(x), d.input, values)
		}
		return x
	}
	least := float32(math.Inf(-1))
	n.mean, n.std = read("clr.mean", d.input.Channels, least), read("clr.std", d.input.Channels, 0)
	if d.c.View.Normalize == "corpus_band" {
		n.binMean, n.binStd = read("clr.bin_mean", d.input.Rows(), least), read("clr.bin_std", d.input.Rows(), 0)
	}
	return n, err
}

// digest is one word for all that decides an embedding but which stretch of sound
// it is of: weights, normalisation, feature, view, pooling.
func (f *frozen) digest() string {
	arrays := f.state.norm.arrays()
	f.state.params.State("", arrays)
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", checkpoint.Digest(arrays))
	for _, l := range schema().Leaves(f.c) {
		section, _, _ := strings.Cut(l.Path, ".")
		if slices.Contains([]string{"sample_rate", "channels", "resample", "feature", "view", "encoder", "embed", "engine"}, section) {
			fmt.Fprintf(h, "%s: %s\n", l.Path, l.Text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
