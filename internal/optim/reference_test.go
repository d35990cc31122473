package optim_test

import (
	"testing"

	"clr/internal/kernel"
	"clr/internal/optim"
	"clr/internal/reftest"
)

// settings are those of PyTorch's cases.
type settings struct {
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

type referenceCase = reftest.Case[settings]

func referenceCases(t *testing.T) map[string]referenceCase {
	t.Helper()
	cases := map[string]referenceCase{}
	for _, c := range reftest.Cases[settings](t, "optim") {
		cases[c.Op] = c
	}
	return cases
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
			gw, gb := c.Inputs["grad_w"].Values(t), c.Inputs["grad_b"].Values(t)
			w, b := param("w", c.Inputs["w0"].Values(t), 4, 3), param("b", c.Inputs["b0"].Values(t), 4)
			params := []*optim.Param{w, b}
			opt := o.New(params)
			var ws, bs []float64
			for i, lr := range c.Params.LRs {
				set(w.Grad.Data, gw[i*12:])
				set(b.Grad.Data, gb[i*4:])
				opt.Step(params, lr)
				ws, bs = appendTo(ws, w.Value.Data), appendTo(bs, b.Value.Data)
			}
			reftest.Match(t, c.Outputs["w"], "w", ws...)
			reftest.Match(t, c.Outputs["b"], "b", bs...)
		})
	}
}

func lars(c referenceCase) optim.Options {
	return optim.LARS{LR: 1, Momentum: c.Params.Momentum, WeightDecay: c.Params.WeightDecay, Eta: c.Params.Eta, Kind: c.Params.Kind, Spare: optim.Spare{Exclude1D: true}}
}

func param(name string, v []float64, shape ...int) *optim.Param {
	p := &optim.Param{Name: name, Value: kernel.New(shape...), Grad: kernel.New(shape...), Rate: 1}
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
		reftest.Match(t, c.Outputs["lr"], "lr", got...)
	}
}
