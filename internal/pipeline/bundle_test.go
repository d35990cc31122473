package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/pipeline/strict"
)

// Equal runs give equal bundles, which hold what the other formats write and tell what
// the run says of itself, and no path.
func TestExportBundle(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		dir, run := withHead(t)
		dirs[i] = dir
		out := filepath.Join(dir, "tones")
		o := ExportOptions{Run: run, Format: "bundle", Out: out, Probe: "linear", License: "CC-BY-SA-4.0"}
		export(t, o)
		o.Force = true
		export(t, o) // in its own place
		for name, alone := range map[string]ExportOptions{
			bundleWeights: {Format: "safetensors"}, bundleModel: {Format: "onnx", FrontEnd: true},
		} {
			alone.Run, alone.Probe, alone.License, alone.Out = run, "linear", o.License, filepath.Join(dir, "alone-"+name)
			export(t, alone)
			if string(get(t, out, name)) != string(get(t, alone.Out)) {
				t.Errorf("%s is not what --format %s writes", name, alone.Format)
			}
		}
		if left := lsAll(t, dir, ".*.aside-*"); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	}
	out := filepath.Join(dirs[0], "tones")
	files := lsAll(t, out, "*")
	if want := []string{bundleCard, bundleConfig, bundleModel, bundleWeights, bundlePreprocessor}; !slices.Equal(files, want) {
		t.Errorf("there are %v", files)
	}
	for _, name := range files {
		same(t, filepath.Join("tones", name), dirs[0], dirs[1])
		if strings.Contains(string(get(t, out, name)), dirs[0]) {
			t.Errorf("%s names a folder", name)
		}
	}
}

// lsAll are the names in a folder that match.
func lsAll(t *testing.T, dir, pattern string) (all []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		all = append(all, filepath.Base(p))
	}
	return all
}

// front splits a card into its YAML and the rest.
func front(t *testing.T, card string) (yaml, text string) {
	t.Helper()
	parts := strings.SplitN(card, "---\n", 3)
	if len(parts) != 3 || parts[0] != "" {
		t.Fatalf("the card is\n%s", card)
	}
	return parts[1], parts[2]
}

// The card's numbers are those of the report, of this encoder and this fold alone.
func TestCardScores(t *testing.T) {
	dir, run := withHead(t)
	out := filepath.Join(dir, "b")
	tell := func(o ExportOptions) (yaml, text string) {
		t.Helper()
		o.Run, o.Format, o.Out, o.Force = run, "bundle", out, exists(out)
		export(t, o)
		return front(t, string(get(t, out, bundleCard)))
	}
	// scores that no rounding can make of others
	odd := strings.Replace(string(get(t, run, kindOf("linear").report())), `"accuracy": 1`, `"accuracy": 0.8125`, -1)
	put(t, filepath.Join(run, kindOf("linear").report()), []byte(odd))
	yaml, text := tell(ExportOptions{Probe: "linear"})
	for name, key := range map[string]string{"accuracy": "accuracy", "f1": "macro_f1", "log_loss": "log_loss"} {
		got := regexp.MustCompile(`type: ` + name + `\n\s+name: .*\n\s+value: ([0-9.]+)\n`).FindStringSubmatch(yaml)
		var want struct {
			Rows []struct{ Mean map[string]float64 }
		}
		if err := json.Unmarshal(get(t, run, kindOf("linear").report()), &want); err != nil {
			t.Fatal(err)
		}
		if got == nil || got[1] != formatted(want.Rows[0].Mean[key]) {
			t.Errorf("%s is %v, the report has %v", name, got, want.Rows[0].Mean[key])
		}
	}
	for _, want := range []string{"pipeline_tag: audio-classification\n", "library_name: clr\n", "model-index:\n", "- simclr\n"} {
		if !strings.Contains(yaml, want) {
			t.Errorf("the YAML has no %q:\n%s", want, yaml)
		}
	}
	for _, want := range []string{"| random_init | ", "| majority | ", "on the 4 test clips", "20 clips of 2 labels", "95 % interval", "No licence of the weights was given"} {
		if !strings.Contains(text, want) {
			t.Errorf("the card does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(yaml, "license") {
		t.Errorf("a licence was made up:\n%s", yaml)
	}

	// a report on another encoder counts for nothing
	whole := string(get(t, run, kindOf("linear").report()))
	put(t, filepath.Join(run, kindOf("linear").report()), []byte(regexp.MustCompile(`"encoders": \{\s*"[^"]*": "[0-9a-f]{8}`).ReplaceAllStringFunc(whole, func(s string) string { return s[:len(s)-8] + "00000000" })))
	yaml, text = tell(ExportOptions{License: "MIT OR LicenseRef-ours"})
	if strings.Contains(yaml, "model-index") || !strings.Contains(text, "No probe was run on this encoder") || !strings.Contains(text, "report-linear-probe.json` of the run is of another encoder") {
		t.Errorf("the card says\n%s%s", yaml, text)
	}
	for _, want := range []string{"license: other\nlicense_name: \"MIT OR LicenseRef-ours\"\n", "pipeline_tag: feature-extraction\n"} {
		if !strings.Contains(yaml, want) {
			t.Errorf("the YAML has no %q:\n%s", want, yaml)
		}
	}
	put(t, filepath.Join(run, kindOf("linear").report()), []byte("{"))
	con, _ := silent()
	err := Export(t.Context(), ExportOptions{Run: run, Format: "bundle", Out: out, Force: true}, con)
	says(t, err, kindOf("linear").report())
	if fault.KindOf(err) != fault.Data {
		t.Errorf("%v", err)
	}
	if _, text := front(t, string(get(t, out, bundleCard))); !strings.Contains(text, "No probe was run") {
		t.Error("the old bundle is gone")
	}
}

func formatted(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }

// Where torchvision has the network, the card says how it is made there.
func TestCardTorchvision(t *testing.T) {
	e := model.Encoders["resnet"].(model.ResNet)
	e.Depth, e.Width, e.Stem, e.Pool = 50, 64, "imagenet", "mean"
	block, counts := e.Torchvision()
	var b strings.Builder
	if err := (&card{Blocks: block, Count: counts}).write(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "model = ResNet(Bottleneck, [3, 4, 6, 3])\n") {
		t.Errorf("the card says\n%s", b.String())
	}
	e.Width = 32
	if block, _ := e.Torchvision(); block != "" {
		t.Errorf("torchvision has no ResNet of width 32, but %s", block)
	}
}

// With several folds, a bundle is of one encoder, and tells that one's scores.
func TestCardFold(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir, "split={by: room}")
	run := filepath.Join(dir, "run")
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 2})
	con, _ := silent()
	r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "mlp"}, Overrides{}, con)
	if err != nil {
		t.Fatal(err)
	}
	sum, heads := 0.0, 0.0
	for _, f := range r.Rows[0].Folds {
		if f.Fold == "y" {
			sum, heads = sum+f.Accuracy, heads+1
		}
	}
	if heads != 3 { // seeds
		t.Fatalf("%v heads", heads)
	}
	export(t, ExportOptions{Run: run, Fold: "y", Format: "bundle", Out: filepath.Join(dir, "b"), Probe: "mlp"})
	yaml, text := front(t, string(get(t, dir, "b", bundleCard)))
	if !strings.Contains(yaml, "value: "+formatted(sum/heads)+"\n") || !strings.Contains(text, "of fold `y`") || strings.Contains(text, "95 %") {
		t.Errorf("want %v of fold y\n%s%s", sum/heads, yaml, text)
	}
}

