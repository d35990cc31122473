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
	Pool     string `yaml:"pool" doc:"mean, max or mean_max over frequency and time, or time_mean or time_mean_max, over time only"`
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
	return checkPool("resnet", e.Pool, pools)
}

// expansion is how many times more channels a block gives than its width.
func (e ResNet) expansion() int {
	if e.Depth >= 50 {
		return 4
	}
	return 1
}

// Torchvision is the block that torchvision's ResNet is made with to be e, but for the
// stem's channels and the classifier, and how many of it each stage has; it is empty where
// there is none: other widths, stems and pools.
func (e ResNet) Torchvision() (block string, counts []int) {
	if e.Width != 64 || e.Stem != "imagenet" || e.Pool != "mean" {
		return "", nil
	}
	n := stages[e.Depth]
	if e.expansion() > 1 {
		return "Bottleneck", n[:]
	}
	return "BasicBlock", n[:]
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
	bins, halvings := in.Bins, 3
	if e.Stem == "imagenet" {
		halvings = 5
	}
	for range halvings { // every stride-2 layer pads to ⌈bins/2⌉
		bins = (bins + 1) / 2
	}
	return pooledDim(e.Pool, 8*e.Width*e.expansion(), bins)
}

func (e ResNet) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	x = e.stem(b, p, name, b.Lanes(x))
	x = e.stages(b, p, name, x, square)
	return b.globalPool(x, e.Pool) // (N, Dim)
}

// A shape makes a residual network's convolutions, along both axes or one.
type shape func(size, stride, pad int) Filter

// square is a convolution as torchvision's: without a bias, for a norm follows.
func square(size, stride, pad int) Filter { return Filter{Window: Square(size, stride, pad)} }

// stages are all that stands between stem and pool.
func (e ResNet) stages(b *Builder, p *Params, name string, x *G.Node, f shape) *G.Node {
	in := e.Width
	for s, blocks := range stages[e.Depth] {
		width, stride := e.Width<<s, 1
		if s > 0 {
			stride = 2
		}
		for i := range blocks {
			x = e.block(b, p, fmt.Sprintf("%s.layer%d.%d", name, s+1, i), x, in, width, stride, f)
			in, stride = width*e.expansion(), 1
		}
	}
	return x
}

func (e ResNet) stem(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	size, stride := 3, 1
	if e.Stem == "imagenet" {
		size, stride = 7, 2
	}
	norm := Norm{ReLU: true}
	if e.Stem == "imagenet" {
		norm.Pool = Square(3, 2, 1)
	}
	return b.ConvNorm(p, name+".conv1", name+".bn1", x, e.Width, square(size, stride, size/2), norm)
}

// block is f(x) + x with a ReLU after it, f being two 3×3 convolutions or, from
// depth 50 on, a 1×1, 3×3, 1×1 bottleneck. Where the shape changes, x goes
// through a 1×1 convolution.
func (e ResNet) block(b *Builder, p *Params, name string, x *G.Node, in, width, stride int, f shape) *G.Node {
	out := width * e.expansion()
	shortcut := x
	if stride != 1 || in != out {
		shortcut = b.ConvNorm(p, name+".downsample.0", name+".downsample.1", x, out, f(1, stride, 0), Norm{})
	}
	last := Norm{Residual: shortcut, ReLU: true, Zero: e.ZeroInit}
	if e.expansion() == 1 {
		x = b.ConvNorm(p, name+".conv1", name+".bn1", x, width, f(3, stride, 1), Norm{ReLU: true})
		return b.ConvNorm(p, name+".conv2", name+".bn2", x, out, f(3, 1, 1), last)
	}
	x = b.ConvNorm(p, name+".conv1", name+".bn1", x, width, f(1, 1, 0), Norm{ReLU: true})
	x = b.ConvNorm(p, name+".conv2", name+".bn2", x, width, f(3, stride, 1), Norm{ReLU: true})
	return b.ConvNorm(p, name+".conv3", name+".bn3", x, out, f(1, 1, 0), last)
}
