package kernel

// Weights become the left factors of tiles through the 16 × 16 transpose,
// because a large layer's weights outweigh its maps and moving them one by one
// takes a third of its time.

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

// forward turns sixteen rows of weights (ci, taps), sixteen columns at a time;
// column (ci, tap) goes to (tap, ci).
func (t *packTask) forward(packed []float32, m, from, to int) {
	length := t.ci * t.taps // of a row
	real := min(Lanes, t.co-m*Lanes)
	j, end := from*t.taps, to*t.taps
	switch n := (end - j) / 16; {
	case real < Lanes || n == 0:
	case t.taps == 1:
		transpose16(packed[j*Lanes:], t.w[m*Lanes*length+j:], length, 16, n)
		j += n * 16
	default:
		var block [256]float32
		ci, tap := from, 0
		for ; j+16 <= end; j += 16 {
			transpose16(block[:], t.w[m*Lanes*length+j:], length, 0, 1)
			for k := range 16 {
				*at(packed, tap*t.ci+ci) = *at(block[:], k)
				if tap++; tap == t.taps {
					ci, tap = ci+1, 0
				}
			}
		}
	}
	for ; j < end; j++ {
		v := at(packed, j%t.taps*t.ci+j/t.taps)
		*v = lane{}
		for l := range real {
			v[l] = t.w[(m*Lanes+l)*length+j]
		}
	}
}

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