// A run that was only imported says so, and one whose corpus has changed tells nothing.
func TestCardOfImported(t *testing.T) {
	dir, first := withHead(t)
	file, run := filepath.Join(dir, "e.safetensors"), filepath.Join(dir, "theirs")
	exportOf(t, first, "", file)
	con, _ := silent()
	if err := ImportWeights(t.Context(), load(t, dir), file, run, con); err != nil {
		t.Fatal(err)
	}
	if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con); err != nil {
		t.Fatal(err)
	}
	sum, err := hashOf(file)
	if err != nil {
		t.Fatal(err)
	}
	o := ExportOptions{Run: run, Format: "bundle", Out: filepath.Join(dir, "b")}
	export(t, o)
	card := string(get(t, o.Out, bundleCard))
	for _, want := range []string{"has learnt nothing since", "SHA-256 " + sum, "What its first weights had heard is not known here"} {
		if !strings.Contains(card, want) {
			t.Errorf("the card does not say %q:\n%s", want, card)
		}
	}
	if strings.Contains(card, "simclr") {
		t.Error("the card tells of a method that nothing was learnt by")
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.Replace(string(get(t, dir, "manifest.csv")), ",low,train", ",high,train", 1)))
	o.Force = true
	err = Export(t.Context(), o, con)
	says(t, err, "the corpus is another")
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
}

