package model

import (
	"fmt"
	"maps"
	"slices"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// ResNet is He et al. 2015 in torchvision's layout, with its names, so that
// weights can be exchanged; one input channel, no classifier. The bottleneck
// of depth 50 has its stride in the 3×3 convolution ("v1.5"), as torchvision's.
type ResNet struct {
	Depth    int    `yaml:"depth" doc:"10, 18, 34 or 50"`
	Width    int    `yaml:"width" doc:"channels of the first stage; each of the other three doubles them"`
	Stem     string `yaml:"stem" doc:"imagenet (7x7, stride 2, then max-pool by 2) or small (3x3, stride 1)"`
	Pool     string `yaml:"pool" doc:"mean, max or mean_max over frequency and time, or time_mean_max, over time only"`
	ZeroInit bool   `yaml:"zero_init_residual" doc:"the last scale of each block begins as 0, so that the block begins as the identity"`
}

// stages are the numbers of blocks of the four stages. Depth 10 is not in the
// paper: one basic block a stage.
var stages = map[int][4]int{10: {1, 1, 1, 1}, 18: {2, 2, 2, 2}, 34: {3, 4, 6, 3}, 50: {3, 4, 6, 3}}

// Doc says in one line what this is.
func (e ResNet) Doc() string {
	return "residual network of depth 10, 18, 34 or 50, torchvision's layout"
}

// maxWidth is sixteen times the papers' 64.
const maxWidth = 1024

// Check refuses what torchvision's layout does not have.
func (e ResNet) Check() error {
	if _, ok := stages[e.Depth]; !ok {
		return fault.New(fault.Usage, "", "resnet depth is %d, must be 10, 18, 34 or 50", e.Depth)
	}
	if e.Width < 1 || e.Width > maxWidth {
		return fault.New(fault.Usage, "", "resnet width is %d, must be 1 to %d", e.Width, maxWidth)
	}
	if e.Stem != "imagenet" && e.Stem != "small" {
		return fault.New(fault.Usage, "", "resnet stem is %q, must be imagenet or small", e.Stem)
	}
	switch e.Pool {
	case "mean", "max", "mean_max", "time_mean_max":
		return nil
	}
	return fault.New(fault.Usage, "", "resnet pool is %q, must be mean, max, mean_max or time_mean_max", e.Pool)
}

// expansion is how many times more channels a block gives than its width.
func (e ResNet) expansion() int {
	if e.Depth >= 50 {
		return 4
	}
	return 1
}

// Variants are e in every depth and with either stem, of a width.
func (e ResNet) Variants(width int) (all []Encoder) {
	e.Width = width
	for _, e.Depth = range slices.Sorted(maps.Keys(stages)) {
		for _, e.Stem = range []string{"imagenet", "small"} {
			all = append(all, e)
		}
	}
	return all
}

func (e ResNet) Dim(in Input) int {
	c := 8 * e.Width * e.expansion()
	switch e.Pool {
	case "mean_max":
		return 2 * c
	case "time_mean_max":
		bins, halvings := in.Bins, 3
		if e.Stem == "imagenet" {
			halvings = 5
		}
		for range halvings { // every stride-2 layer pads to ⌈bins/2⌉
			bins = (bins + 1) / 2
		}
		return 2 * c * bins
	}
	return c
}

func (e ResNet) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	x = e.stem(b, p, name, b.Lanes(x))
	in := e.Width
	for s, blocks := range stages[e.Depth] {
		width, stride := e.Width<<s, 1
		if s > 0 {
			stride = 2
		}
		for i := range blocks {
			x = e.block(b, p, fmt.Sprintf("%s.layer%d.%d", name, s+1, i), x, in, width, stride)
			in, stride = width*e.expansion(), 1
		}
	}
	return e.pool(b, x) // (N, Dim)
}

func (e ResNet) stem(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	size, stride := 3, 1
	if e.Stem == "imagenet" {
		size, stride = 7, 2
	}
	norm := Norm{ReLU: true}
	if e.Stem == "imagenet" {
		norm.Pool = Pool{Size: 3, Stride: 2, Pad: 1}
	}
	return b.ConvNorm(p, name+".conv1", name+".bn1", x, e.Width, size, stride, size/2, norm)
}

// block is f(x) + x with a ReLU after it, f being two 3×3 convolutions or, from
// depth 50 on, a 1×1, 3×3, 1×1 bottleneck. Where the shape changes, x goes
// through a 1×1 convolution.
func (e ResNet) block(b *Builder, p *Params, name string, x *G.Node, in, width, stride int) *G.Node {
	out := width * e.expansion()
	shortcut := x
	if stride != 1 || in != out {
		shortcut = b.ConvNorm(p, name+".downsample.0", name+".downsample.1", x, out, 1, stride, 0, Norm{})
	}
	last := Norm{Residual: shortcut, ReLU: true, Zero: e.ZeroInit}
	if e.expansion() == 1 {
		x = b.ConvNorm(p, name+".conv1", name+".bn1", x, width, 3, stride, 1, Norm{ReLU: true})
		return b.ConvNorm(p, name+".conv2", name+".bn2", x, out, 3, 1, 1, last)
	}
	x = b.ConvNorm(p, name+".conv1", name+".bn1", x, width, 1, 1, 0, Norm{ReLU: true})
	x = b.ConvNorm(p, name+".conv2", name+".bn2", x, width, 3, stride, 1, Norm{ReLU: true})
	return b.ConvNorm(p, name+".conv3", name+".bn3", x, out, 1, 1, 0, last)
}

func (e ResNet) pool(b *Builder, x *G.Node) *G.Node {
	switch e.Pool {
	case "mean":
		return b.GlobalMean(x, false)
	case "max":
		return b.GlobalMax(x, false)
	}
	keepFrequency := e.Pool == "time_mean_max"
	return b.Concat(b.GlobalMean(x, keepFrequency), b.GlobalMax(x, keepFrequency))
}
