package pipeline

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// Embeddings may be taken behind the projector's hidden layers, of a run as it is:
// there they are what loops make of the encoder's with the checkpoint's weights.
func TestHeadLayers(t *testing.T) {
	const set = "method.projector={hidden: [8, 6], out: 4, norm: true}"
	dir := tones(t, 20)
	_, plain, e := trainedOn(t, dir, set)
	con, _ := silent()
	cp, err := plain.saved(filepath.Join(dir, "run"), plain.splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	array := func(name string, i ...any) []float32 { return cp.Arrays["projector."+fmt.Sprintf(name, i...)].Data }
	for k, width := range []int{0, 8, 6} {
		d := open(t, load(t, dir, set, fmt.Sprintf("embed.head_layers=%d", k)))
		head, err := d.trained(cp)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := e.hash(), head.hash(); a != b {
			t.Errorf("%d layers: the encoder's hash is %s, not %s", k, b, a)
		}
		if _, dim := embedded(t, d, head); k > 0 && dim != width {
			t.Errorf("%d layers give %d values, want %d", k, dim, width)
		}
		for clip := range 3 {
			got := windowsOf(t, d, head, clip, 8)
			for w, h := range windowsOf(t, plain, e, clip, 8) {
				for layer := range k { // linear, norm and ReLU have three numbers
					weight, mean, variance := array("%d.weight", 3*layer), array("%d.running_mean", 3*layer+1), array("%d.running_var", 3*layer+1)
					gamma, beta := array("%d.weight", 3*layer+1), array("%d.bias", 3*layer+1)
					next := make([]float32, len(mean))
					for j := range next {
						sum := 0.0
						for i, v := range h {
							sum += float64(v) * float64(weight[j*len(h)+i])
						}
						sum = (sum-float64(mean[j]))/math.Sqrt(float64(variance[j])+1e-5)*float64(gamma[j]) + float64(beta[j])
						next[j] = float32(max(0, sum))
					}
					h = next
				}
				if len(got[w]) != len(h) {
					t.Fatalf("%d layers: %d values, want %d", k, len(got[w]), len(h))
				}
				for i := range h {
					if math.Abs(float64(got[w][i]-h[i])) > 1e-4*(1+math.Abs(float64(h[i]))) {
						t.Fatalf("%d layers, clip %d, window %d: value %d is %g, want %g", k, clip, w, i, got[w][i], h[i])
					}
				}
			}
		}
	}

	// an export has the projector beside the encoder where layers of it embed, by as many
	// as are asked for
	digest := func(e encoderState) string {
		arrays := map[string]kernel.Array{}
		e.params.State("", arrays)
		return checkpoint.Digest(arrays)
	}
	var want []string
	file := filepath.Join(dir, "encoder.safetensors")
	for k := range 3 {
		d := open(t, load(t, dir, set, fmt.Sprintf("embed.head_layers=%d", k)))
		head, err := d.trained(cp)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, digest(head))
		p := parcel{data: d, e: head, step: "2"}
		if err := disk.WriteFile(file, p.writeSafetensors); err != nil {
			t.Fatal(err)
		}
		for asked, sum := range want {
			f, err := openModel(file, Source{Model: file}, Overrides{Set: []string{fmt.Sprint("embed.head_layers=", asked)}})
			if err != nil {
				t.Fatal(err)
			}
			if digest(f.state) != sum {
				t.Errorf("an export with %d layers embeds by %d others", k, asked)
			}
		}
		if k > 0 {
			continue
		}
		_, err = openModel(file, Source{Model: file}, Overrides{Set: []string{"embed.head_layers=1"}})
		says(t, err, "it lacks what embed.head_layers 1 keeps of the projector")
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%v", err)
		}
	}
	other := filepath.Join(dir, "other.safetensors")
	rewritten(t, file, other, func(_ map[string]string, all []checkpoint.Tensor) []checkpoint.Tensor {
		for _, x := range all {
			if x.Name == "projector.3.weight" {
				x.F32[0]++
			}
		}
		return all
	})
	_, err = openModel(other, Source{Model: other}, Overrides{})
	says(t, err, projectorKey+" says")
}

func TestHeadLayersThatAreNotThere(t *testing.T) {
	dir := tones(t, 5)
	for want, set := range map[string][]string{
		"head_layers is -1, must not be negative":                           {"embed.head_layers=-1"},
		"head_layers is 2, and the projector of simclr has 1 hidden layers": {"embed.head_layers=2"},
		"head_layers is 1, and the method cross_entropy has no projector":   {"embed.head_layers=1", "method={name: cross_entropy}"},
		"head_layers is 1, and the method cola has no projector of layers":  {"embed.head_layers=1", "method={name: cola}"},
		"head_layers is 1, and update.ema averages the encoder alone":       {"embed.head_layers=1", "update.ema=0.9"},
		"head_layers is 1, and the projector of moco has 0 hidden layers":   {"embed.head_layers=1", "method={name: moco, projector: {hidden: []}}"},
	} {
		if set[len(set)-1][:6] == "method" {
			put(t, filepath.Join(dir, "config.yaml"), bytes.Replace([]byte(small), []byte("method: {name: simclr, projector: {hidden: [8], out: 4}}\n"), nil, 1))
		} else {
			put(t, filepath.Join(dir, "config.yaml"), []byte(small))
		}
		_, err := LoadConfig(filepath.Join(dir, "config.yaml"), Overrides{Set: set})
		says(t, err, want)
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%v is of kind %v", err, fault.KindOf(err))
		}
	}
}
