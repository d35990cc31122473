package method

import (
	"strings"
	"testing"

	"clr/internal/model"
	"clr/internal/optim"
)

// A whole step with values of 1; with maps of 1e-39 in every layer, for which
// the norms must not bring them back: they divide by √eps at most, and their
// scales undo that; and with gradients so small, by the loss's temperature.
// Values below 1e-38 are slow on some processors.
func BenchmarkStepDenormals(b *testing.B) {
	for _, c := range []struct {
		name        string
		x, gamma    float32
		temperature float64
	}{{"normal", 1, 1, 0.1}, {"maps", 1e-39, 3.16e-3, 0.1}, {"gradients", 1, 1, 1e37}} {
		b.Run(c.name, func(b *testing.B) {
			s := Setup{Encoder: model.ResNet{Depth: 18, Width: 64, Stem: "imagenet", Pool: "mean"}, Batch: 16, Input: model.Input{Channels: 1, Bins: 64, Frames: 96}, Seed: 5}
			o := Table["simclr"].(SimCLR)
			o.Temperature = c.temperature
			m, err := o.New(s)
			if err != nil {
				b.Fatal(err)
			}
			batch := Batch{N: s.Batch, Input: s.Input, X: make([]float32, 2*s.Batch*s.Input.Values())}
			for i := range batch.X {
				batch.X[i] = c.x * float32(i*7919%1009-504) / 300
			}
			for _, p := range m.Params() {
				if strings.HasSuffix(p.Name, "weight") && len(p.Value.Shape) == 1 { // of norms
					for i := range p.Value.Data {
						p.Value.Data[i] = c.gamma
					}
				}
			}
			opt := optim.Table["adamw"].New(m.Params())
			for b.Loop() {
				if _, err := m.Step(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				opt.Step(m.Params(), 0) // the weights stay
			}
		})
	}
}
