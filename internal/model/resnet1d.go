package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// ResNet1D is a residual network along time, for sounds as they are: ResNet's
// basic blocks with convolutions of three samples, under the same names. The
// rows of a view are its channels. The stem is that of Dai et al. 2017, "Very
// deep convolutional neural networks for raw waveforms": 80 samples, stride 4,
// and a max pool by 4.
type ResNet1D struct {
	Depth    int    `yaml:"depth" doc:"10, 18 or 34"`
	Width    int    `yaml:"width" doc:"channels of the first stage; each of the other three doubles them"`
	Stem     string `yaml:"stem" doc:"wave (80 samples, stride 4, then max-pool by 4) or imagenet (7, stride 2, then max-pool by 2)"`
	Pool     string `yaml:"pool" doc:"mean, max or mean_max over time"`
	ZeroInit bool   `yaml:"zero_init_residual" doc:"the last scale of each block begins as 0, so that the block begins as the identity"`
}

func (e ResNet1D) Doc() string {
	return "residual network along time, of depth 10, 18 or 34, for the waveform feature"
}

func (e ResNet1D) Check() error {
	if e.Depth != 10 && e.Depth != 18 && e.Depth != 34 {
		return fault.New(fault.Usage, "", "resnet1d depth is %d, must be 10, 18 or 34", e.Depth)
	}
	if e.Width < 1 || e.Width > maxWidth {
		return fault.New(fault.Usage, "", "resnet1d width is %d, must be 1 to %d", e.Width, maxWidth)
	}
	if e.Stem != "wave" && e.Stem != "imagenet" {
		return fault.New(fault.Usage, "", "resnet1d stem is %q, must be wave or imagenet", e.Stem)
	}
	return checkPool("resnet1d", e.Pool, pools[:3])
}

func (e ResNet1D) Dim(Input) int { return pooledDim(e.Pool, 8*e.Width, 1) }

func (e ResNet1D) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	stem, pool := along(80, 4, 38), Span(4, 4, 0)
	if e.Stem == "imagenet" {
		stem, pool = along(7, 2, 3), Span(3, 2, 1)
	} else if !b.atLeast("resnet1d", x, 1, 16, "or encoder.stem to imagenet") {
		return nil
	}
	x = b.Lanes(b.Line(x)) // (N, C·F, 1, T)
	x = b.ConvNorm(p, name+".conv1", name+".bn1", x, e.Width, stem, Norm{ReLU: true, Pool: pool})
	x = ResNet{Depth: e.Depth, Width: e.Width, ZeroInit: e.ZeroInit}.stages(b, p, name, x, along)
	return b.globalPool(x, e.Pool) // (N, Dim)
}

// along is square's shape along time alone.
func along(size, stride, pad int) Filter { return Filter{Window: Span(size, stride, pad), Line: true} }
