package kernel

// A Global reduces maps (N,C,H,W) in lanes to features, lanes [B][features][16]:
// over H and W, or with KeepRows over W only, with feature c·H + h.
type Global struct {
	N, C, H, W int
	KeepRows   bool
}

// Features is the number of features of an example.
func (g Global) Features() int {
	if g.KeepRows {
		return g.C * g.H
	}
	return g.C
}

// Mean computes the mean over pixels: runs of them summed in float32, and the
// runs in float64.
func (g Global) Mean(y, x []float32) { g.run(globalTask{y: y, x: x}) }

// MeanGrad computes dx from dy: each pixel gets an equal share.
func (g Global) MeanGrad(dx, dy []float32) { g.run(globalTask{y: dy, dx: dx}) }

// Max computes the maximum over pixels, NaN if one is.
func (g Global) Max(y, x []float32) { g.run(globalTask{y: y, x: x, max: true}) }

// MaxGrad computes dx from dy: the gradient goes to the maximum, the first of
// equals, the last NaN if there is one, as in Pool.
func (g Global) MaxGrad(dx, x, dy []float32) { g.run(globalTask{y: dy, x: x, dx: dx, max: true}) }

func (g Global) run(t globalTask) {
	b := Blocks(g.N) * Lanes
	check(len(t.y) >= b*g.Features(), "Global", "features too short")
	check(t.x == nil || len(t.x) >= b*g.C*g.H*g.W, "Global", "maps too short")
	check(t.dx == nil || len(t.dx) >= b*g.C*g.H*g.W, "Global", "gradient too short")
	t.Global = g
	t.cuts = (g.C + sumChannels - 1) / sumChannels
	share(&globalTasks, Blocks(g.N)*t.cuts, t)
}

type globalTask struct {
	Global
	y, x, dx []float32 // y: features or their gradient
	max      bool
	cuts     int
}

var globalTasks stash[globalTask]

// Do reduces some channels of a block, or takes their features back.
func (t *globalTask) Do(item int) {
	b, c0 := item/t.cuts, item%t.cuts*sumChannels
	m := sumMemories.get()
	defer sumMemories.put(m)
	acc, part := m.fresh()
	rows, pixels := 1, t.H*t.W
	if t.KeepRows {
		rows, pixels = t.H, t.W
	}
	r := reduction{globalTask: t, channels: min(sumChannels, t.C-c0), pixels: pixels, acc: acc}
	for h := range rows {
		r.at = ((b*t.H*t.W+h*pixels)*t.C + c0) * Lanes
		feature := func(c int) *lane { return at(t.y, b*t.Features()+(c0+c)*rows+h) }
		r.values = part[:r.channels*Lanes]
		if t.dx != nil {
			for c := range r.channels {
				*at(r.values, c) = *feature(c)
			}
		}
		switch {
		case t.max:
			r.most()
		case t.dx == nil:
			r.mean(part[:])
		default:
			r.share()
		}
		if t.dx == nil {
			for c := range r.channels {
				*feature(c) = *at(r.values, c)
			}
		}
	}
}

// A reduction is of some channels over so many pixels from at on.
type reduction struct {
	*globalTask
	at, channels, pixels int
	values               []float32 // (channels, 16), features or their gradient
	acc                  []float64
}

func (r *reduction) mean(part []float32) {
	clear(r.acc)
	clear(part)
	u := r.x[r.at:]
	runSums(&sumArgs{acc: r.acc, part: part, u: u, x: u, coef: noCoefs[:], pixels: r.pixels, channels: r.channels, step: r.C * Lanes})
	for c := range r.channels {
		for l, v := range r.acc[c*2*Lanes:][:Lanes] {
			r.values[c*Lanes+l] = float32(v / float64(r.pixels))
		}
	}
}

// noCoefs leave values as they are.
var noCoefs [sumChannels * coefCount]float32

func (r *reduction) share() {
	times(r.values, r.values, 1/float32(r.pixels))
	for p := range r.pixels {
		copy(r.dx[r.at+p*r.C*Lanes:], r.values)
	}
}

// most is the maximum of a window that is all pixels, or its gradient.
func (r *reduction) most() {
	list := tapLists.get()
	defer tapLists.put(list)
	list.offsets = list.offsets[:0]
	for p := range r.pixels {
		list.offsets = append(list.offsets, p*r.C*Lanes)
	}
	a := poolArgs{x: r.x[r.at:], y: r.values, taps: list.offsets, channels: r.channels}
	if r.dx == nil {
		runMaxForward(&a)
		return
	}
	a.dx = r.dx[r.at:]
	for _, tap := range a.taps {
		clear(a.dx[tap:][:r.channels*Lanes])
	}
	runMaxBackward(&a)
}
