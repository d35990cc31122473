package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/model"
)

// tiny is a network that takes milliseconds.
func tiny(pool string, depth int) Workload {
	return Workload{Encoder: model.ResNet{Depth: depth, Width: 4, Stem: "imagenet", Pool: pool}, Name: "tiny", Batch: 8, Input: model.Input{Channels: 1, Bins: 16, Frames: 24}, Steps: 2}
}

// one is a machine that nobody needs to watch.
func one() Machine { return Machine{Threads: 1} }

// Each clip's two views go through every convolution three times, but for the
// stem's data gradient; MoCo's second view only forward, BYOL's both once more, and
// SwAV's shorter views do as the two, on smaller maps.
func TestTrainingFLOPs(t *testing.T) {
	const batch = 8
	s := method.Setup{Encoder: model.ResNet{Depth: 18, Width: 64, Stem: "imagenet", Pool: "mean"}, Batch: batch, Input: model.Input{Channels: 1, Bins: 64, Frames: 96}}
	layers, err := model.Layers(s.Encoder, s.Input)
	if err != nil {
		t.Fatal(err)
	}
	flopsOf := func(o method.Options) float64 { // of a clip
		p, err := method.Draft(o, s)
		if err != nil {
			t.Fatal(err)
		}
		return float64(p.FLOPs) / batch
	}
	forward := 0.0
	for _, l := range layers {
		forward += float64(l.FLOPs())
	}
	stem := 2.0 * 64 * 32 * 48 * 49
	if got, want := flopsOf(method.Table["simclr"]), 2*(3*forward-stem); got != want {
		t.Errorf("simclr: %g, want %g", got, want)
	}
	if got, want := flopsOf(method.Table["byol"]), 2*(4*forward-stem); got != want {
		t.Errorf("byol: %g, want %g", got, want)
	}
	if got, want := flopsOf(method.Table["moco"]), 4*forward-stem; got != want {
		t.Errorf("moco: %g, want %g", got, want)
	}
	swav := method.Table["swav"].(method.SwAV)
	plain := flopsOf(swav)
	swav.Crops, swav.CropFrames = 3, 32 // a third of the length, and so of each map
	if got, want := flopsOf(swav), plain+plain/2; got != want {
		t.Errorf("swav: %g, want %g", got, want)
	}
}

func TestTrain(t *testing.T) {
	for name := range method.Table {
		r, err := Train(t.Context(), tiny("mean", 10), name, "sgd", one)
		if err != nil {
			t.Fatal(err)
		}
		if !(r.StepS > 0) || r.StepMinS > r.StepS || math.Abs(r.ClipsPerS*r.StepS-8) > 1e-9 || !(r.GFLOPS > 0) || !(r.PlanMB > 0) {
			t.Errorf("%s: %+v", name, *r)
		}
		keys(t, r, "bench", "encoder", "parameters", "batch", "channels", "mels", "frames", "steps", "method", "optimizer", "clips_per_s", "step_s", "step_min_s",
			"gflops", "plan_mb", "peak_rss_mb", "processor", "cpu_path", "threads", "quiet", "other_cores")
	}
}

func TestEmbed(t *testing.T) {
	w := tiny("time_mean_max", 10)
	w.Batch = 1
	r, err := Embed(t.Context(), w, one)
	if err != nil {
		t.Fatal(err)
	}
	if !(r.StepS > 0) || math.Abs(r.ClipsPerS*r.StepS-1) > 1e-9 || !(r.GFLOPS > 0) || !(r.PlanMB > 0) {
		t.Errorf("%+v", *r)
	}
	keys(t, r, "bench", "encoder", "parameters", "batch", "channels", "mels", "frames", "steps", "clips_per_s", "step_s", "step_min_s",
		"gflops", "plan_mb", "peak_rss_mb", "processor", "cpu_path", "threads", "quiet", "other_cores")
}

// The passes that are timed are those of a training step: every convolution
// three times, the stem twice, and as many of each as the encoder has.
func TestKernels(t *testing.T) {
	kernelTime = time.Millisecond
	for _, pool := range []string{"mean_max", "time_mean_max"} {
		w := tiny(pool, 18)
		r, err := Kernels(t.Context(), w, one)
		if err != nil {
			t.Fatal(err)
		}
		convs, norms, sum := 0, 0, 0.0
		for _, p := range r.Layers {
			convs += p.Count
			sum += p.MS * float64(p.Count)
			if !(p.GFLOPS > 0) || !(p.PeakPercent > 0) {
				t.Errorf("%+v", p)
			}
		}
		for _, p := range r.Parts {
			if strings.HasPrefix(p.Name, "norm") {
				norms += p.Count
			}
			if !(p.MS > 0) || !(p.GBPerS > 0) {
				t.Errorf("%+v", p)
			}
		}
		if convs != 3*20-1 || norms != 4*20 || math.Abs(sum-r.ConvMS) > 1e-9 || r.Rows != 16 {
			t.Errorf("%d passes of convolutions, %d of norms, %g ms of %g, %d rows", convs, norms, sum, r.ConvMS, r.Rows)
		}
		keys(t, r, "bench", "encoder", "parameters", "batch", "channels", "mels", "frames", "steps", "rows", "peak_gflops", "layers", "parts", "conv_ms", "parts_ms",
			"processor", "cpu_path", "threads", "quiet", "other_cores")
	}
}

