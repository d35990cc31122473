package kernel

import "math"

// A Pool slides a window over maps (N,C,H,W) in lanes. Padding must be smaller
// than the kernel, so that no window is empty; trailing rows and columns that
// fill no window are left out.
type Pool struct {
	N, C, H, W          int
	Kernel, Stride, Pad [2]int
}

// Out is the size of the output maps.
func (s Pool) Out() (h, w int) {
	return (s.H+2*s.Pad[0]-s.Kernel[0])/s.Stride[0] + 1, (s.W+2*s.Pad[1]-s.Kernel[1])/s.Stride[1] + 1
}

// MaxForward computes the maximum of each window; padding never wins, NaN does.
func (s Pool) MaxForward(y, x []float32) { s.forward(poolTask{Pool: s, y: y, x: x, max: true}) }

// AvgForward computes the mean of each window, padding counted as zeros.
func (s Pool) AvgForward(y, x []float32) { s.forward(poolTask{Pool: s, y: y, x: x}) }

// MaxBackward computes dx: each window's gradient goes to its maximum, the
// first of equals, the last NaN if there is one (as PyTorch).
func (s Pool) MaxBackward(dx, x, dy []float32) {
	s.backward(poolTask{Pool: s, y: dy, x: x, dx: dx, max: true})
}

// AvgBackward computes dx: each window's gradient is shared out evenly.
func (s Pool) AvgBackward(dx, dy []float32) { s.backward(poolTask{Pool: s, y: dy, dx: dx}) }

func (s Pool) forward(t poolTask) {
	t.prepare()
	t.cuts = ceil(t.oh, t.step())
	share(&poolTasks, Blocks(s.N)*t.cuts, t)
}

func (s Pool) backward(t poolTask) {
	t.prepare()
	share(&poolTasks, Blocks(s.N)*t.cuts, t)
}

// poolChannels is how many channels a work item of the backward pass takes:
// windows overlap, so an item owns whole maps.
const poolChannels = 16

type poolTask struct {
	Pool
	y, x, dx []float32 // y: output or its gradient
	max      bool
	oh, ow   int
	cuts     int // work items of a block
}

var poolTasks stash[poolTask]

// sized is Out of a window that can be.
func (s Pool) sized() (h, w int) {
	for i, size := range [2]int{s.H, s.W} {
		check(s.Stride[i] >= 1 && s.Pad[i] >= 0 && s.Pad[i] < s.Kernel[i] && size+2*s.Pad[i] >= s.Kernel[i],
			"Pool", "padding must be smaller than the kernel, and the kernel than the padded map")
	}
	return s.Out()
}

// prepare checks, and turns a map of one row whose result has one row into a
// column: the same memory, of which work items can be pieces.
func (t *poolTask) prepare() {
	if t.oh, t.ow = t.sized(); t.H == 1 && t.oh == 1 {
		for _, v := range [...]*[2]int{&t.Kernel, &t.Stride, &t.Pad} {
			v[0], v[1] = v[1], v[0]
		}
		t.H, t.W, t.oh, t.ow = t.W, t.H, t.ow, t.oh
	}
	t.cuts = (t.C + poolChannels - 1) / poolChannels
	b := Blocks(t.N) * Lanes * t.C
	check(len(t.y) >= b*t.oh*t.ow, "Pool", "output side too short")
	check(t.x == nil || len(t.x) >= b*t.H*t.W, "Pool", "input side too short")
	check(t.dx == nil || len(t.dx) >= b*t.H*t.W, "Pool", "gradient too short")
}

func (t *poolTask) Do(item int) {
	if t.dx == nil {
		b, i0 := item/t.cuts, item%t.cuts*t.step()
		for i := i0; i < min(t.oh, i0+t.step()); i++ {
			t.row(b, i)
		}
		return
	}
	b, c0 := item/t.cuts, item%t.cuts*poolChannels
	c1 := min(t.C, c0+poolChannels)
	for p := range t.H * t.W {
		clear(t.dx[((b*t.H*t.W+p)*t.C+c0)*Lanes:][:(c1-c0)*Lanes])
	}
	list := tapLists.get()
	defer tapLists.put(list)
	for i := range t.oh {
		for j := range t.ow {
			t.scatter(list.fill(t, i, j, c0), b, i, j, c0, c1)
		}
	}
}

