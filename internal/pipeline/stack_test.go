package pipeline

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/rundir"
)

// featured is the tones with another feature and chain.
func featured(t *testing.T, feature, chain string) (dir string) {
	t.Helper()
	dir = tones(t, 20)
	text := regexp.MustCompile(`(?m)^feature: .*$`).ReplaceAllString(string(get(t, dir, "config.yaml")), "feature: "+feature)
	text = regexp.MustCompile(`(?m)^augment: .*$`).ReplaceAllString(text, "augment: "+chain)
	put(t, filepath.Join(dir, "config.yaml"), []byte(text))
	return dir
}

// stacked has nothing in the chain that needs log powers.
func stacked(t *testing.T, feature string) (dir string) {
	t.Helper()
	return featured(t, feature, "[{name: stretch}, {name: time_mask, frames: 3}]")
}

const (
	smallMel   = "{name: logmel, n_fft: 128, win_length: 128, hop_length: 64, n_mels: 24, f_max: 3800}"
	smallStack = "{name: stack, bins: 24, of: [{name: stft, value: ln, n_fft: 128, win_length: 128, hop_length: 64}, " +
		"{name: stft, value: phase, n_fft: 128, win_length: 128, hop_length: 64}, " + smallMel + "]}"
)

// Three channels go the whole way: a run that is interrupted resumes to the same
// bytes, and its encoder has a stem of three.
func TestStackTrains(t *testing.T) {
	dir := stacked(t, smallStack)
	whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
	for _, normalize := range []string{"corpus", "corpus_band"} {
		set := "view.normalize=" + normalize
		straight, run := whole+normalize, stopped+normalize
		pretrain(t, load(t, dir, set), PretrainOptions{Run: straight})
		ctx, cancel := context.WithCancel(t.Context())
		if err := Pretrain(ctx, load(t, dir, set, "workers=5"), PretrainOptions{Run: run}, Console{Err: trap{"pretrain 4/9", cancel}}); fault.KindOf(err) != fault.Interrupted {
			t.Fatal(err)
		}
		pretrain(t, load(t, dir, set), PretrainOptions{Run: run, Resume: true})
		same(t, rundir.LastFile, straight, run)
	}
	cp, err := checkpoint.Load(filepath.Join(whole+"corpus", rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int{"encoder.conv1.weight": {4, 3, 3, 3}, "input.mean": {3}, "input.std": {3}} {
		if got := cp.Arrays[name].Shape; !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	d := open(t, load(t, dir))
	e, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	if d.input != (model.Input{Channels: 3, Bins: 24, Frames: 16}) {
		t.Errorf("views of %v", d.input)
	}
	if x, _ := embedded(t, d, e); slices.ContainsFunc(x, func(v float64) bool { return v-v != 0 }) {
		t.Error("an embedding is not finite")
	}
	p, err := Plan(load(t, dir))
	if err != nil || p.Channels != 3 || p.Bins != 24 {
		t.Errorf("planned %+v, %v", p, err)
	}
}

// One feature in a stack is that feature alone, to the last bit of the weights.
func TestStackOfOne(t *testing.T) {
	alone, one := stacked(t, smallMel), stacked(t, "{name: stack, bins: 0, of: ["+smallMel+"]}")
	for _, dir := range []string{alone, one} {
		pretrain(t, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "run")})
	}
	var arrays [2]*checkpoint.Checkpoint
	for i, dir := range []string{alone, one} {
		var err error
		if arrays[i], err = checkpoint.Load(filepath.Join(dir, "run", rundir.LastFile)); err != nil {
			t.Fatal(err)
		}
	}
	for name, a := range arrays[0].Arrays {
		if !slices.Equal(a.Data, arrays[1].Arrays[name].Data) {
			t.Errorf("%s differs", name)
		}
	}
}

// The encoder sees every channel: training hears what only one of them tells.
func TestEveryChannelCounts(t *testing.T) {
	d := open(t, load(t, stacked(t, smallStack)))
	n, err := d.normalization([]int{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.fresh(n)
	if err != nil {
		t.Fatal(err)
	}
	net, err := d.embedder(e, 4)
	if err != nil {
		t.Fatal(err)
	}
	size := d.input.Values()
	x, h := make([]float32, 4*size), make([]float32, 4*net.Dim())
	for channel := range 3 { // row 3 is all zeros
		for i := range size / 3 {
			x[channel*size+channel*size/3+i] = float32(math.Sin(float64(i)))
		}
	}
	if err := net.Embed(t.Context(), h, x); err != nil {
		t.Fatal(err)
	}
	for a := range 4 {
		for b := range a {
			if slices.Equal(h[a*net.Dim():(a+1)*net.Dim()], h[b*net.Dim():(b+1)*net.Dim()]) {
				t.Errorf("rows %d and %d have one embedding", a, b)
			}
		}
	}
}

// A view that is not finite is named by its channel.
func TestPlaceIn(t *testing.T) {
	in := model.Input{Channels: 3, Bins: 4, Frames: 5}
	if got := placeIn(in, 2*20+3*5+1); got != "bin 3 of frame 1 of channel 2" {
		t.Error(got)
	}
	if got := fmt.Sprint(in); got != "3 × 4 × 5" {
		t.Error(got)
	}
}