func TestFeatures(t *testing.T) {
	r, err := Features(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Features {
		if !(f.OneThread > 1) || !(f.AllThreads > 1) || f.Bins < 1 || f.Frames < 150 {
			t.Errorf("%+v", f)
		}
	}
	keys(t, r, "bench", "sample_rate", "clip_s", "features", "processor", "cpu_path", "threads", "quiet", "other_cores")
}

// keys fails unless a report has these keys as JSON, and can be shown.
func keys(t *testing.T, r interface{ Write(io.Writer) error }, want ...string) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, k := range want {
		if _, ok := got[k]; !ok {
			t.Errorf("no key %s in %s", k, b)
		}
		delete(got, k)
	}
	for k := range got {
		t.Errorf("key %s is not in the list", k)
	}
	for _, k := range regexp.MustCompile(`"([^"]+)":`).FindAllStringSubmatch(string(b), -1) {
		if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(k[1]) {
			t.Errorf("key %q is not in lower_snake_case", k[1])
		}
	}
	var text bytes.Buffer
	if err := r.Write(&text); err != nil || strings.Contains(text.String(), "%!") || text.Len() == 0 {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(*Workload){
		"--batch is 0, it must be 1 to 65536":  func(w *Workload) { w.Batch = 0 },
		"--mels is 5000, it must be 1 to 4096": func(w *Workload) { w.Input.Bins = 5000 },
		"--frames is -1, it must be 1 to":      func(w *Workload) { w.Input.Frames = -1 },
		"--steps is 0, it must be 1 to":        func(w *Workload) { w.Steps = 0 },
		"resnet width is 0":                    func(w *Workload) { w.Encoder = model.ResNet{Depth: 10, Stem: "small", Pool: "mean"} },
	} {
		w := tiny("mean", 10)
		change(&w)
		for _, f := range []func() error{
			func() error { _, err := Train(t.Context(), w, "simclr", "sgd", one); return err },
			func() error { _, err := Embed(t.Context(), w, one); return err },
			func() error { _, err := Kernels(t.Context(), w, one); return err },
		} {
			if err := f(); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	for _, c := range [][3]string{{"simclrr", "sgd", `no method "simclrr"`}, {"moco", "best", `no optimizer "best"`}} {
		_, err := Train(t.Context(), tiny("mean", 10), c[0], c[1], one)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c[2]) || fault.Remedy(err) == "" {
			t.Errorf("%v, want %s", err, c[2])
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Train(stopped, tiny("mean", 10), "simclr", "sgd", one); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// One feature over a folder hears each recording in it as often as it says, and
// names one that is damaged.
func TestExtraction(t *testing.T) {
	dir := t.TempDir()
	files := 0
	for _, name := range []string{"a.wav", "below/B.WAV", "notes.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		data := []byte("RIFF\x24\x19\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x19\x00\x00")
		data = append(data, make([]byte, 6400)...) // 0.4 s at 8 kHz
		if name == "notes.txt" {
			data = []byte("no sound")
		} else {
			files++
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Extraction{Feature: "logmel", Folder: dir}.Run(context.Background(), one)
	if err != nil {
		t.Fatal(err)
	}
	if r.Files != files || math.Abs(r.AudioS-0.4*float64(files)) > 1e-9 || r.Rate <= 0 || r.PerThread != r.Rate/float64(r.Threads) || r.Threads != runtime.GOMAXPROCS(0) {
		t.Errorf("%+v", r)
	}
	for _, threads := range []int{-1, runtime.GOMAXPROCS(0) + 1} {
		if _, err := (Extraction{Feature: "logmel", Threads: threads}).Run(context.Background(), one); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "--threads") {
			t.Errorf("%d threads: %v", threads, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "c.wav"), []byte("RIFF"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := (Extraction{Feature: "logmel", Folder: dir}).Run(context.Background(), one); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "c.wav") {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := (Extraction{Feature: "logmel", Folder: t.TempDir()}).Run(context.Background(), one); fault.KindOf(err) != fault.Data {
		t.Errorf("an empty folder: %v", err)
	}
}

// What a feature prepares once is no part of its speed.
func TestSetupIsNotTimed(t *testing.T) {
	w, err := newExtractor(slowToPrepare{audio.Waveform{FrameLength: 1, HopLength: 1}}, 1, func() (audio.Clip, error) {
		return audio.Clip{Rate: featureRate, Samples: make([]float32, featureRate)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rate, err := w.rate(t.Context(), time.Millisecond)
	if err != nil || rate < 100 { // with New in a round it is 10 at most
		t.Errorf("%v seconds of audio a second, error %v", rate, err)
	}
}

type slowToPrepare struct{ audio.Waveform }

func (o slowToPrepare) New(rate int) (audio.Feature, error) {
	time.Sleep(100 * time.Millisecond)
	return o.Waveform.New(rate)
}
