package model

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// CNN is a plain convolutional network, as its config lists it: convolutions,
// then a pool over what is left, then fully connected layers.
type CNN struct {
	Layers     []CNNLayer `yaml:"layers" doc:"convolutions, in order; what one leaves out is 64 channels of 3 × 3, norm, relu, and a max-pool by 2"`
	Pool       string     `yaml:"pool" doc:"what becomes of the last map: mean, max or mean_max over frequency and time, time_mean or time_mean_max, over time only, or flatten, all its values"`
	Hidden     []int      `yaml:"hidden" doc:"sizes of fully connected layers after that; the last one's is the embedding's"`
	Activation string     `yaml:"activation" doc:"after each fully connected layer: linear, sigmoid, tanh, relu or gelu"`
}

// A CNNLayer is a convolution and what follows it, in this order.
type CNNLayer struct {
	Channels   int    `yaml:"channels" doc:"of its result"`
	Kernel     [2]int `yaml:"kernel" doc:"bins, frames; the map is padded by half of it"`
	Stride     [2]int `yaml:"stride" doc:"bins, frames"`
	Norm       bool   `yaml:"norm" doc:"batch normalisation; without it the convolution has a bias"`
	Activation string `yaml:"activation" doc:"linear, sigmoid, tanh, relu or gelu"`
	Pool       string `yaml:"pool" doc:"max, avg or none"`
	PoolSize   [2]int `yaml:"pool_size" doc:"bins, frames; its stride, too; [1, 1] where pool is none"`
}

// Default is what a layer of a config begins as.
func (CNNLayer) Default() any { return cnnLayer(64) }

// cnnLayer is the usual one: a small filter, norm, ReLU, and the maximum of four.
func cnnLayer(channels int) CNNLayer {
	return CNNLayer{Channels: channels, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Norm: true, Activation: "relu", Pool: "max", PoolSize: [2]int{2, 2}}
}

// maxSide bounds kernels, strides and pools: more can only be a slip.
const maxSide = 1 << 12

func (e CNN) Doc() string {
	return "plain convolutional network, whose layers the config lists"
}

func (e CNN) Check() error {
	if len(e.Layers) < 1 || len(e.Layers) > maxWidth {
		return fault.New(fault.Usage, "", "cnn has %d layers, must have 1 to %d", len(e.Layers), maxWidth)
	}
	for i, l := range e.Layers {
		if err := l.check(fmt.Sprintf("cnn layer %d", i+1)); err != nil {
			return err
		}
	}
	if err := checkPool("cnn", e.Pool, append(slices.Clone(pools), "flatten")); err != nil {
		return err
	}
	if err := checkHidden(e.Hidden); err != nil {
		return fmt.Errorf("cnn: %w", err)
	}
	return checkActivation("cnn activation", e.Activation)
}

func (l CNNLayer) check(name string) error {
	if l.Channels < 1 || l.Channels > maxLayer {
		return fault.New(fault.Usage, "", "%s: channels is %d, must be 1 to %d", name, l.Channels, maxLayer)
	}
	if l.Pool != "max" && l.Pool != "avg" && l.Pool != "none" {
		return fault.New(fault.Usage, "", "%s: pool is %q, must be max, avg or none", name, l.Pool)
	}
	if l.Pool == "none" && l.PoolSize != [2]int{1, 1} {
		return fault.New(fault.Usage, "set pool to max or avg, or pool_size to [1, 1]", "%s: pool is none, and pool_size %v", name, l.PoolSize)
	}
	for i, sides := range [][2]int{l.Kernel, l.Stride, l.PoolSize} {
		if min(sides[0], sides[1]) < 1 || max(sides[0], sides[1]) > maxSide {
			return fault.New(fault.Usage, "", "%s: %s is %v, must be 1 to %d each", name, []string{"kernel", "stride", "pool_size"}[i], sides, maxSide)
		}
	}
	return checkActivation(name+": activation", l.Activation)
}

// window is the convolution's.
func (l CNNLayer) window() Window {
	return Window{l.Kernel, l.Stride, [2]int{l.Kernel[0] / 2, l.Kernel[1] / 2}}
}

// out is the size of what comes of maps of so many bins and frames; a side that
// is too small for the pool gives 0.
func (l CNNLayer) out(bins, frames int) (int, int) {
	side := func(i, n int) int {
		return ((n+l.Kernel[i]/2*2-l.Kernel[i])/l.Stride[i] + 1) / l.PoolSize[i]
	}
	return side(0, bins), side(1, frames)
}

func (e CNN) Dim(in Input) int {
	if n := len(e.Hidden); n > 0 {
		return e.Hidden[n-1]
	}
	bins, frames := in.Bins, in.Frames
	for _, l := range e.Layers {
		bins, frames = l.out(bins, frames)
	}
	c := e.Layers[len(e.Layers)-1].Channels
	if e.Pool == "flatten" {
		return c * bins * frames
	}
	return pooledDim(e.Pool, c, bins)
}

func (e CNN) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	x = b.Lanes(x)
	for i, l := range e.Layers {
		x = l.build(b, p, fmt.Sprintf("%s.layers.%d", name, i), x)
	}
	if e.Pool == "flatten" {
		x = b.Flatten(x)
	} else {
		x = b.globalPool(x, e.Pool)
	}
	if len(e.Hidden) == 0 {
		return x // (N, Dim)
	}
	return b.dense(p, name+".fc", x, e.Hidden, e.Activation, e.Activation)
}

// build lays the convolution name.conv, with name.norm over it.
func (l CNNLayer) build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	pool := Window{Kernel: l.PoolSize, Stride: l.PoolSize}
	filter := Filter{Window: l.window(), Bias: !l.Norm}
	if x != nil {
		m := mapOf(x)
		if bins, frames := l.out(m[1], m[2]); bins < 1 || frames < 1 {
			b.err = fault.New(fault.Usage, "give views more frames (view.frames) or bins, or the layers fewer strides and pools",
				"%s makes nothing of maps of %d × %d: its stride is %v and its pool %v", name, m[1], m[2], l.Stride, l.PoolSize)
			return nil
		}
	}
	relu := l.Activation == "relu"
	switch {
	case !l.Norm:
		x = b.Activate(b.Conv(p, name+".conv", x, l.Channels, filter), l.Activation)
	case relu && l.Pool == "max": // in one
		return b.ConvNorm(p, name+".conv", name+".norm", x, l.Channels, filter, Norm{ReLU: true, Pool: pool})
	default:
		x = b.ConvNorm(p, name+".conv", name+".norm", x, l.Channels, filter, Norm{ReLU: relu})
		if !relu {
			x = b.Activate(x, l.Activation)
		}
	}
	switch l.Pool {
	case "max":
		return b.MaxPool(x, pool)
	case "avg":
		return b.AvgPool(x, pool)
	}
	return x
}
