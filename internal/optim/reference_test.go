package optim_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"clr/internal/kernel"
	"clr/internal/optim"
)

// The arrays that PyTorch computed; testdata/reference/README.md tells how.
const reference = "../../testdata/reference"

type referenceFile struct {
	File      string
	DType     string
	Shape     []int
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

type referenceCase struct {
	Name, Op string
	Params   struct {
		Momentum      float64
		Nesterov      bool
		WeightDecay   float64 `json:"weight_decay"`
		Betas         [2]float64
		Eps, Eta      float64
		Kind          string
		LRs           []float64 `json:"lr_per_step"`
		Total, Warmup int
		Base, Floor   float64
	}
	Inputs, Outputs map[string]referenceFile
}

func referenceCases(t *testing.T) map[string]referenceCase {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(reference, "optim/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []referenceCase }
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	cases := map[string]referenceCase{}
	for _, c := range m.Cases {
		cases[c.Op] = c
	}
	return cases
}

// read gives the values of a .npy file of float32 or float64.
func (f referenceFile) read(t *testing.T) []float64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(reference, f.File))
	if err != nil {
		t.Fatal(err)
	}
	b = b[10+int(binary.LittleEndian.Uint16(b[8:])):]
	if f.DType == "float64" {
		v := make([]float64, len(b)/8)
		if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	var v []float64
	for ; len(b) > 0; b = b[4:] {
		v = append(v, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}
	return v
}

// compare requires both of the file's tolerances.
func (f referenceFile) compare(t *testing.T, what string, got []float64) {
	t.Helper()
	want := f.read(t)
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var most, diff, norm float64
	for i := range want {
		d := math.Abs(got[i] - want[i])
		most = max(most, d)
		diff += d * d
		norm += want[i] * want[i]
	}
	if rel := math.Sqrt(diff / norm); !(most <= f.Tolerance.MaxAbs) || !(rel <= f.Tolerance.RelL2) {
		t.Errorf("%s: max abs %g (allowed %g), relative %g (allowed %g)", what, most, f.Tolerance.MaxAbs, rel, f.Tolerance.RelL2)
	}
}

func TestReference(t *testing.T) {
	cases := referenceCases(t)
	make := map[string]func(c referenceCase) optim.Options{
		"sgd_momentum": func(c referenceCase) optim.Options {
			return optim.SGD{LR: 1, Momentum: c.Params.Momentum, WeightDecay: c.Params.WeightDecay}
		},
		"sgd_nesterov": func(c referenceCase) optim.Options {
			return optim.SGD{LR: 1, Momentum: c.Params.Momentum, WeightDecay: c.Params.WeightDecay, Nesterov: c.Params.Nesterov}
		},
		"adam": func(c referenceCase) optim.Options {
			return optim.Adam{LR: 1, Betas: c.Params.Betas, Eps: c.Params.Eps}
		},
		"adam_l2": func(c referenceCase) optim.Options {
			return optim.Adam{LR: 1, Betas: c.Params.Betas, Eps: c.Params.Eps, WeightDecay: c.Params.WeightDecay}
		},
		"adamw": func(c referenceCase) optim.Options {
			return optim.AdamW{LR: 1, Betas: c.Params.Betas, Eps: c.Params.Eps, WeightDecay: c.Params.WeightDecay}
		},
		"lars_simclr": lars, "lars_you": lars,
	}
	for name, options := range make {
		t.Run(name, func(t *testing.T) {
			c, ok := cases[name]
			if !ok {
				t.Fatal("not in the manifest")
			}
			o := options(c)
			if err := o.Check(); err != nil {
				t.Fatal(err)
			}
			gw, gb := c.Inputs["grad_w"].read(t), c.Inputs["grad_b"].read(t)
			w, b := param("w", c.Inputs["w0"].read(t), 4, 3), param("b", c.Inputs["b0"].read(t), 4)
			params := []*optim.Param{w, b}
			opt := o.New(params)
			var ws, bs []float64
			for i, lr := range c.Params.LRs {
				set(w.Grad.Data, gw[i*12:])
				set(b.Grad.Data, gb[i*4:])
				opt.Step(params, lr)
				ws, bs = appendTo(ws, w.Value.Data), appendTo(bs, b.Value.Data)
			}
			c.Outputs["w"].compare(t, "w", ws)
			c.Outputs["b"].compare(t, "b", bs)
		})
	}
}

func lars(c referenceCase) optim.Options {
	return optim.LARS{LR: 1, Momentum: c.Params.Momentum, WeightDecay: c.Params.WeightDecay, Eta: c.Params.Eta, Kind: c.Params.Kind, Exclude1D: true}
}

func param(name string, v []float64, shape ...int) *optim.Param {
	p := &optim.Param{Name: name, Value: kernel.New(shape...), Grad: kernel.New(shape...)}
	set(p.Value.Data, v)
	return p
}

func set(dst []float32, v []float64) {
	for i := range dst {
		dst[i] = float32(v[i])
	}
}

func appendTo(dst []float64, v []float32) []float64 {
	for _, x := range v {
		dst = append(dst, float64(x))
	}
	return dst
}

func TestScheduleReference(t *testing.T) {
	c := referenceCases(t)["learning-rate schedule"]
	for _, perEpoch := range []int{1, 2, 5, 10} {
		s := optim.Schedule{WarmupEpochs: c.Params.Warmup / perEpoch, Epochs: c.Params.Total / perEpoch, MinLR: c.Params.Floor}
		var got []float64
		for i := range s.Steps(perEpoch) {
			got = append(got, s.At(c.Params.Base, i, perEpoch))
		}
		c.Outputs["lr"].compare(t, "lr", got)
	}
}
