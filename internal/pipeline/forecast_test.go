package pipeline

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/method"
	"clr/internal/op"
	"clr/internal/rundir"
)

func foresee(t *testing.T, c *Config, measure bool) *Forecast {
	t.Helper()
	f, err := Look(t.Context(), c, measure)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is foreseen is what comes: steps, parameters, FLOPs; and every method can
// be measured.
func TestForecastIsWhatComes(t *testing.T) {
	for name := range method.Table {
		dir := tones(t, 20)
		c := load(t, dir, smallMethods[name], "split.by=room")
		f := foresee(t, c, true)
		d := open(t, c)
		if len(f.Folds) != len(d.splits) || f.Method != name || f.Encoder != "resnet" || f.Optimizer != "adamw" {
			t.Errorf("%s: %+v", name, f)
		}
		for _, x := range f.Checks {
			if x.Refused { // there are several folds here, each of which goes
				t.Errorf("%s: refused: %+v", name, x)
			}
		}
		total := 0
		for i, s := range d.splits {
			tr, err := newTrainer(d, s)
			if err != nil {
				t.Fatal(err)
			}
			if g := f.Folds[i]; g.Fold != s.Name || g.Clips != len(tr.clips) || g.Test != len(s.Test) || g.Epoch != tr.batches.steps || g.Steps != tr.total() {
				t.Errorf("%s: %+v", name, g)
			}
			total += tr.total()
			if i > 0 {
				continue
			}
			learns := 0
			for _, p := range tr.method.Params() {
				learns += op.Size(p.Value.Shape)
			}
			for _, p := range f.Parts {
				if p.Learns {
					learns -= p.Values
				}
			}
			if learns != 0 {
				t.Errorf("%s: %d parameters are not foreseen in %+v", name, learns, f.Parts)
			}
		}
		if f.Steps != total || f.StepFLOPs <= 0 || f.Speed == nil || f.Speed.StepS <= 0 || f.Speed.TotalS != f.Speed.StepS*float64(total) {
			t.Errorf("%s: %d steps, %d FLOPs, %+v", name, f.Steps, f.StepFLOPs, f.Speed)
		}
	}
}

// A run that is over before a second is said to take part of one.
func TestForecastOfShortRuns(t *testing.T) {
	for seconds, want := range map[float64]string{3e-6: "3e-06 s", 0.0312: "0.031 s", 0.4: "0.4 s", 3.14: "3.1 s", 9.94: "9.9 s", 9.96: "10s", 59.6: "1m0s", 7384: "2h3m4s"} {
		var b strings.Builder
		f := Forecast{Steps: 10, Speed: &Speed{TotalS: seconds}}
		if f.writeSteps(&b); !strings.Contains(b.String(), ": all 10 take "+want+", if") {
			t.Errorf("%g seconds: %s", seconds, &b)
		}
	}
}

// Each check is told by what it is about, with the value and a remedy, and by
// nothing else.
func TestForecastChecks(t *testing.T) {
	moco := "method={name: moco, queue: 20, bn_groups: 1, projector: {hidden: [8], out: 4}}"
	for want, c := range map[string]struct {
		set     []string
		words   []string
		refused bool
	}{
		"":                                      {nil, nil, false},
		"batch":                                 {[]string{"batch=17"}, []string{"batch 17", "16 clips", "set batch to at most 16"}, true},
		"batch.epoch":                           {[]string{"batch=16"}, []string{"batch is 16", "16 clips", "one step"}, false},
		"batch.left_out":                        {[]string{"method.bn_groups=6", "batch=6"}, []string{"4 of 16 clips", "multiples of 3"}, false},
		"corpus":                                {[]string{"corpus=nowhere.csv"}, []string{"nowhere.csv"}, true},
		"split":                                 {[]string{"split.by=rom"}, []string{"rom", "room"}, true},
		"schedule.warmup":                       {[]string{"schedule.warmup_epochs=61"}, []string{"61 of 120 epochs"}, false},
		"health.grace":                          {[]string{"health.grace=1000"}, []string{"360 steps", "1000"}, false},
		"queue.unfilled":                        {[]string{moco, "method.queue=10000"}, []string{"10000", "1920 rows", "1920 or less"}, false},
		"queue.stale":                           {[]string{moco, "method.momentum=0.1"}, []string{"method.queue is 20", "of 4 steps ago", "queue_turned"}, false},
		"queue.stale, of the tower that learns": {[]string{"method={name: nnclr, queue: 1000, bn_groups: 1}", "health.queue_epochs=60"}, []string{"method.queue is 1000", "of 167 steps ago, 62.6 epochs (at most 60, queue_epochs)"}, false},
		"view.long":                             {[]string{"view.frames=100"}, []string{"view.frames is 100", "20 of 20"}, false},
		"view.same":                             {[]string{"augment=[]", "view.crop=center"}, []string{"augment is empty", "view.crop is center"}, false},
		"accumulate.batch":                      {[]string{"update.accumulate=2"}, []string{"update.accumulate 2", "no batch of 12 clips", "those of 6"}, false},
		"knn.labels":                            {[]string{"health.knn.every=2", "corpus=unlabelled.csv", "store=other.clrs"}, []string{"health.knn.every is 2", "no training clip has a label"}, false},
		"split.no_test":                         {[]string{"corpus=whole.csv", "store=whole.clrs"}, []string{"nothing to test on"}, false},
		"corpus, windows":                       {[]string{"windows={length: 0.1, hop: 0.1}", "store=none.clrs"}, []string{"not known before the features are made", "clr features"}, true},
	} {
		dir := tones(t, 20)
		manifest := string(get(t, dir, "manifest.csv"))
		put(t, filepath.Join(dir, "unlabelled.csv"), []byte(strings.Replace(manifest, "label", "lapel", 1)))
		put(t, filepath.Join(dir, "whole.csv"), []byte(strings.Replace(manifest, "split", "spilt", 1)))
		for i, s := range c.set { // are relative to where the test runs
			for _, key := range []string{"corpus=", "store="} {
				if file, ok := strings.CutPrefix(s, key); ok {
					c.set[i] = key + filepath.Join(dir, file)
				}
			}
		}
		cfg := load(t, dir, append([]string{"schedule.epochs=120"}, c.set...)...)
		con, _ := silent()
		if want != "corpus" && !strings.HasPrefix(want, "corpus,") {
			if err := Features(t.Context(), cfg, con); err != nil {
				t.Fatalf("%s: %v", want, err)
			}
		}
		f := foresee(t, cfg, false)
		if want == "" {
			if len(f.Checks) > 0 {
				t.Errorf("nothing is wrong, and it says %+v", f.Checks)
			}
			continue
		}
		code, _, _ := strings.Cut(want, ",")
		if code == "split" {
			code = "corpus"
		}
		if len(f.Checks) != 1 || f.Checks[0].Code != code || f.Checks[0].Refused != c.refused || f.Checks[0].Try == "" {
			t.Errorf("%s: %+v", want, f.Checks)
			continue
		}
		for _, w := range c.words {
			if said := f.Checks[0].Text + " " + f.Checks[0].Try; !strings.Contains(said, w) {
				t.Errorf("%s: no %q in %q", want, w, said)
			}
		}
		err := Pretrain(t.Context(), cfg, PretrainOptions{Run: filepath.Join(dir, "run"), MaxSteps: 1}, con)
		if refused := err != nil; refused != c.refused && want != "corpus, windows" {
			t.Errorf("%s: pretrain says %v", want, err)
		}
	}
}

// Without measuring, equal configs over equal corpora give equal bytes, and the
// fields that were there before stay.
func TestForecastJSON(t *testing.T) {
	texts := [2][]byte{}
	for i := range texts {
		t.Setenv("GOMEMLIMIT", "")
		var b bytes.Buffer
		if err := foresee(t, load(t, tones(t, 20)), false).Write(Console{Out: &b, JSON: true}); err != nil {
			t.Fatal(err)
		}
		texts[i] = b.Bytes()
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Errorf("%s\nand\n%s", texts[0], texts[1])
	}
	var keys map[string]any
	if err := json.Unmarshal(texts[0], &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"batch", "channels", "bins", "frames", "parameters", "training_graphs", "embedding_graph", "graph_bytes", "weight_bytes", "optimizer_bytes",
		"array_bytes", "view_bytes", "copy_bytes", "train_bytes", "embed_bytes", "store_bytes", "limit_bytes", "limit",
		"method", "encoder", "optimizer", "parts", "step_flops", "folds", "steps", "speed", "checks", "health_bytes"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("no %s in %q", key, slices.Sorted(maps.Keys(keys)))
		}
	}
}

// Nothing is made where one only looks.
func TestForecastWritesNothing(t *testing.T) {
	dir := tones(t, 20)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	foresee(t, load(t, dir), true)
	after, err := os.ReadDir(dir)
	if err != nil || len(after) != len(before) || exists(filepath.Join(dir, rundir.LastFile)) {
		t.Errorf("%v, %v", after, err)
	}
}
