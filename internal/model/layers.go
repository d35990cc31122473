package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"clr/internal/op"
)

// few is the largest batch that inference computes in pixels, that is with
// channels side by side: sixteen lanes would be half empty, and as slow as full.
const few = 10

// Lanes turns rows (N, C, H, W) or (N, D) into a feature map: in lanes, or for
// inference over a few examples (N, C, H, W) in pixels. The two layouts round
// differently.
func (b *Builder) Lanes(x *G.Node) *G.Node {
	return b.lay("lanes", func() (*G.Node, error) {
		s := x.Shape()
		to := op.ToLanes
		if b.mode == Inference && len(s) == 4 && s[0] <= few {
			to = op.ToPixels
		}
		y, err := to(x)
		if err == nil {
			b.rows[y] = s[0]
		}
		return y, err
	})
}

// inLanes brings feature maps into lanes, for layers that know no pixels. A nil
// stays.
func (b *Builder) inLanes(maps ...**G.Node) error {
	for _, x := range maps {
		if *x == nil || len((*x).Shape()) == 5 {
			continue
		}
		y, err := op.PixelsToLanes(*x, b.n(*x))
		if err != nil {
			return err
		}
		b.rows[y] = b.n(*x)
		*x = y
	}
	return nil
}

// Rows turns a feature map of one value a channel into rows (N, D).
func (b *Builder) Rows(x *G.Node) *G.Node {
	return b.lay("rows", func() (*G.Node, error) { return op.ToRows(x, b.n(x)) })
}

// A Window is what a convolution or a pool looks at: rows (bins) first, then
// columns (frames).
type Window struct{ Kernel, Stride, Pad [2]int }

// Square is a window of equal sides.
func Square(size, stride, pad int) Window {
	return Window{[2]int{size, size}, [2]int{stride, stride}, [2]int{pad, pad}}
}

// Span is a window along time.
func Span(size, stride, pad int) Window {
	return Window{[2]int{1, size}, [2]int{1, stride}, [2]int{0, pad}}
}

func (w Window) pool() op.PoolOptions { return op.PoolOptions(w) }

// A Filter is a convolution's window, and what its weights are.
type Filter struct {
	Window
	Bias bool // (Co), name.bias
	Line bool // along time alone: name.weight is (Co, Ci, K), as of PyTorch's Conv1d, not (Co, Ci, KH, KW)
}

// Conv is a convolution to out channels.
func (b *Builder) Conv(p *Params, name string, x *G.Node, out int, f Filter) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		w, bias, err := b.filter(p, name, x, out, f)
		if err != nil {
			return nil, err
		}
		y, err := op.Conv(x, w, b.n(x), b.convOptions(f))
		if y, err = b.keep(y, err, x, f.layer(name, w)); err != nil || bias == nil {
			return y, err
		}
		if err := b.inLanes(&y); err != nil {
			return nil, err
		}
		z, err := op.Bias(y, bias, b.n(y), false)
		if err == nil {
			b.rows[z] = b.n(y)
		}
		return z, err
	})
}

// filter makes the nodes of a convolution's weight, (Co, Ci, KH, KW), and of its
// bias, nil without.
func (b *Builder) filter(p *Params, name string, x *G.Node, out int, f Filter) (w, bias *G.Node, err error) {
	shape := []int{out, channels(x), f.Kernel[0], f.Kernel[1]}
	if !f.Line {
		w, err = b.weight(p, name+".weight", he, shape...)
	} else if w, err = b.weight(p, name+".weight", he, out, shape[1], shape[3]); err == nil {
		w, err = op.Reshape(w, shape...)
	}
	if err == nil && f.Bias {
		bias, err = b.weight(p, name+".bias", uniform(op.Size(shape[1:])), out)
	}
	return w, bias, err
}

// layer is the convolution of weights w to look at.
func (f Filter) layer(name string, w *G.Node) Layer {
	l := Layer{Name: name, Kind: "conv", Window: f.Window, Weights: op.Size(w.Shape())}
	if f.Bias {
		l.Weights += w.Shape()[0]
	}
	return l
}

func (b *Builder) convOptions(f Filter) op.ConvOptions {
	return op.ConvOptions{Stride: f.Stride, Pad: f.Pad, Exact: b.exact}
}

