package pipeline

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
)

var update = flag.Bool("update", false, "rewrite what tests expect")

const referenceFile = "../../configs/reference.yaml"

func parse(t *testing.T, text string, set ...string) *Config {
	t.Helper()
	c, err := ParseConfig("test.yaml", []byte(text), Overrides{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReferenceConfig: the file that shows every key is written from the
// structs, so that it cannot fall behind them.
func TestReferenceConfig(t *testing.T) {
	if *update {
		if err := os.WriteFile(referenceFile, Reference(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Reference()) {
		t.Errorf("%s is not what the options in the code say: run make reference", referenceFile)
	}
	c := parse(t, string(got))
	want := DefaultConfig()
	want.Corpus = c.Corpus
	if d := Diff(c, want); len(d) > 0 {
		t.Errorf("%s differs from the defaults: %v", referenceFile, d)
	}
	for _, l := range schema().Leaves(c) {
		if c.doc.Origin(l.Path) == "default" {
			t.Errorf("%s does not show %s", referenceFile, l.Path)
		}
	}
}

// Every entry of every table stands in the reference, as a block that reads as
// that entry's defaults.
func TestReferenceShowsEveryEntry(t *testing.T) {
	blocks := entryBlocks(string(Reference()))
	walk := func(section string, names []string, entry func(string) any, got func(*Config) any) {
		for _, name := range names {
			block, ok := blocks[section+" "+name]
			if !ok {
				t.Errorf("the reference has no block for %s %s", section, name)
				continue
			}
			c := DefaultConfig()
			c.Corpus = "x.csv"
			if _, problems := schema().Decode(section+" "+name, []byte(block), Overrides{}.layers(), c); len(problems) > 0 {
				t.Errorf("%s\n%v", block, problems)
				continue
			}
			if want := entry(name); fmt.Sprintf("%T%+v", got(c), got(c)) != fmt.Sprintf("%T%+v", want, want) { // an empty list is none
				t.Errorf("%s %s: got %+v, want %+v", section, name, got(c), want)
			}
		}
	}
	walk("feature", names(audio.Features), func(n string) any { return audio.Features[n] }, func(c *Config) any { return c.Feature })
	walk("encoder", names(model.Encoders), func(n string) any { return model.Encoders[n] }, func(c *Config) any { return c.Encoder })
	walk("method", names(method.Table), func(n string) any { return method.Table[n] }, func(c *Config) any { return c.Method })
	walk("optimizer", names(optim.Table), func(n string) any { return optim.Table[n] }, func(c *Config) any { return c.Optimizer })
	walk("augment", names(augment.Table), func(n string) any { return augment.Table[n] }, func(c *Config) any { return c.Augment[0] })
}

func names[T any](table map[string]T) []string {
	var all []string
	for n := range table {
		all = append(all, n)
	}
	return all
}

// entryBlocks cuts the reference into one config for each entry of a table,
// commented out or not.
func entryBlocks(text string) map[string]string {
	blocks := map[string]string{}
	section, name := "", ""
	for _, l := range strings.Split(text, "\n") {
		bare, _ := strings.CutPrefix(l, "# ")
		code, _, _ := strings.Cut(bare, "  # ")
		code = strings.TrimRight(code, " ")
		item, isItem := strings.CutPrefix(code, "  - name: ")
		entry, isEntry := strings.CutPrefix(code, "  name: ")
		switch {
		case l == "":
			section, name = "", ""
		case !strings.HasPrefix(code, " ") && strings.Contains(code, ":"):
			section, name = strings.TrimSuffix(strings.TrimSuffix(code, " []"), ":"), ""
		case isItem:
			name = item
			blocks[section+" "+name] = section + ":\n" + code + "\n"
		case isEntry:
			name = entry
			blocks[section+" "+name] = section + ":\n" + code + "\n"
		case name != "" && strings.HasPrefix(code, "  "):
			blocks[section+" "+name] += code + "\n"
		}
	}
	return blocks
}

func TestDefaultsPassCheck(t *testing.T) {
	c := DefaultConfig()
	err := c.Check()
	if err == nil || fault.KindOf(err) != fault.Usage || err.Error() != "corpus: no corpus is given" {
		t.Errorf("without a corpus: %v", err)
	}
	c.Corpus = "x.csv"
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for name, f := range audio.Features {
		c := *c
		if c.Feature = f; f.Unit() == "db" {
			c.View.Unit = "db"
		}
		if err := c.Check(); err != nil {
			t.Errorf("feature %s: %v", name, err)
		}
	}
	for name, a := range augment.Table {
		_, spec := a.(augment.Spec)
		_, wave := a.(augment.Wave)
		if spec == wave {
			t.Errorf("%s changes spectrograms: %v; waveforms: %v; it must be one of the two", name, spec, wave)
		}
	}
}

// A config that went through the canonical form is the same config.
func TestResolvedRoundTrip(t *testing.T) {
	for _, text := range []string{
		"corpus: a.csv",
		string(Reference()),
		"corpus: a.csv\nfeature: {name: deltas, order: 1, of: {name: logmel_byola, n_mels: 7}}",
		"corpus: a.csv\nfeature: {name: spectral, values: [rms, zcr]}",
		"corpus: 'it''s a \"corpus\"/# .csv'\nfeature: {name: mfcc}\nmethod: {name: moco, queue: 7}\noptimizer: {name: sgd, lr: 1e-9}\naugment: [{name: time_mask}, {name: blur, sigma: [0, 1e-7]}]\nsplit: {by: speaker, holdout: [01, no, 'a b']}",
	} {
		c := parse(t, text)
		again := parse(t, string(c.Resolved()))
		if d := Diff(c, again); len(d) > 0 || !bytes.Equal(c.Resolved(), again.Resolved()) {
			t.Errorf("%s: %v", text, d)
		}
		if c2 := parse(t, string(c.WithOrigins())); !bytes.Equal(c.Resolved(), c2.Resolved()) {
			t.Errorf("with origins, it reads as\n%s", c2.Resolved())
		}
	}
}

// Every config loads, and opens with its command, the time it takes and the
// score to expect. Each method has one for either corpus.
func TestProjectConfigs(t *testing.T) {
	const folder = "../../configs"
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no configs", err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		if name == "suite.yaml" {
			continue
		}
		if _, err := LoadConfig(f, Overrides{}); err != nil {
			t.Error(err)
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(text), "\nseed:")
		for _, want := range []string{`clr pretrain +--config configs/` + regexp.QuoteMeta(name), `\d+ (seconds|minutes)`, `\d\.\d %`} {
			if name != "reference.yaml" && !regexp.MustCompile(want).MatchString(head) {
				t.Errorf("the header of %s has nothing like %s", name, want)
			}
		}
	}
	for name, m := range method.Table {
		for _, corpus := range []string{"fsdd", "esc10"} {
			c, err := LoadConfig(filepath.Join(folder, corpus+"-"+name+".yaml"), Overrides{})
			if err != nil {
				t.Error(err)
			} else if reflect.TypeOf(c.Method) != reflect.TypeOf(m) {
				t.Errorf("%s-%s.yaml learns by %T", corpus, name, c.Method)
			}
		}
	}
}

// The suites of the project read as they are.
func TestProjectSuites(t *testing.T) {
	files, err := filepath.Glob("../../configs/suites/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no suites", err)
	}
	for _, f := range append(files, "../../configs/suite.yaml") {
		if _, err := LoadSuite(f); err != nil {
			t.Error(err)
		}
	}
}

func TestChecksTogether(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"schedule: {min_lr: 0.5}", "test.yaml:2:20: schedule: min_lr is 0.5, above the optimizer's lr 0.001 that it should be reached from"},
		{"feature: {name: logmel, log: db}", "test.yaml: view: unit is ln, but the feature's values are in db"},
		{"augment: [{name: gain}, {name: polarity}]", "test.yaml:2:32: augment.1: polarity changes the waveform, but gain before it has already changed the spectrogram"},
		{"feature: {name: stft, value: phase}\naugment: [{name: blur}, {name: eq}]", "test.yaml:3:32: augment.1: eq changes the level of log powers, and the values of the feature stft are radians"},
		{"feature: {name: waveform}\naugment: [{name: wave_gain}, {name: gain}]", "test.yaml:3:37: augment.1: gain changes the level of log powers, and the values of the feature waveform are samples"},
		{"feature: {name: logmel_byola, log: none}\naugment: [{name: mix}]", "test.yaml:3:18: augment.0: mix changes the level of log powers, and the values of the feature logmel_byola are power"},
		{"feature: {name: deltas}\naugment: [{name: noise_floor}]", "test.yaml:3:18: augment.0: noise_floor changes the level of log powers, and the values of the feature deltas are none"},
		{"feature: {name: stft, value: db}", "test.yaml: view: unit is ln, but the feature's values are in db"},
		{"schedule: {min_lr: 0.002}\nbatch: 1024\nupdate: {lr_scale: sqrt, accumulate: 4}", ""},
		{"schedule: {min_lr: 0.005}\nbatch: 1024\nupdate: {lr_scale: sqrt, accumulate: 4}", "test.yaml:2:20: schedule: min_lr is 0.005, above the optimizer's lr 0.004 that it should be reached from"},
		{"update:\n  accumulate: 0", "test.yaml:3:15: update: accumulate is 0, it must be 1 to 65536"},
		{"update: {lr_scale: root}", `test.yaml:2:20: update: lr_scale is "root", it must be none, linear or sqrt`},
		{"update: {freeze: ['encoder.[']}", `test.yaml:2:18: update: freeze: "encoder.[" is no pattern of names`},
		{"update:\n  freeze:\n  - encoder.bn1.*\n  - encoder.bn3.*", `test.yaml:5:5: update.freeze.1: no weight of the network fits "encoder.bn3.*"; the nearest is encoder.bn1.*`},
		{"optimizer: {name: lars, exclude: ['*.bias', projektor.*]}", `test.yaml:2:45: optimizer.exclude.1: no weight of the network fits "projektor.*"; the nearest is projector.*`},
		{"method: {name: moco}\nupdate: {freeze: [key.encoder.*]}", `test.yaml:3:19: update.freeze.0: no weight of the network fits "key.encoder.*"; the nearest is encoder.*`},
		{"update: {freeze: ['*']}", "test.yaml:2:18: update.freeze: all 65 weights are frozen, nothing would be learnt"},
		{"method: {name: cross_entropy}\nupdate: {freeze: [clasifier.*]}", `test.yaml:3:19: update.freeze.0: no weight of the network fits "clasifier.*"; the nearest is classifier.*`},
		{"embed: {weights: mean}", `test.yaml:2:18: embed: weights is "mean"`},
		{"schedule: {shape: step}", "test.yaml:2:19: schedule: the shape is step, and step.milestones holds 0"},
		{"schedule: {shape: one_cycle}", "test.yaml:2:11: schedule: warmup_epochs is 10, but one_cycle rises by itself"},
		{"batch: 1", "test.yaml:2:8: batch is 1, it must be 2 or more"},
		{"workers: 0", "test.yaml:2:10: workers is 0, it must be 1 to 1024"},
		{"sample_rate: 100", "test.yaml:2:14: sample_rate is 100, it must be 1000 to 384000"},
	} {
		_, err := ParseConfig("test.yaml", []byte("corpus: a.csv\n"+c.yaml), Overrides{})
		if c.want == "" && err == nil {
			continue
		}
		if err == nil {
			t.Errorf("%s passes", c.yaml)
			continue
		}
		if first, _, _ := strings.Cut(err.Error(), "\n"); first != c.want {
			t.Errorf("got %s\nwant %s", err, c.want)
		}
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%v is of kind %v", err, fault.KindOf(err))
		}
	}
}

