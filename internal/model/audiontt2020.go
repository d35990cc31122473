package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// AudioNTT2020 is the encoder of Niizumi et al. 2021, "BYOL for audio", section
// IV: three blocks of convolution, norm and max pool, a small MLP over each
// frame, and the sum of its mean and its maximum over time. Its names are those
// of the authors' weights.
type AudioNTT2020 struct {
	Width     int     `yaml:"width" doc:"channels of the convolutions"`
	Out       int     `yaml:"dim" doc:"size of an embedding and of the hidden layer before it; the paper's are 512, 1024 and 2048"`
	Dropout   float64 `yaml:"dropout" doc:"share of the hidden layer's values that training sets to 0"`
	InputNorm bool    `yaml:"input_norm" doc:"views, changed by augmentations, are brought back to the mean 0 and deviation 1 of their batch: the paper's post-normalization"`
}

func (e AudioNTT2020) Doc() string {
	return "the encoder of BYOL-A (Niizumi et al. 2021): 3 convolutions, an MLP over frames, mean + max over time"
}

func (e AudioNTT2020) Check() error {
	if e.Width < 1 || e.Width > maxWidth {
		return fault.New(fault.Usage, "", "audiontt2020 width is %d, must be 1 to %d", e.Width, maxWidth)
	}
	if e.Out < 1 || e.Out > maxLayer {
		return fault.New(fault.Usage, "", "audiontt2020 dim is %d, must be 1 to %d", e.Out, maxLayer)
	}
	if !(e.Dropout >= 0 && e.Dropout < 1) {
		return fault.New(fault.Usage, "", "audiontt2020 dropout is %g, must be 0 or more and less than 1", e.Dropout)
	}
	return nil
}

func (e AudioNTT2020) Dim(Input) int { return e.Out }

func (e AudioNTT2020) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	if !b.atLeast("audiontt2020", x, 8, 8, "") {
		return nil
	}
	x = b.Lanes(x)
	if e.InputNorm {
		x = b.Standardize(p, name+".input_norm", x)
	}
	for i := range 3 {
		conv, norm := fmt.Sprintf("%s.features.%d", name, 4*i), fmt.Sprintf("%s.features.%d", name, 4*i+1)
		x = b.ConvNorm(p, conv, norm, x, e.Width, Filter{Window: Square(3, 1, 1), Bias: true}, Norm{ReLU: true, Pool: Square(2, 2, 0)})
	}
	x = b.Fold(x) // (N, F/8·C, 1, T/8), a frame's values by bin, then channel
	x = b.Linear(p, name+".fc.0", x, e.Out, true, true)
	x = b.Dropout(p, name+".fc.2", x, e.Dropout)
	x = b.Linear(p, name+".fc.3", x, e.Out, true, true)
	return b.Add(b.GlobalMax(x, false), b.GlobalMean(x, false)) // (N, Out)
}
