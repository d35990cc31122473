package kernel

import "clr/internal/fault"

// A ConvShape is a two-dimensional convolution (cross-correlation, as in all
// learning libraries) without groups: x (N,Ci,H,W), w (Co,Ci,KH,KW),
// y (N,Co,OH,OW). Pairs are (height, width). Dilation 0 means 1.
type ConvShape struct {
	N, Ci, H, W, Co               int
	Kernel, Stride, Pad, Dilation [2]int
}

// A Conv is a convolution of one shape with its plan: which taps each output
// pixel sees, so that padding costs nothing and a strided gradient inserts no
// zeros. It never changes; several goroutines may use it at once.
type Conv struct {
	shape   ConvShape
	oh, ow  int
	forward *plan
	data    *plan
	weights *weightPlan
}

// NewConv checks the shape and builds the plan. The error is of kind Usage.
func NewConv(s ConvShape) (*Conv, error) {
	for i := range 2 {
		if s.Dilation[i] == 0 {
			s.Dilation[i] = 1
		}
	}
	if s.N < 1 || s.Ci < 1 || s.H < 1 || s.W < 1 || s.Co < 1 {
		return nil, fault.New(fault.Usage, "check the layer's sizes",
			"convolution of %d examples, %d channels of %d × %d, to %d channels: all must be at least 1", s.N, s.Ci, s.H, s.W, s.Co)
	}
	var out [2]int
	for i, size := range [2]int{s.H, s.W} {
		if s.Kernel[i] < 1 || s.Stride[i] < 1 || s.Pad[i] < 0 || s.Dilation[i] < 1 {
			return nil, fault.New(fault.Usage, "kernel, stride and dilation start at 1, padding at 0",
				"convolution with kernel %v, stride %v, padding %v, dilation %v", s.Kernel, s.Stride, s.Pad, s.Dilation)
		}
		span := s.Dilation[i]*(s.Kernel[i]-1) + 1
		if span > size+2*s.Pad[i] {
			return nil, fault.New(fault.Usage, "make the input larger, or use fewer layers that shrink it",
				"convolution kernel spans %d, the padded input only %d (maps of %d × %d, padding %v)", span, size+2*s.Pad[i], s.H, s.W, s.Pad)
		}
		out[i] = (size+2*s.Pad[i]-span)/s.Stride[i] + 1
	}
	c := &Conv{shape: s, oh: out[0], ow: out[1]}
	c.forward = forwardPlan(s, c.oh, c.ow)
	c.data = dataPlan(s, c.oh, c.ow)
	c.weights = newWeightPlan(s, c.oh, c.ow)
	return c, nil
}

// Out is the size of the output maps.
func (c *Conv) Out() (h, w int) { return c.oh, c.ow }

// ScratchForward is the number of float32s that Forward needs.
func (c *Conv) ScratchForward() int { return c.forward.weights() }

// ScratchData is the number of float32s that BackwardData needs.
func (c *Conv) ScratchData() int { return c.data.weights() }

// ScratchWeights is the number of float32s that BackwardWeights needs.
func (c *Conv) ScratchWeights() int { return c.weights.scratch() }

// Forward computes y = w ∗ x, with x, y in lanes and w (Co,Ci,KH,KW). The sum
// of each output runs over taps, then input channels, in float32.
func (c *Conv) Forward(y, x, w, scratch []float32) {
	c.checkMaps("Forward", y, x, w)
	s, p := c.shape, c.forward
	taps := s.Kernel[0] * s.Kernel[1]
	packed := scratch[:p.weights()] // (⌈Co/16⌉, taps, Ci, 16)
	share(&packTasks, p.tiles()*packSplit, packTask{packed: packed, w: w, co: s.Co, ci: s.Ci, taps: taps})
	p.run(y, x, packed, Blocks(s.N))
}

// BackwardData computes dx, the gradient of x, from dy and w.
func (c *Conv) BackwardData(dx, dy, w, scratch []float32) {
	c.checkMaps("BackwardData", dy, dx, w)
	s, p := c.shape, c.data
	taps := s.Kernel[0] * s.Kernel[1]
	packed := scratch[:p.weights()] // (⌈Ci/16⌉, taps backwards, Co, 16)
	share(&packTasks, p.tiles()*packSplit, packTask{packed: packed, w: w, co: s.Co, ci: s.Ci, taps: taps, flip: true})
	p.run(dx, dy, packed, Blocks(s.N))
}

func (c *Conv) checkMaps(name string, y, x, w []float32) {
	s, b := c.shape, Blocks(c.shape.N)*Lanes
	check(len(y) >= b*c.oh*c.ow*s.Co, name, "output side too short")
	check(len(x) >= b*s.H*s.W*s.Ci, name, "input side too short")
	check(len(w) >= s.Co*s.Ci*s.Kernel[0]*s.Kernel[1], name, "weights too short")
}