// step is how many rows of the output a work item makes.
func (t *poolTask) step() int { return max(1, poolWindows/t.ow) }

// poolWindows is how many windows a work item has, at least.
const poolWindows = 16

// window gives the part of output (i, j)'s window that lies on the map.
func (s Pool) window(i, j int) (h0, h1, w0, w1 int) {
	h, w := i*s.Stride[0]-s.Pad[0], j*s.Stride[1]-s.Pad[1]
	return max(0, h), min(s.H, h+s.Kernel[0]), max(0, w), min(s.W, w+s.Kernel[1])
}

// poolArgs is the argument of the routines for maxima: one window, all taps,
// channel by channel.
type poolArgs struct {
	x, dx    []float32
	y        []float32 // output, or its gradient
	taps     []int     // offsets into x and dx, in float32s
	channels int
}

// maxForwardTwin: y = the maximum over taps; a value wins if it is larger than
// the best so far, or NaN.
func maxForwardTwin(a *poolArgs) {
	for c := range a.channels {
		y := at(a.y, c)
		for l := range y {
			y[l] = float32(math.Inf(-1))
		}
		for _, tap := range a.taps {
			for l, v := range at(a.x[tap:], c) {
				if v > y[l] || v != v {
					y[l] = v
				}
			}
		}
	}
}

// maxBackwardTwin: dx += y at the tap that won.
func maxBackwardTwin(a *poolArgs) {
	for c := range a.channels {
		var best [Lanes]int
		top := *at(a.x[a.taps[0]:], c)
		for i, tap := range a.taps {
			for l, v := range at(a.x[tap:], c) {
				if v > top[l] || v != v {
					top[l], best[l] = v, i
				}
			}
		}
		for l, dy := range at(a.y, c) {
			a.dx[a.taps[best[l]]+c*Lanes+l] += dy
		}
	}
}

// A tapList is the taps of one window, kept for the next.
type tapList struct{ offsets []int }

var tapLists stash[tapList]

// fill lists the offsets of output (i, j)'s window, from channel c of a block.
func (k *tapList) fill(t *poolTask, i, j, c int) []int {
	k.offsets = k.offsets[:0]
	h0, h1, w0, w1 := t.window(i, j)
	for h := h0; h < h1; h++ {
		for w := w0; w < w1; w++ {
			k.offsets = append(k.offsets, ((h*t.W+w)*t.C+c)*Lanes)
		}
	}
	return k.offsets
}

// row makes output row i of block b.
func (t *poolTask) row(b, i int) {
	x := t.x[b*t.H*t.W*t.C*Lanes:]
	list := tapLists.get()
	defer tapLists.put(list)
	for j := range t.ow {
		y := t.y[((b*t.oh+i)*t.ow+j)*t.C*Lanes:]
		taps := list.fill(t, i, j, 0)
		if t.max {
			runMaxForward(&poolArgs{x: x, y: y, taps: taps, channels: t.C})
			continue
		}
		scale := 1 / float32(t.Kernel[0]*t.Kernel[1])
		for c := range t.C {
			var sum lane
			for _, tap := range taps {
				for l, v := range at(x[tap:], c) {
					sum[l] += v
				}
			}
			for l, v := range sum {
				at(y, c)[l] = v * scale
			}
		}
	}
}

// scatter adds the gradient of output (i, j) to its window, for some channels.
func (t *poolTask) scatter(taps []int, b, i, j, c0, c1 int) {
	dx := t.dx[b*t.H*t.W*t.C*Lanes:]
	dy := t.y[(((b*t.oh+i)*t.ow+j)*t.C+c0)*Lanes:]
	if t.max {
		runMaxBackward(&poolArgs{x: t.x[b*t.H*t.W*t.C*Lanes:], dx: dx, y: dy, taps: taps, channels: c1 - c0})
		return
	}
	scale := 1 / float32(t.Kernel[0]*t.Kernel[1])
	for _, tap := range taps {
		for c := range c1 - c0 {
			d := at(dx[tap:], c)
			for l, v := range at(dy, c) {
				d[l] += v * scale
			}
		}
	}
}
