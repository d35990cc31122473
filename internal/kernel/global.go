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

// Mean computes the mean over pixels, summed in float64.
func (g Global) Mean(y, x []float32) { g.run(globalTask{y: y, x: x}) }

// MeanGrad computes dx from dy: each pixel gets an equal share.
func (g Global) MeanGrad(dx, dy []float32) { g.run(globalTask{y: dy, dx: dx}) }

// Max computes the maximum over pixels; NaN wins.
func (g Global) Max(y, x []float32) { g.run(globalTask{y: y, x: x, max: true}) }

// MaxGrad computes dx from dy: the gradient goes to the maximum, the first of
// equals or of NaNs.
func (g Global) MaxGrad(dx, x, dy []float32) { g.run(globalTask{y: dy, x: x, dx: dx, max: true}) }

func (g Global) run(t globalTask) {
	b := Blocks(g.N) * Lanes
	check(len(t.y) >= b*g.Features(), "Global", "features too short")
	check(t.x == nil || len(t.x) >= b*g.C*g.H*g.W, "Global", "maps too short")
	check(t.dx == nil || len(t.dx) >= b*g.C*g.H*g.W, "Global", "gradient too short")
	t.Global = g
	t.cuts = (g.C + poolChannels - 1) / poolChannels
	share(&globalTasks, Blocks(g.N)*t.cuts, t)
}

type globalTask struct {
	Global
	y, x, dx []float32 // y: features or their gradient
	max      bool
	cuts     int
}

var globalTasks stash[globalTask]

func (t *globalTask) Do(item int) {
	b, c0 := item/t.cuts, item%t.cuts*poolChannels
	size := t.H * t.W * t.C * Lanes
	for c := c0; c < min(t.C, c0+poolChannels); c++ {
		y := t.y[b*t.Features()*Lanes:]
		if !t.KeepRows {
			t.reduce(b*size, 0, t.H*t.W, c, at(y, c))
			continue
		}
		for h := range t.H {
			t.reduce(b*size, h*t.W, t.W, c, at(y, c*t.H+h))
		}
	}
}

// reduce makes one feature from n pixels of channel c, or takes it back to them.
func (t *globalTask) reduce(off, first, n, c int, y *lane) {
	if !t.max && t.dx != nil {
		share := *y
		for l := range share {
			share[l] /= float32(n)
		}
		for p := first; p < first+n; p++ {
			*at(t.dx[off:], p*t.C+c) = share
		}
		return
	}
	x := t.x[off:]
	if !t.max {
		var sum [Lanes]float64
		for p := first; p < first+n; p++ {
			for l, v := range at(x, p*t.C+c) {
				sum[l] += float64(v)
			}
		}
		for l, v := range sum {
			y[l] = float32(v / float64(n))
		}
		return
	}
	m := *at(x, first*t.C+c)
	var best [Lanes]int
	for l := range best {
		best[l] = first
	}
	for p := first + 1; p < first+n; p++ {
		for l, v := range at(x, p*t.C+c) {
			if v > m[l] || v != v && m[l] == m[l] {
				m[l], best[l] = v, p
			}
		}
	}
	if t.dx == nil {
		*y = m
		return
	}
	for p := first; p < first+n; p++ {
		*at(t.dx[off:], p*t.C+c) = lane{}
	}
	for l, p := range best {
		t.dx[off+(p*t.C+c)*Lanes+l] = y[l]
	}
}
