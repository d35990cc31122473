package kernel

// A winoWeights is the weight gradient by minimal filtering: x and dy become
// points, each point is a product over tiles and examples, and its sums become
// gradients of the nine taps. It is the adjoint of the forward pass.
//
// While the sums of all points are small, runs of blocks make sums of their
// own, in the cache; else all tiles, or as many as fit, pass each stage before the
// next begins, and an item of the second owns its sums.
type winoWeights struct {
	*winograd             // of the forward pass, for its places
	gather    *weightPlan // that brings sums into PyTorch's layout
	parts     int         // runs of blocks; 0 is phased
	chunk     int         // tiles whose points are held at once
	vs, ps    int         // float32s from point to point of x and of dy
	sums      int         // and of their sums
}

const (
	winoOwned    = 1 << 15 // sums of a point, above which items own them
	winoParts    = 16      // at most
	winoGradTile = 4       // tiles whose points stay in the second-level cache
)

func newWinoWeights(p *winograd, s ConvShape) *winoWeights {
	w := &winoWeights{winograd: p, sums: p.inner*p.outer + Lanes}
	w.chunk = min(p.blocks*p.tiles, p.fitting(p.inner+p.outer))
	if p.inner*p.outer < winoOwned {
		w.parts, w.chunk = min(p.blocks, winoParts), min(p.tiles, winoGradTile)
	}
	w.vs, w.ps = w.chunk*p.inner*Lanes+Lanes, w.chunk*p.outer*Lanes+Lanes
	w.gather = &weightPlan{ConvShape: s, order: []int{0, 1, 2, 3, 4, 5, 6, 7, 8}}
	return w
}

// tapSums is the number of float32s of the gradient, nine taps of all weights.
func (p *winoWeights) tapSums() int { return 9 * p.inner * p.outer }

func (p *winoWeights) scratch() int {
	if p.parts > 0 {
		return p.parts * p.tapSums()
	}
	return p.points() * (p.vs + p.ps + p.sums)
}

func (p *winoWeights) run(dw, x, dy, scratch []float32) {
	t := winoGradTask{winoWeights: p, dw: dw, x: x, dy: dy}
	ends := p.outer / 16 * packSplit // items that end in dw
	if p.parts > 0 {
		t.taps = scratch[:p.parts*p.tapSums()]
		share(&winoGradTasks, p.parts, t)
		t.stage = winoTaps
		share(&winoGradTasks, ends, t)
		return
	}
	t.v, scratch = scratch[:p.points()*p.vs], scratch[p.points()*p.vs:]
	t.p, scratch = scratch[:p.points()*p.ps], scratch[p.points()*p.ps:]
	t.u = scratch[:p.points()*p.sums]
	for t.first = 0; t.first < p.blocks*p.tiles; t.first += p.chunk {
		t.n = min(p.chunk, p.blocks*p.tiles-t.first)
		t.stage = winoInputs
		share(&winoGradTasks, t.n, t)
		t.stage = winoProducts
		share(&winoGradTasks, p.points()*ceil(p.outer/16, 2), t)
	}
	t.stage = winoOutputs
	share(&winoGradTasks, ends, t)
}

// winoTaps is the stage that adds the parts' taps.
const winoTaps = winoOutputs + 1

type winoGradTask struct {
	*winoWeights
	stage     int
	dw, x, dy []float32
	taps      []float32 // (parts, ⌈Co/16⌉, 9, Ci, 16), unless phased
	v, p, u   []float32 // points of x, of dy, and sums, if phased
	first, n  int       // tiles whose points are made, if phased
}

var winoGradTasks stash[winoGradTask]

func (t *winoGradTask) Do(item int) {
	w := winoItems.get()
	defer winoItems.put(w)
	w.grow(0, 0)
	m, part := item/packSplit, item%packSplit // of an item that ends in dw
	from, to := part*t.inner/packSplit, (part+1)*t.inner/packSplit
	switch t.stage {
	case winoInputs:
		w.grow(mostPoints*t.outer*Lanes, 0)
		tile := t.first + item
		t.factors(w, t.v, t.p, w.data, tile/t.tiles, tile%t.tiles, item)
	case winoProducts:
		pairs := ceil(t.outer/16, 2)
		t.product(t.u, t.v, t.p, item/pairs, item%pairs*2, t.n, t.first > 0)
	case winoOutputs:
		w.grow(9*(to-from)*Lanes, 0)
		t.toTaps(w, w.data, to-from, t.u, m, from, to-from)
		t.gather.gather(t.dw, w.data, m, rectangle{c: from, channels: to - from}, 0, to-from)
	case winoTaps:
		for k := 1; k < t.parts; k++ {
			for tap := range 9 {
				sum := t.taps[((m*9+tap)*t.inner+from)*Lanes:][:(to-from)*Lanes]
				runPoint(&pointArgs{op: opAdd, dst: sum, a: sum, b: t.taps[k*t.tapSums()+((m*9+tap)*t.inner+from)*Lanes:][:len(sum)]})
			}
		}
		t.gather.gather(t.dw, t.taps[m*9*t.inner*Lanes:], m, rectangle{channels: t.inner}, from, to)
	default:
		t.part(w, item)
	}
}

