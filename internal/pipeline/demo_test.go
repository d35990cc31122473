package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// The demo's whole path, with an encoder too small to learn.
func TestDemo(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, log bytes.Buffer
	set := []string{"schedule.epochs=1", "schedule.warmup_epochs=0", "encoder.width=4", "view.frames=24", "batch=512", "feature.n_mels=24", "feature.n_fft=256",
		"feature.hop_length=160", "linear_probe.c_steps=1", "linear_probe.max_iterations=5", "mlp_probe.epochs=1"}
	if err := Demo(t.Context(), DemoOptions{Overrides: Overrides{Set: set}}, Console{Out: &out, Err: &log, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var r demoResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	if r.Clips != 480 || r.Run != filepath.Join("runs", "demo") || r.Seconds <= 0 {
		t.Errorf("%+v", r)
	}
	for _, s := range []demoScores{r.Linear, r.MLP} {
		for _, v := range []float64{s.Pretrained, s.RandomInit, s.FeatureStats} {
			if v <= 0 || v > 1 {
				t.Errorf("%+v", r)
			}
		}
	}
	for _, f := range []string{rundir.ConfigFile, rundir.ProvenanceFile, rundir.MetricsFile, rundir.LastFile, "features.clrs", "encoder.safetensors", "report-linear-probe.json", "report-mlp-probe.json"} {
		if _, err := os.Stat(filepath.Join(r.Run, f)); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"clr features", "clr pretrain --run runs/demo", "clr linear-probe --run", "clr mlp-probe --run", "clr export --run"} {
		if !strings.Contains(log.String(), s) {
			t.Errorf("no %q in\n%s", s, &log)
		}
	}
	if got := freeRun(r.Run); got != r.Run+"-2" {
		t.Errorf("the next free folder is %s", got)
	}
	con, _ := silent()
	err := Demo(t.Context(), DemoOptions{Run: r.Run, Overrides: Overrides{Set: set}}, con)
	says(t, err, "already holds a run")
	if fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

// The table's words come from the config that ran.
func TestDemoTable(t *testing.T) {
	r := demoResult{Linear: demoScores{.75, .5, 1}, MLP: demoScores{.1, .2, .3}, Clips: 480, Run: "runs/demo", Seconds: 61.7}
	const want = `
Accuracy on 480 clips of speaker theo and yweweler, never heard in training

                                           linear probe    MLP probe
pretrained encoder                               75.0 %       10.0 %
the same encoder with random weights             50.0 %       20.0 %
logmel mean and deviation, no learning          100.0 %       30.0 %

run folder: runs/demo (62 s)
clr report runs/demo shows it as a page, with sounds
`
	config := func(set ...string) *Config {
		c, err := DemoOptions{Run: "runs/demo", Overrides: Overrides{Set: set}}.config()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got := r.table(config()); got != want {
		t.Errorf("%s", got)
	}
	c := config("split.by=split", "split.holdout=[]")
	c.Feature = audio.Features["kaldi_fbank"]
	other := r.table(c)
	for _, s := range []string{"clips of the test part, never", "kaldi_fbank mean and deviation"} {
		if !strings.Contains(other, s) {
			t.Errorf("no %q in %s", s, other)
		}
	}
}

// What the command line says of the demo's config holds, or is refused.
func TestDemoConfig(t *testing.T) {
	c, err := DemoOptions{Run: "runs/x"}.config()
	if err != nil || !filepath.IsAbs(c.StorePath()) || !strings.HasSuffix(c.StorePath(), filepath.Join("runs", "x", "features.clrs")) {
		t.Errorf("the store is %s: %v", c.StorePath(), err)
	}
	c, err = DemoOptions{Run: "runs/x", Overrides: Overrides{Set: []string{"store=mine.clrs"}}}.config()
	if err != nil || c.StorePath() != "mine.clrs" {
		t.Errorf("the store is %s: %v", c.StorePath(), err)
	}
	_, err = DemoOptions{Run: "runs/x", Overrides: Overrides{Set: []string{"split.holdout=[]"}}}.config()
	says(t, err, "split.by speaker without split.holdout asks for one per speaker")
	if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
}

// A demo that is stopped says how to go on from what it saved.
func TestDemoInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	set := []string{"encoder.width=4", "view.frames=24", "batch=512", "feature.n_mels=24", "feature.n_fft=256", "feature.hop_length=160"}
	ctx, cancel := context.WithCancel(t.Context())
	log := writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("clr pretrain")) {
			cancel()
		}
		return len(b), nil
	})
	err := Demo(ctx, DemoOptions{Overrides: Overrides{Set: set}}, Console{Out: io.Discard, Err: log})
	if fault.KindOf(err) != fault.Interrupted {
		t.Fatalf("%v", err)
	}
	if want := "clr pretrain --config runs/demo/config.yaml --run runs/demo --resume"; !strings.Contains(fault.Remedy(err), want) {
		t.Errorf("the remedy is %q, want %q in it", fault.Remedy(err), want)
	}
	c, err := LoadConfig("runs/demo/config.yaml", Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	if err := Pretrain(t.Context(), c, PretrainOptions{Run: "runs/demo", Resume: true, MaxSteps: 1}, con); err != nil {
		t.Error(err)
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// The demo as a person runs it: on speakers never heard, the pretrained encoder
// beats random weights and feature statistics, by either probe.
func TestDemoBeatsWhatNeedsNoLearning(t *testing.T) {
	if os.Getenv("CLR_DEMO") == "" {
		t.Skip("this is the whole demo, about a minute; CLR_DEMO=1 runs it")
	}
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	if err := Demo(t.Context(), DemoOptions{}, Console{Out: &out, Err: io.Discard, JSON: true}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", &out)
	var r demoResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for probe, s := range map[string]demoScores{"linear": r.Linear, "mlp": r.MLP} {
		if s.Pretrained <= s.RandomInit || s.Pretrained <= s.FeatureStats {
			t.Errorf("%s probe: %+v", probe, s)
		}
	}
}
