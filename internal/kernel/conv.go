package kernel

import "clr/internal/fault"

// A ConvShape is a two-dimensional convolution (cross-correlation, as in all
// learning libraries) without groups: x (N,Ci,H,W), w (Co,Ci,KH,KW),
// y (N,Co,OH,OW). Pairs are (height, width). Dilation 0 means 1.
type ConvShape struct {
	N, Ci, H, W, Co               int
	Kernel, Stride, Pad, Dilation [2]int
	Exact                         bool // no minimal filtering, which rounds a little more
}

// A Conv is a convolution of one shape with its plans. It never changes; several
// goroutines may use it at once.
//
// The shape alone, without the number of examples, decides how it is computed:
// directly, where padding costs nothing and a strided gradient inserts no
// zeros, or by minimal filtering (see winograd). The relative error (root of
// the mean square, against float64) stays below 3e-6 by filtering and 1e-6
// directly, in all three passes; TestConvAccuracy -v prints it for the layers
// of ResNets: at most 2.1e-6 and 0.9e-6.
//
// NaN and infinity reach all that depends on them, and no other example, but
// in gradients of weights. By filtering they also spread within their tile of
// 4 × 4 pixels or less, and a weight's over all pixels of its channel.
type Conv struct {
	shape         ConvShape
	oh, ow        int
	forward, data pass
	weights       weightPass
}

// A pass makes maps from maps and packed weights.
type pass interface {
	weights() int // float32s of the weights, packed
	scratch() int // float32s that run needs besides
	pack(packed, w []float32, s ConvShape, flip bool)
	run(out, in, packed, scratch []float32, t *tail)
}

// A weightPass makes the gradient of the weights from both sides' maps.
type weightPass interface {
	scratch() int
	run(dw, x, dy, scratch []float32)
}

// checked is the shape with its dilation, and the size of the output maps. The
// error is of kind Usage.
func (s ConvShape) checked() (_ ConvShape, oh, ow int, _ error) {
	for i := range 2 {
		if s.Dilation[i] == 0 {
			s.Dilation[i] = 1
		}
	}
	if s.N < 1 || s.Ci < 1 || s.H < 1 || s.W < 1 || s.Co < 1 {
		return s, 0, 0, fault.New(fault.Usage, "check the layer's sizes",
			"convolution of %d examples, %d channels of %d × %d, to %d channels: all must be at least 1", s.N, s.Ci, s.H, s.W, s.Co)
	}
	var out [2]int
	for i, size := range [2]int{s.H, s.W} {
		if s.Kernel[i] < 1 || s.Stride[i] < 1 || s.Pad[i] < 0 || s.Dilation[i] < 1 {
			return s, 0, 0, fault.New(fault.Usage, "kernel, stride and dilation start at 1, padding at 0",
				"convolution with kernel %v, stride %v, padding %v, dilation %v", s.Kernel, s.Stride, s.Pad, s.Dilation)
		}
		span := s.Dilation[i]*(s.Kernel[i]-1) + 1
		if span > size+2*s.Pad[i] {
			return s, 0, 0, fault.New(fault.Usage, "make the input larger, or use fewer layers that shrink it",
				"convolution kernel spans %d, the padded input only %d (maps of %d × %d, padding %v)", span, size+2*s.Pad[i], s.H, s.W, s.Pad)
		}
		out[i] = (size+2*s.Pad[i]-span)/s.Stride[i] + 1
	}
	return s, out[0], out[1], nil
}

// NewConv checks the shape and builds the plan. The error is of kind Usage.
func NewConv(s ConvShape) (*Conv, error) {
	s, oh, ow, err := s.checked()
	if err != nil {
		return nil, err
	}
	c := &Conv{shape: s, oh: oh, ow: ow}
	if f, turned := filterFor(s, c.oh, c.ow); f != nil && !s.Exact {
		forward := newWinograd(f, turned, s.N, s.H, s.W, s.Ci, c.oh, c.ow, s.Co, s.Pad)
		c.forward, c.weights = forward, newWinoWeights(forward, s)
		c.data = newWinograd(f, turned, s.N, c.oh, c.ow, s.Co, s.H, s.W, s.Ci, [2]int{2 - s.Pad[0], 2 - s.Pad[1]})
	} else {
		c.forward = forwardPlan(s, c.oh, c.ow)
		c.data = dataPlan(s, c.oh, c.ow)
		c.weights = newWeightPlan(s, c.oh, c.ow)
	}
	return c, nil
}