// What config.json and preprocessor_config.json hold is the run's, and enough to make
// the network again.
func TestBundleConfig(t *testing.T) {
	dir, run := withHead(t)
	out := filepath.Join(dir, "b")
	export(t, ExportOptions{Run: run, Format: "bundle", Out: out, Probe: "linear"})
	var config bundleConfigOf
	if err := json.Unmarshal(get(t, out, bundleConfig), &config); err != nil {
		t.Fatal(err)
	}
	was := DefaultConfig()
	if _, problems := schema().Decode("config.json", []byte(config.Config), strict.Overrides{}, was); len(problems) > 0 {
		t.Fatal(problems)
	}
	d := open(t, load(t, dir))
	if was.Encoder != d.c.Encoder || was.Feature != d.c.Feature || was.View != d.c.View {
		t.Errorf("the config is another:\n%s", config.Config)
	}
	if config.Encoder["name"] != "resnet" || config.Encoder["depth"] != 10.0 || config.Labels["1"] != "low" || config.LabelNumbers["low"] != 1 || config.Dim != 32 {
		t.Errorf("config.json is %+v", config)
	}
	tensors, meta, err := checkpoint.LoadTensors(filepath.Join(out, bundleWeights))
	if err != nil {
		t.Fatal(err)
	}
	arrays := map[string]kernel.Array{}
	for _, x := range tensors {
		arrays[x.Name] = kernel.Array{Shape: x.Shape, Data: x.F32}
	}
	if meta[encoderKey] != config.SHA256 || meta["clr.probe"] != "linear" || !slices.Equal(arrays["probe.0.weight"].Shape, []int{2, 32}) || !slices.Equal(arrays["probe.mean"].Shape, []int{32}) {
		t.Errorf("the weights say %v", meta)
	}
	var prep bundlePreprocessorOf
	if err := json.Unmarshal(get(t, out, bundlePreprocessor), &prep); err != nil {
		t.Fatal(err)
	}
	if prep.Rate != rate || prep.Feature["n_mels"] != 24.0 || prep.Frames != 16 || prep.Hop != 8 || len(prep.Mean) != 1 || !prep.Inside {
		t.Errorf("preprocessor_config.json is %+v", prep)
	}

	// a bundle's weights are first weights
	state := begun(t, load(t, dir, "init="+filepath.Join(out, bundleWeights)))
	cp, err := checkpoint.Load(filepath.Join(run, "last.safetensors"))
	if err != nil || !equalArrays(encoderIn(state), encoderIn(cp.Arrays)) {
		t.Errorf("other weights, %v", err)
	}
}

// A feature without words leaves the front end to others, and the card says so.
func TestBundleWithoutFrontEnd(t *testing.T) {
	dir := featured(t, "{name: stft, value: phase, n_fft: 64, win_length: 64, hop_length: 80}", "[]")
	run, d, _ := trainedOn(t, dir)
	con, said := silent()
	out := filepath.Join(dir, "b")
	if err := Export(t.Context(), ExportOptions{Run: run, Format: "bundle", Out: out}, con); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "no words for the feature stft of value phase") {
		t.Errorf("it says %s", said)
	}
	if card := string(get(t, out, bundleCard)); !strings.Contains(card, `{"spectrogram": views}`) || strings.Contains(card, "waveform\"") || !strings.Contains(card, "No probe was run") {
		t.Errorf("the card says\n%s", card)
	}
	if !strings.Contains(string(get(t, out, bundlePreprocessor)), `"front_end_in_onnx": false`) || d.input.Bins != 33 {
		t.Error("it claims a front end")
	}
}

// Nothing is overwritten but a bundle, and that only where it is asked for.
func TestBundleReplaces(t *testing.T) {
	dir, run := withHead(t)
	con, _ := silent()
	out := filepath.Join(dir, "b")
	refuses := func(want string, o ExportOptions) {
		t.Helper()
		o.Run, o.Format = run, "bundle"
		if o.Out == "" {
			o.Out = out
		}
		err := Export(t.Context(), o, con)
		says(t, err, want)
		if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%v: kind %d, remedy %q", err, fault.KindOf(err), fault.Remedy(err))
		}
	}
	if err := os.Mkdir(out, 0o777); err != nil {
		t.Fatal(err)
	}
	export(t, ExportOptions{Run: run, Format: "bundle", Out: out}) // an empty folder is nobody's
	refuses("is there already", ExportOptions{})
	refuses("no earlier bundle alone: it has", ExportOptions{Out: filepath.Join(run, "."), Force: true})
	refuses("is no folder", ExportOptions{Out: filepath.Join(dir, "manifest.csv"), Force: true})
	refuses("nowhere", ExportOptions{Out: filepath.Join(dir, "nowhere", "b")})
	refuses("needs no corpus", ExportOptions{Corpus: "x"})
	put(t, filepath.Join(out, "notes.txt"), []byte("mine"))
	refuses("it has notes.txt", ExportOptions{Force: true})
	if err := os.Remove(filepath.Join(out, "notes.txt")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(out, bundleConfig), []byte("{}"))
	refuses("no config.json of clr's", ExportOptions{Force: true})
}

func TestLicense(t *testing.T) {
	for _, s := range []string{"", "MIT", "CC-BY-SA-4.0", "Apache-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0", "(MIT OR Apache-2.0) AND CC0-1.0", "LicenseRef-my.own", "DocumentRef-x:LicenseRef-y", "GPL-2.0+"} {
		if err := checkLicense(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"all rights reserved", "MIT OR", "OR MIT", "MIT Apache-2.0", "(MIT", "MIT)", "()", "MIT\nlicense: x", "é", " ", strings.Repeat("A", 201), "MIT or BSD"} {
		if err := checkLicense(s); err == nil || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%q: %v", s, err)
		}
	}
}
