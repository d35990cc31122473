package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ToPixels lays few maps out with their channels side by side: (N, C, H, W) →
// (N, H, W, C).
func ToPixels(x *gorgonia.Node) (*gorgonia.Node, error) {
	s := x.Shape()
	if len(s) != 4 {
		return nil, fmt.Errorf("op: to_pixels: %v is not (N, C, H, W)", s)
	}
	n, c, h, w := s[0], s[1], s[2], s[3]
	if c == 1 {
		return Reshape(x, n, h, w, c)
	}
	return fixed{sig: "to_pixels", shape: tensor.Shape{n, h, w, c},
		run: func(out kernel.Array, in []kernel.Array, _ []float32) {
			kernel.ToPixels(out.Data, in[0].Data, n, c, h*w)
		}}.apply(x)
}

// PixelsToLanes brings n maps (N, H, W, C) into lanes, for functions that know
// no pixels.
func PixelsToLanes(x *gorgonia.Node, n int) (*gorgonia.Node, error) {
	m, err := pixelsOf("pixels_to_lanes", x, n)
	if err != nil {
		return nil, err
	}
	y, err := fixed{sig: "from_pixels", shape: tensor.Shape{m.N, m.C, m.H, m.W},
		run: func(out kernel.Array, in []kernel.Array, _ []float32) {
			kernel.FromPixels(out.Data, in[0].Data, m.N, m.C, m.H*m.W)
		}}.apply(x)
	if err != nil {
		return nil, err
	}
	return ToLanes(y)
}

// inPixels reports whether maps are (N, H, W, C), not lanes.
func inPixels(x *gorgonia.Node) bool { return x != nil && len(x.Shape()) == 4 }

func (m maps) pixels() tensor.Shape { return tensor.Shape{m.N, m.H, m.W, m.C} }

// pixelsOf reads the sizes of x, (N, H, W, C).
func pixelsOf(name string, x *gorgonia.Node, n int) (maps, error) {
	if !inPixels(x) || x.Shape()[0] != n {
		return maps{}, fmt.Errorf("op: %s: %v is not the shape (N, H, W, C) of %d examples in pixels", name, x.Shape(), n)
	}
	s := x.Shape()
	return maps{n, s[3], s[1], s[2]}, nil
}

// eitherOf reads the sizes of x in either layout, and gives the shape of other
// maps in the same.
func eitherOf(name string, x *gorgonia.Node, n int) (m maps, shape func(maps) tensor.Shape, err error) {
	if inPixels(x) {
		m, err = pixelsOf(name, x, n)
		return m, maps.pixels, err
	}
	m, err = mapsOf(name, x, n)
	return m, maps.lanes, err
}

// convPixels is Conv, or with a norm ConvNorm, in pixels.
func convPixels(name string, x, w *gorgonia.Node, s kernel.ConvShape, norm *FixedNorm, residual *gorgonia.Node, relu bool) (*gorgonia.Node, error) {
	plan, err := kernel.NewPixelConv(s)
	if err != nil {
		return nil, fmt.Errorf("op: %s over %v, %v: %w", name, x.Shape(), w.Shape(), err)
	}
	sig := fmt.Sprintf("%s in pixels%+v", name, s)
	pack := fixed{sig: sig + " packed", shape: tensor.Shape{plan.Packed()},
		run: func(out kernel.Array, in []kernel.Array, _ []float32) { plan.Pack(out.Data, in[0].Data, nil) }}
	in := gorgonia.Nodes{w}
	if norm != nil {
		pack = fixed{sig: fmt.Sprintf("%s folded, eps %x", sig, norm.Eps), shape: pack.shape, scratch: Size(w.Shape()) + s.Co,
			run: func(out kernel.Array, in []kernel.Array, scratch []float32) {
				scaled, bias := scratch[:len(in[0].Data)], scratch[len(in[0].Data):]
				fold(scaled, bias, in, norm.Eps)
				plan.Pack(out.Data, scaled, bias)
			}}
		in = norm.inputs(w)
	}
	packed, err := pack.apply(in...)
	if err != nil {
		return nil, err
	}
	h, width := plan.Out()
	f := fixed{sig: fmt.Sprintf("%s residual %v relu %v", sig, residual != nil, relu), shape: maps{s.N, s.Co, h, width}.pixels(), scratch: plan.Scratch(),
		run: func(out kernel.Array, in []kernel.Array, scratch []float32) {
			var add []float32
			if len(in) == 3 {
				add = in[2].Data
			}
			plan.Forward(out.Data, in[0].Data, in[1].Data, add, scratch, relu)
		}}
	if residual == nil {
		return f.apply(x, packed)
	}
	if err := want("the residual", residual.Shape(), f.shape...); err != nil {
		return nil, fmt.Errorf("op: %s over %v: %w", name, x.Shape(), err)
	}
	return f.apply(x, packed, residual)
}