// part sums a run of blocks.
func (t *winoGradTask) part(w *winoItem, i int) {
	turned := mostPoints * t.outer * Lanes
	nv, np, nu := t.points()*t.vs, t.points()*t.ps, t.points()*t.sums
	w.grow(turned+nv+np+nu, 0)
	v, p, u := w.data[turned:][:nv], w.data[turned+nv:][:np], w.data[turned+nv+np:][:nu]
	first := i * t.blocks / t.parts
	for b := first; b < (i+1)*t.blocks/t.parts; b++ {
		for tile := 0; tile < t.tiles; tile += t.chunk {
			n := min(t.chunk, t.tiles-tile)
			for k := range n {
				t.factors(w, v, p, w.data, b, tile+k, k)
			}
			for point := range t.points() {
				for m := 0; m < t.outer/16; m += 2 {
					t.product(u, v, p, point, m, n, b > first || tile > 0)
				}
			}
		}
	}
	for m := range t.outer / 16 {
		t.toTaps(w, t.taps[i*t.tapSums()+m*9*t.inner*Lanes:], t.inner, u, m, 0, t.inner)
	}
}

// factors makes the points of a tile of x and dy, the i-th of v and p.
func (t *winoGradTask) factors(w *winoItem, v, p, turned []float32, block, tile, i int) {
	a := &w.args
	a.src, a.dst = t.x[block*t.inBlock:], v[i*t.inner*Lanes:]
	a.plane, a.step, a.n, a.places = t.vs, Lanes, t.inner, t.inPlaces[tile]
	runTransform(t.filter, toInput, a, nil)

	a.places = t.outPlaces[tile]
	for k, at := range a.places[:t.filter.v.outputs()*t.filter.h.outputs()] {
		if at == nowhere {
			continue
		}
		transpose16(turned[k*t.outer*Lanes:], t.dy[block*t.outBlock+at:], Lanes, 256, t.outer/16)
		a.places[k] = k * t.outer * Lanes
	}
	a.src, a.dst = turned, p[i*t.outer*Lanes:]
	a.plane, a.n = t.ps, t.outer
	runTransform(t.filter, toOutputGrad, a, nil)
}

// product sums one point of n tiles for 32 channels of dy from 16m on, or the
// last 16.
func (t *winoGradTask) product(u, v, p []float32, point, m, n int, add bool) {
	segs := [1]seg{{}}
	g := tile{segs: segs[:], outer: min(2, t.outer/16-m), aStep: t.inner * Lanes, bStep: t.outer * Lanes, cStep: t.inner * Lanes}
	const most = winoSum / Lanes
	cuts := ceil(t.inner, maxRowsT)
	for first := 0; first < n; first += most {
		segs[0].n = min(most, n-first)
		g.acc = add || first > 0
		g.b = p[point*t.ps+first*g.bStep+m*256:]
		for q := range cuts {
			c0, c1 := q*t.inner/cuts, (q+1)*t.inner/cuts
			g.a, g.rows = v[point*t.vs+first*g.aStep+c0*Lanes:], c1-c0
			g.c = u[point*t.sums+(m*t.inner+c0)*Lanes:]
			g.ahead = &g.c[0]
			runTileT(&g)
		}
	}
}

// toTaps makes the nine taps, of width vectors each, of sixteen channels of dy
// and n channels of x from c on.
func (t *winoGradTask) toTaps(w *winoItem, taps []float32, width int, u []float32, m, c, n int) {
	a := &w.args
	a.src, a.dst = u[(m*t.inner+c)*Lanes:], taps
	a.plane, a.step, a.n, a.places = t.sums, Lanes, n, t.winograd.taps(width)
	runTransform(t.filter, toWeightsGrad, a, nil)
}
