package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// What lies in a bundle.
const (
	bundleWeights      = "model.safetensors"
	bundleModel        = "model.onnx"
	bundleConfig       = "config.json"
	bundlePreprocessor = "preprocessor_config.json"
	bundleCard         = "README.md"
)

// exportBundle writes a folder that others can do with alone.
func (p *parcel) exportBundle(o ExportOptions, con Console) error {
	frontEnd := true
	model, why := p.onnx(frontEnd, o.FoldBN)
	if why != nil { // a feature without words there; whatever else it is comes again
		frontEnd = false
		var err error
		if model, err = p.onnx(frontEnd, o.FoldBN); err != nil {
			return err
		}
		con.Warn("%s takes spectrograms, not waveforms: %v", bundleModel, why)
	}
	card, err := p.card(o, frontEnd)
	if err != nil {
		return err
	}
	return disk.WriteDir(o.Out, func(dir string) error {
		for _, file := range []struct {
			name  string
			write func(io.Writer) error
		}{
			{bundleWeights, p.writeSafetensors},
			{bundleModel, model},
			{bundleConfig, jsonOf(p.config())},
			{bundlePreprocessor, jsonOf(p.preprocessor(frontEnd))},
			{bundleCard, card.write},
		} {
			if err := disk.WriteFile(filepath.Join(dir, file.name), file.write); err != nil {
				return err
			}
		}
		return nil
	})
}

func jsonOf(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
}

// bundleMark is a key of config.json that other programs' have not.
const bundleMark = `"clr_config": `

// bundleConfigOf is config.json: the network and what its answers mean, under the names
// that are usual on model hubs where there are any.
type bundleConfigOf struct {
	ModelType    string            `json:"model_type"`
	Version      string            `json:"clr_version"`
	SHA256       string            `json:"encoder_sha256"` // as in reports
	Encoder      map[string]any    `json:"encoder"`
	Embed        map[string]any    `json:"embed"`
	Dim          int               `json:"hidden_size"` // of what encoder alone gives for a view
	Probe        string            `json:"probe,omitempty"`
	Probability  string            `json:"probabilities,omitempty"`
	ProblemType  string            `json:"problem_type,omitempty"`
	Labels       map[string]string `json:"id2label,omitempty"`
	LabelNumbers map[string]int    `json:"label2id,omitempty"`
	Config       string            `json:"clr_config"` // the whole one, YAML
}

func (p *parcel) config() bundleConfigOf {
	b := bundleConfigOf{ModelType: "clr", Version: rundir.Version(), SHA256: p.e.hash(), Encoder: p.c.section("encoder"), Embed: p.c.section("embed"),
		Dim: p.c.Encoder.Dim(p.input), Config: string(p.c.portable().Resolved())}
	if h := p.head; h != nil {
		b.Probe, b.Probability, b.ProblemType = h.kind, h.Link.String(), "single_label_classification"
		if h.Link == eval.Sigmoid {
			b.ProblemType = "multi_label_classification"
		}
		b.Labels, b.LabelNumbers = map[string]string{}, map[string]int{}
		for i, name := range h.classes {
			b.Labels[strconv.Itoa(i)], b.LabelNumbers[name] = name, i
		}
	}
	return b
}

// bundlePreprocessorOf is preprocessor_config.json: from a waveform to what the encoder takes.
type bundlePreprocessorOf struct {
	Type     string         `json:"feature_extractor_type"`
	Rate     int            `json:"sampling_rate"` // Hz
	Feature  map[string]any `json:"feature"`
	View     map[string]any `json:"view"`
	Channels int            `json:"num_channels"` // of a view, C
	Bins     int            `json:"num_bins"`     // F
	Frames   int            `json:"num_frames"`   // T
	Hop      int            `json:"hop_frames"`   // from window to window
	Mean     []float32      `json:"mean"`         // of each channel, as all below of the training clips
	Std      []float32      `json:"std"`
	BinMean  []float32      `json:"bin_mean,omitempty"` // of each bin of each channel
	BinStd   []float32      `json:"bin_std,omitempty"`
	Inside   bool           `json:"front_end_in_onnx"` // model.onnx does all of it
}

func (p *parcel) preprocessor(frontEnd bool) bundlePreprocessorOf {
	n := p.e.norm
	return bundlePreprocessorOf{"clr", p.c.SampleRate, p.c.section("feature"), p.c.section("view"), p.input.Channels, p.input.Bins, p.c.View.Frames, p.hop(),
		n.mean, n.std, n.binMean, n.binStd, frontEnd}
}

// section is what a config says under a key, by the rest of the path: numbers, words and
// lists of them.
func (c *Config) section(key string) map[string]any {
	all := map[string]any{}
	for _, l := range schema().Leaves(c) {
		path, ok := strings.CutPrefix(l.Path, key+".")
		if !ok {
			continue
		}
		var v any
		inner, isList := strings.CutPrefix(l.Text, "[")
		switch {
		case json.Unmarshal([]byte(l.Text), &v) == nil:
		case isList:
			v = strings.Split(strings.TrimSuffix(inner, "]"), ", ")
		default:
			v = l.Text
		}
		all[path] = v
	}
	return all
}

// replaceableBundle refuses to let a bundle take the place of anything, and with force of
// anything but an earlier one.
func replaceableBundle(out string, force bool) error {
	info, err := os.Lstat(out)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(filepath.Clean(out))); err != nil {
			return disk.Failed(out, err)
		}
		return nil
	}
	if err != nil {
		return fault.New(fault.Usage, "name a folder with --out", "--out: %w", err)
	}
	const another = "name another folder with --out"
	if !info.IsDir() {
		return fault.New(fault.Usage, another, "%s is there, and is no folder", out)
	}
	files, err := os.ReadDir(out)
	if err != nil {
		return fault.New(fault.Usage, another, "--out: %w", err)
	}
	if len(files) == 0 {
		return nil
	}
	for _, f := range files {
		if known := []string{bundleWeights, bundleModel, bundleConfig, bundlePreprocessor, bundleCard}; !f.Type().IsRegular() || !slices.Contains(known, f.Name()) {
			return fault.New(fault.Usage, another, "%s is there, and is no earlier bundle alone: it has %s", out, f.Name())
		}
	}
	config, err := os.ReadFile(filepath.Join(out, bundleConfig))
	if err != nil || !bytes.Contains(config, []byte(bundleMark)) {
		return fault.New(fault.Usage, another, "%s is there, and is no earlier bundle: it has no %s of clr's", out, bundleConfig)
	}
	if !force {
		return fault.New(fault.Usage, "name another folder, or write over it with --force", "%s is there already", out)
	}
	return nil
}
