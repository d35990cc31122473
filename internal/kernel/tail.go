package kernel

// A tail is what follows a convolution in a forward pass without gradients,
// done to each part of the output while that is in the cache. A nil tail does
// nothing.
type tail struct {
	n         int // examples
	bias, add []float32
	relu      bool
	mask      [2][Lanes]uint32 // all bits of lanes that hold an example: of whole blocks, and of the last
}

func newTail(n int, bias, add []float32, relu bool) tail {
	t := tail{n: n, bias: bias, add: add, relu: relu}
	for l := range t.mask[0] {
		t.mask[0][l] = ^uint32(0)
		if l < n-(Blocks(n)-1)*Lanes {
			t.mask[1][l] = ^uint32(0)
		}
	}
	return t
}

var tails stash[tail]

// run does some whole pixels of block b, from offset off of y on, of which the
// channels from first on are meant.
func (t *tail) run(y []float32, b, off, pixels, first, channels int) {
	if t == nil {
		return
	}
	size := pixels * channels * Lanes
	a := tailArgs{y: y[off:][:size], bias: t.bias[first:], pixels: pixels, channels: channels, mask: &t.mask[0], relu: t.relu}
	if t.add != nil {
		a.add = t.add[off:][:size]
	}
	if b == Blocks(t.n)-1 {
		a.mask = &t.mask[1]
	}
	runTail(&a)
}

// tailArgs is the argument of the routines: y = y + bias + add over pixels and
// channels one after the other, then ReLU if asked, then zero in lanes whose
// mask is 0. add may be nil.
type tailArgs struct {
	y, add, bias     []float32
	pixels, channels int
	mask             *[Lanes]uint32
	relu             bool
}

func tailTwin(a *tailArgs) {
	for i := range a.pixels * a.channels {
		y, b := at(a.y, i), a.bias[i%a.channels]
		for l, v := range y {
			v += b
			if a.add != nil {
				v += a.add[i*Lanes+l]
			}
			if a.relu && v < 0 || a.mask[l] == 0 {
				v = 0
			}
			y[l] = v
		}
	}
}