// Mistakes in different sections and of different kinds are reported together.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := ParseConfig("bad.yaml", []byte("sede: 1\nbatch: 0\nmethod: {name: simclr, temperature: -1}\nworkers: x\n"), Overrides{Env: []string{"CLR_SCHEDULE_EPOCHS=0", "CLR_BATHC=3"}})
	if err == nil {
		t.Fatal("it passes")
	}
	rest := err.Error()
	for _, want := range []string{"7 problems with bad.yaml", "no corpus is given", "bad.yaml:1:1: ", "bad.yaml:2:8: ", "bad.yaml:3:37: ", "bad.yaml:4:10: ", "CLR_BATHC: ", "CLR_SCHEDULE_EPOCHS: "} {
		var ok bool
		if _, rest, ok = strings.Cut(rest, want); !ok {
			t.Fatalf("no %q, or not in its place, in\n%v", want, err)
		}
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c, err := ParseConfig("configs/a.yaml", []byte("corpus: ../data/esc10/manifest.csv\nstore: s.clrs"), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if c.CorpusPath() != filepath.Join("data", "esc10", "manifest.csv") || c.StorePath() != filepath.Join("configs", "s.clrs") {
		t.Errorf("corpus %s, store %s", c.CorpusPath(), c.StorePath())
	}
	moved := c.At("runs/a")
	if moved.Corpus != "../../data/esc10/manifest.csv" || moved.Store != "../../configs/s.clrs" {
		t.Errorf("in runs/a: corpus %s, store %s", moved.Corpus, moved.Store)
	}
	if moved.CorpusPath() != c.CorpusPath() || moved.StorePath() != c.StorePath() {
		t.Errorf("moved, the paths lead to %s and %s", moved.CorpusPath(), moved.StorePath())
	}
	again, err := ParseConfig("runs/a/config.yaml", moved.Resolved(), Overrides{})
	if err != nil || again.CorpusPath() != c.CorpusPath() {
		t.Errorf("read from the run folder: %v", err)
	}

	c, err = ParseConfig("configs/a.yaml", []byte("corpus: x.csv"), Overrides{Set: []string{"corpus=data/b.csv"}, Env: []string{"CLR_STORE=f.clrs"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.CorpusPath() != filepath.Join("data", "b.csv") || c.StorePath() != "f.clrs" {
		t.Errorf("paths from the shell lead to %s and %s, not from where the shell stands", c.CorpusPath(), c.StorePath())
	}

	c = parse(t, "corpus: builtin:fsdd")
	if c.CorpusPath() != "builtin:fsdd" || c.At("runs/a").Corpus != "builtin:fsdd" {
		t.Errorf("the built-in corpus became %s", c.CorpusPath())
	}
	store := c.StorePath()
	if ok, _ := filepath.Match(filepath.Join("cache", "fsdd-????????????.clrs"), store); !ok {
		t.Errorf("the default store is %s", store)
	}
	if other := parse(t, "corpus: builtin:fsdd", "feature.n_mels=40").StorePath(); other == store {
		t.Error("other features have the same store")
	}
	if other := parse(t, "corpus: builtin:fsdd", "batch=4").StorePath(); other != store {
		t.Error("another batch has another store")
	}
}

func TestDiff(t *testing.T) {
	a := parse(t, "corpus: a.csv\nmethod: {name: simclr, temperature: 0.5}")
	b := parse(t, "corpus: a.csv\nmethod: {name: simclr}\nbatch: 4\naugment: [{name: polarity}]")
	want := []FieldDiff{{"augment", "[]", ""}, {"method.temperature", "0.5", "0.1"}, {"batch", "256", "4"}, {"augment.0.name", "", "polarity"}, {"augment.0.p", "", "0.5"}}
	if got := Diff(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := Diff(a, a); got != nil {
		t.Errorf("a config differs from itself: %v", got)
	}
}

func TestWithin(t *testing.T) {
	o := Overrides{Set: []string{"linear_probe.c_min=1", "embed={pool: max}"}, Env: []string{"CLR_BATCH=4", "CLR_LINEAR_PROBE_C_MAX=3", "HOME=/", "CLR_EMBED_HOP=1"}}
	got, err := o.Within("they are settled", "linear_probe", "embed")
	if err != nil || !reflect.DeepEqual(got.Env, []string{"CLR_LINEAR_PROBE_C_MAX=3", "CLR_EMBED_HOP=1"}) || !reflect.DeepEqual(got.Set, o.Set) {
		t.Errorf("%v, %v", got, err)
	}
	for _, set := range []string{"batch=4", "linear_probes.x=1", "embedding=1", "mlp_probe.batch=3"} {
		if _, err := (Overrides{Set: []string{set}}).Within("they are settled", "linear_probe", "embed"); fault.KindOf(err) != fault.Usage {
			t.Errorf("--set %s: %v", set, err)
		}
	}
}

func TestLoadConfigErrors(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.wav")
	if err := os.WriteFile(big, make([]byte, 2<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is a folder", filepath.Join(dir, "none.yaml"): "there is no config", big: "2097152 bytes"} {
		_, err := LoadConfig(path, Overrides{})
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.Usage || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
