package kernel

// The layouts of a convolution's factors: weights into the left factors of
// tiles and back, the gradient of maps with examples as rows. All go through
// the 16 × 16 transpose, because a large layer's weights outweigh its maps and
// moving them one by one takes a third of its time.

// packSplit cuts the packing of one tile's weights into items, because a small
// layer has few tiles.
const packSplit = 4

// packTask rearranges weights (Co,Ci,taps) into the left factors of tiles:
// sixteen output channels side by side, (⌈Co/16⌉, taps, Ci, 16), or with flip
// sixteen input channels and the taps backwards, (⌈Ci/16⌉, taps, Co, 16).
// Channels past the last are zero.
type packTask struct {
	packed, w    []float32
	co, ci, taps int
	flip         bool
}

var packTasks stash[packTask]

func (t *packTask) Do(item int) {
	m, part := item/packSplit, item%packSplit
	inner := t.inner()
	t.panel(t.packed[m*t.taps*inner*Lanes:], m, part*inner/packSplit, (part+1)*inner/packSplit)
}

// inner is the number of channels that the tiles sum over.
func (t *packTask) inner() int {
	if t.flip {
		return t.co
	}
	return t.ci
}

// panel makes the m-th left factor (taps, inner, 16), of inner channels from … to-1.
func (t *packTask) panel(panel []float32, m, from, to int) {
	if t.flip {
		t.backward(panel[:t.taps*t.co*Lanes], m, from, to)
	} else {
		t.forward(panel[:t.taps*t.ci*Lanes], m, from, to)
	}
}

// forward turns sixteen rows of weights (ci, taps), sixteen columns at a time.
func (t *packTask) forward(packed []float32, m, from, to int) {
	length := t.ci * t.taps // of a row
	real := min(Lanes, t.co-m*Lanes)
	j, end := from*t.taps, to*t.taps
	if real == Lanes {
		var block [256]float32
		for ; j+16 <= end; j += 16 {
			transpose16(block[:], t.w[m*Lanes*length+j:], length, 0, 1)
			for k := range 16 {
				*at(packed, t.place(j+k)) = *at(block[:], k)
			}
		}
	}
	for ; j < end; j++ {
		v := at(packed, t.place(j))
		*v = lane{}
		for l := range real {
			v[l] = t.w[(m*Lanes+l)*length+j]
		}
	}
}

// place is where column ci·taps + tap goes: tap·Ci + ci.
func (t *packTask) place(j int) int { return j%t.taps*t.ci + j/t.taps }

// backward turns, for each output channel, sixteen rows of taps.
func (t *packTask) backward(packed []float32, q, from, to int) {
	real := min(Lanes, t.ci-q*Lanes)
	var block [256]float32
	for co := from; co < to; co++ {
		w := t.w[(co*t.ci+q*Lanes)*t.taps:] // (real, taps), and what follows
		if t.taps == 1 && real == Lanes {
			*at(packed, co) = *at(w, 0)
			continue
		}
		for tap := 0; tap < t.taps; tap += 16 {
			n := min(16, t.taps-tap)
			// A transpose reads sixteen columns, so the end of the weights is out of bounds for it.
			if real == Lanes && len(w) >= 15*t.taps+tap+16 {
				transpose16(block[:], w[tap:], t.taps, 0, 1)
			} else {
				clear(block[:])
				for l := range real {
					for k, v := range w[l*t.taps+tap:][:n] {
						block[k*Lanes+l] = v
					}
				}
			}
			for k := range n {
				*at(packed, (t.taps-1-tap-k)*t.co+co) = *at(block[:], k)
			}
		}
	}
}

// gatherTask adds the parts in order and brings the sums into PyTorch's layout.
type gatherTask struct {
	*weightPlan
	dw, sums []float32
}

var gatherTasks stash[gatherTask]

func (t *gatherTask) Do(item int) {
	m, part := item/packSplit, item%packSplit
	real := min(16, t.Co-m*16)
	j, end := part*t.Ci/packSplit*t.taps(), (part+1)*t.Ci/packSplit*t.taps()
	var block, rows [256]float32
	for ; j < end; j += 16 {
		n := min(16, end-j)
		for k := range n {
			*at(block[:], k) = t.sum(m, j+k)
		}
		transpose16(rows[:], block[:], Lanes, 0, 1)
		for l := range real {
			copy(t.dw[(m*16+l)*t.Ci*t.taps()+j:][:n], rows[l*16:])
		}
	}
}

// sum adds the parts of column ci·taps + tap, for sixteen output channels.
func (t *gatherTask) sum(m, j int) lane {
	off := m*t.panel() + (j%t.taps()*t.Ci+j/t.taps())*Lanes
	sum := *at(t.sums[off:], 0)
	for k := 1; k < t.parts; k++ {
		for l, v := range at(t.sums[k*t.tiles*t.panel()+off:], 0) {
			sum[l] += v
		}
	}
	return sum
}

// turn transposes dy (pixels, Co, 16 examples) into (pixels, ⌈Co/16⌉, 16, 16 channels).
func turn(dst, dy []float32, pixels, co int) {
	if co%16 == 0 {
		transpose16(dst, dy, Lanes, 256, pixels*co/16)
		return
	}
	tiles := (co + 15) / 16
	for p := range pixels {
		d, s := dst[p*tiles*256:][:tiles*256], dy[p*co*Lanes:][:co*Lanes]
		if co > 16 {
			transpose16(d, s, Lanes, 256, co/16)
		}
		var last [256]float32
		copy(last[:], s[co/16*256:])
		transpose16(d[(tiles-1)*256:], last[:], Lanes, 256, 1)
	}
}

// turnTask transposes all of dy.
type turnTask struct {
	turned, dy []float32
	pixels, co int
}

const turnPixels = 32

var turnTasks stash[turnTask]

func (t *turnTask) Do(item int) {
	from := item * turnPixels
	tiles := (t.co + 15) / 16
	turn(t.turned[from*tiles*256:], t.dy[from*t.co*Lanes:], min(turnPixels, t.pixels-from), t.co)
}
