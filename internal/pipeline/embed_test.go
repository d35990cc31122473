package pipeline

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// trainedOn is the data and the encoder of a short run.
func trainedOn(t *testing.T, dir string, set ...string) (run string, d *data, e encoderState) {
	t.Helper()
	run = filepath.Join(dir, "run")
	c := load(t, dir, set...)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 2})
	d = open(t, c)
	con, _ := silent()
	cp, err := d.saved(run, d.splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	if e, err = d.trained(cp); err != nil {
		t.Fatal(err)
	}
	return run, d, e
}

// embedded is the fast path: (N, D).
func embedded(t *testing.T, d *data, e encoderState) (x []float64, dim int) {
	t.Helper()
	con, _ := silent()
	x, dim, err := d.embed(t.Context(), e, con.Progress("embed", 0, d.store.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return x, dim
}

// windowsOf are the embeddings of a clip's windows, one at a time, in a batch that
// has the layout of a full one.
func windowsOf(t *testing.T, d *data, e encoderState, clip, hop int) (all [][]float32) {
	t.Helper()
	net, err := d.embedder(e, 16)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.store.Spectrogram(clip)
	if err != nil {
		t.Fatal(err)
	}
	in, err := d.views(e.norm).Windows(nil, &s, hop)
	if err != nil {
		t.Fatal(err)
	}
	for size := d.input.Bins * d.c.View.Frames; len(in) > 0; in = in[size:] {
		h := make([]float32, net.Dim())
		if err := net.Embed(t.Context(), h, in[:size]); err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// Each way of pooling against a plain loop over windows that went through the
// encoder one by one: so an embedding depends neither on the batch nor on what
// else is in it. There are more windows than fit in a batch, and one clip alone
// has more than that.
func TestEmbed(t *testing.T) {
	dir := tones(t, 20)
	put(t, filepath.Join(dir, "07.wav"), wav(440, 2, 1)) // about 120 windows with hop 2
	_, d, e := trainedOn(t, dir, "embed.hop=0.125")
	const hop = 2 // of 16 frames
	var clips [][][]float32
	windows := 0
	for i := range d.store.Len() {
		clips = append(clips, windowsOf(t, d, e, i, hop))
		windows += len(clips[i])
	}
	if len(clips[7]) <= embedBatch || windows < 3*embedBatch || windows%embedBatch == 0 {
		t.Fatalf("%d windows, %d of one clip: not what is to be tested", windows, len(clips[7]))
	}
	for _, how := range []string{"mean", "max", "mean_max"} {
		d.c.Embed.Pool = how
		x, dim := embedded(t, d, e)
		if want := map[bool]int{false: 32, true: 64}[how == "mean_max"]; dim != want || len(x) != 20*dim {
			t.Fatalf("%s: %d values of %d a clip, want %d", how, len(x), dim, want)
		}
		for i, rows := range clips {
			mean, top := make([]float64, 32), make([]float64, 32)
			for k := range 32 {
				top[k] = math.Inf(-1)
				for _, h := range rows {
					mean[k] += float64(h[k]) / float64(len(rows))
					top[k] = max(top[k], float64(h[k]))
				}
			}
			want := map[string][]float64{"mean": mean, "max": top, "mean_max": slices.Concat(mean, top)}[how]
			for k, v := range x[i*dim : (i+1)*dim] {
				if math.Abs(v-want[k]) > 1e-9*max(1, math.Abs(want[k])) {
					t.Fatalf("%s: clip %d, value %d is %v, want %v", how, i, k, v, want[k])
				}
			}
		}
	}
	if slices.Equal(clips[0][0], clips[1][0]) {
		t.Error("two clips have one embedding")
	}
}

// Negative values and single windows, which an encoder that ends in a ReLU
// never shows.
func TestPool(t *testing.T) {
	for how, want := range map[string][]float64{
		"mean":     {-2, 2, 5, -7},
		"max":      {-1, 4, 5, -7},
		"mean_max": {-2, 2, -1, 4, 5, -7, 5, -7},
	} {
		p := newPool(how, 2, 2)
		p.add(0, []float32{-1, 0})
		p.add(1, []float32{5, -7})
		p.add(0, []float32{-3, 4})
		if got := p.finish(); !slices.Equal(got, want) || p.dim*2 != len(want) {
			t.Errorf("%s: %v, want %v", how, got, want)
		}
	}
}

// The order of the manifest is the order of the rows.
func TestEmbedOrder(t *testing.T) {
	dir := tones(t, 20)
	_, d, e := trainedOn(t, dir)
	x, dim := embedded(t, d, e)
	lines := strings.SplitAfter(strings.TrimSpace(string(get(t, dir, "manifest.csv"))), "\n")
	slices.Reverse(lines[1:])
	lines[1] += "\n"
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.Join(lines, "")))
	y, _ := embedded(t, open(t, d.c), e)
	for i := range 20 {
		j := 19 - i
		if !slices.Equal(x[i*dim:(i+1)*dim], y[j*dim:(j+1)*dim]) {
			t.Errorf("clip %d has another embedding in another place", i)
		}
	}
}

func TestEmbedOptions(t *testing.T) {
	for _, o := range []EmbedOptions{{Hop: 0, Pool: "mean"}, {Hop: 1.5, Pool: "mean"}, {Hop: math.NaN(), Pool: "mean"}, {Hop: 1, Pool: "median"}, {Hop: 1}} {
		if err := o.Check(); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A checkpoint that is not the config's encoder is refused.
func TestTrainedRefuses(t *testing.T) {
	dir := tones(t, 20)
	run, d, _ := trainedOn(t, dir)
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range []string{"input.mean", "input.std", "encoder.conv1.weight"} {
		a := cp.Arrays[missing]
		delete(cp.Arrays, missing)
		_, err := d.trained(cp)
		says(t, err, missing)
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%v", err)
		}
		cp.Arrays[missing] = a
	}
	wide := open(t, load(t, dir, "encoder.width=8"))
	if _, err := wide.trained(cp); fault.KindOf(err) != fault.Data {
		t.Errorf("%v", err)
	}
}