// Out is the size of the output maps.
func (c *Conv) Out() (h, w int) { return c.oh, c.ow }

// PackedForward is the number of float32s of the weights as Forward reads them.
func (c *Conv) PackedForward() int { return c.forward.weights() }

// PackForward brings w (Co,Ci,KH,KW) into the layout that Forward reads.
func (c *Conv) PackForward(packed, w []float32) { c.pack("PackForward", c.forward, packed, w, false) }

// ScratchForward is the number of float32s that Forward needs.
func (c *Conv) ScratchForward() int { return c.forward.scratch() }

// Forward computes y = w ∗ x, with x, y in lanes and w packed by PackForward.
func (c *Conv) Forward(y, x, packed, scratch []float32) {
	c.checkMaps("Forward", y, x)
	c.forward.run(y, x, packed, scratch, nil)
}

// ForwardTail is Forward and then, while the output is in the cache, adds bias
// (Co), adds residual, shaped as y, unless that is nil, and takes the ReLU if
// asked. Padded lanes of y become zero.
func (c *Conv) ForwardTail(y, x, packed, bias, residual, scratch []float32, relu bool) {
	c.checkMaps("ForwardTail", y, x)
	check(len(bias) >= c.shape.Co, "ForwardTail", "bias too short")
	check(residual == nil || len(residual) >= Blocks(c.shape.N)*Lanes*c.oh*c.ow*c.shape.Co, "ForwardTail", "residual too short")
	t := tails.get()
	*t = newTail(c.shape.N, bias, residual, relu)
	c.forward.run(y, x, packed, scratch, t)
	*t = tail{}
	tails.put(t)
}

// PackedData is the number of float32s of the weights as BackwardData reads them.
func (c *Conv) PackedData() int { return c.data.weights() }

// PackData brings w (Co,Ci,KH,KW) into the layout that BackwardData reads.
func (c *Conv) PackData(packed, w []float32) { c.pack("PackData", c.data, packed, w, true) }

// ScratchData is the number of float32s that BackwardData needs.
func (c *Conv) ScratchData() int { return c.data.scratch() }

// BackwardData computes dx, the gradient of x, from dy and w packed by PackData.
func (c *Conv) BackwardData(dx, dy, packed, scratch []float32) {
	c.checkMaps("BackwardData", dy, dx)
	c.data.run(dx, dy, packed, scratch, nil)
}

// ScratchWeights is the number of float32s that BackwardWeights needs.
func (c *Conv) ScratchWeights() int { return c.weights.scratch() }

// BackwardWeights computes dw (Co,Ci,KH,KW), the gradient of w, from x and dy.
// Padded lanes of dy are zero and those of x finite. Sums are float32, in an order that depends on
// the shape only.
func (c *Conv) BackwardWeights(dw, x, dy, scratch []float32) {
	c.checkMaps("BackwardWeights", dy, x)
	check(len(dw) >= c.weightSize(), "BackwardWeights", "weights too short")
	c.weights.run(dw, x, dy, scratch)
}

func (c *Conv) pack(name string, p pass, packed, w []float32, flip bool) {
	check(len(packed) >= p.weights() && len(w) >= c.weightSize(), name, "weights too short")
	p.pack(packed, w, c.shape, flip)
}

func (c *Conv) weightSize() int {
	return c.shape.Co * c.shape.Ci * c.shape.Kernel[0] * c.shape.Kernel[1]
}

func (c *Conv) checkMaps(name string, y, x []float32) {
	s, b := c.shape, Blocks(c.shape.N)*Lanes
	check(len(y) >= b*c.oh*c.ow*s.Co, name, "output side too short")
	check(len(x) >= b*s.H*s.W*s.Ci, name, "input side too short")
}