// Linear maps the channels of each pixel of a feature map to out channels:
// weight (Out, D) name.weight and, with bias, (Out) name.bias. ReLU needs a bias.
func (b *Builder) Linear(p *Params, name string, x *G.Node, out int, bias, relu bool) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		d := channels(x)
		w, err := b.weight(p, name+".weight", uniform(d), out, d)
		if err != nil {
			return nil, err
		}
		if err := b.inLanes(&x); err != nil {
			return nil, err
		}
		y, err := op.Linear(x, w, b.n(x))
		l := Layer{Name: name, Kind: "linear", Window: Square(1, 1, 0), Weights: op.Size(w.Shape())}
		if err != nil || !bias {
			return b.keep(y, err, x, l)
		}
		v, err := b.weight(p, name+".bias", uniform(d), out)
		if err != nil {
			return nil, err
		}
		y, err = op.Bias(y, v, b.n(x), relu)
		l.Weights += out
		l.ReLU = relu
		return b.keep(y, err, x, l)
	})
}

// GlobalMean is the mean over frequency and time, or with keepRows over time
// only, as rows: (N, C), or (N, C·F) with C outside.
func (b *Builder) GlobalMean(x *G.Node, keepRows bool) *G.Node {
	return b.Rows(b.lay("global mean", func() (*G.Node, error) {
		y, err := op.GlobalMean(x, b.n(x), keepRows)
		return b.keep(y, err, x, Layer{Name: "global mean", Kind: "global_mean"})
	}))
}

// GlobalMax is GlobalMean's shape with the maximum.
func (b *Builder) GlobalMax(x *G.Node, keepRows bool) *G.Node {
	return b.Rows(b.lay("global max", func() (*G.Node, error) {
		y, err := op.GlobalMax(x, b.n(x), keepRows)
		return b.keep(y, err, x, Layer{Name: "global max", Kind: "global_max"})
	}))
}

// MaxPool is the maximum under each window of a feature map, AvgPool the mean.
func (b *Builder) MaxPool(x *G.Node, w Window) *G.Node {
	return b.pool("max_pool", x, w, op.MaxPool)
}

// AvgPool is MaxPool's shape with the mean; padding counts as zeros.
func (b *Builder) AvgPool(x *G.Node, w Window) *G.Node {
	return b.pool("avg_pool", x, w, op.AvgPool)
}

func (b *Builder) pool(kind string, x *G.Node, w Window, f func(*G.Node, int, op.PoolOptions) (*G.Node, error)) *G.Node {
	return b.lay(kind, func() (*G.Node, error) {
		if kind == "avg_pool" { // which knows no pixels
			if err := b.inLanes(&x); err != nil {
				return nil, err
			}
		}
		y, err := f(x, b.n(x), w.pool())
		return b.keep(y, err, x, Layer{Name: kind, Kind: kind, Window: w})
	})
}

// Fold lays the rows of a feature map (N, C, F, T) into its channels: (N, F·C,
// 1, T), channel f·C + c, so that what follows sees a frame at a time.
func (b *Builder) Fold(x *G.Node) *G.Node {
	return b.lay("fold", func() (*G.Node, error) {
		y, err := op.Fold(x, b.n(x))
		if err == nil {
			b.rows[y] = b.n(x)
		}
		return y, err
	})
}

// Line lays the rows of x (N, C, F, T) side by side as channels of one row,
// (N, C·F, 1, T), before Lanes: what a network of sounds takes.
func (b *Builder) Line(x *G.Node) *G.Node {
	return b.lay("line", func() (*G.Node, error) {
		s := x.Shape()
		return op.Reshape(x, s[0], s[1]*s[2], 1, s[3])
	})
}

// Flatten makes rows (N, C·H·W) of x (N, C, H, W), or of a feature map.
func (b *Builder) Flatten(x *G.Node) *G.Node {
	return b.lay("flatten", func() (*G.Node, error) {
		if n, isMap := b.rows[x]; isMap {
			if err := b.inLanes(&x); err != nil {
				return nil, err
			}
			var err error
			if x, err = op.ToMaps(x, n); err != nil {
				return nil, err
			}
		}
		s := x.Shape()
		return op.Reshape(x, s[0], op.Size(s[1:]))
	})
}

// Add is the sum of two scalars, of rows (N, D), or of feature maps in one layout.
func (b *Builder) Add(x, y *G.Node) *G.Node {
	return b.lay("add", func() (*G.Node, error) {
		z, err := op.Add(x, y)
		if n, isMap := b.rows[x]; isMap && err == nil {
			b.rows[z] = n
		}
		return z, err
	})
}

// channels of a feature map (⌈N/16⌉, H, W, C, 16) or (N, H, W, C).
func channels(x *G.Node) int {
	s := x.Shape()
	if len(s) != 5 && len(s) != 4 {
		panic(fmt.Sprintf("model: %v is not a feature map", s))
	}
	return s[3]
}
