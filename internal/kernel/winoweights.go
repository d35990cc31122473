package kernel

// A winoWeights is the weight gradient by minimal filtering: x and dy become
// points, each point is a product over tiles and examples, and its sums become
// gradients of the nine taps. It is the adjoint of the forward pass.
//
// While the sums of all points are small, runs of blocks make sums of their
// own; else all tiles pass each stage before the next begins, and each item of
// the second owns its sums.
type winoWeights struct {
	*winograd // of the forward pass, for its places
	gather    *weightPlan
	parts     int // runs of blocks; 0 is phased
	chunk     int // tiles whose points are held at once
	vs, ps    int // float32s from point to point of x and of dy
	sums      int // of the sums
}

const (
	winoOwned    = 1 << 15 // sums of a point, above which items own them
	winoParts    = 16      // at most
	winoGradTile = 4       // tiles whose points stay in the second-level cache
)

func newWinoWeights(p *winograd, s ConvShape) *winoWeights {
	w := &winoWeights{winograd: p, sums: p.inner*p.outer + Lanes}
	w.chunk = p.blocks * p.tiles
	if p.inner*p.outer < winoOwned {
		w.parts, w.chunk = min(p.blocks, winoParts), min(p.tiles, winoGradTile)
	}
	w.vs, w.ps = w.chunk*p.inner*Lanes+Lanes, w.chunk*p.outer*Lanes+Lanes
	w.gather = &weightPlan{ConvShape: s, tiles: p.outer / 16, parts: max(1, w.parts)}
	return w
}

func (p *winoWeights) scratch() int {
	gathered := p.gather.parts * 9 * p.inner * p.outer
	if p.parts > 0 {
		return gathered
	}
	return gathered + p.points()*(p.vs+p.ps+p.sums)
}

func (p *winoWeights) run(dw, x, dy, scratch []float32) {
	t := winoGradTask{winoWeights: p, x: x, dy: dy}
	t.out, scratch = scratch[:p.gather.parts*9*p.inner*p.outer], scratch[p.gather.parts*9*p.inner*p.outer:]
	if p.parts > 0 {
		share(&winoGradTasks, p.parts, t)
	} else {
		t.v, scratch = scratch[:p.points()*p.vs], scratch[p.points()*p.vs:]
		t.p, scratch = scratch[:p.points()*p.ps], scratch[p.points()*p.ps:]
		t.u = scratch[:p.points()*p.sums]
		for t.stage = winoInputs; t.stage <= winoOutputs; t.stage++ {
			share(&winoGradTasks, []int{winoInputs: p.chunk, winoProducts: p.points() * p.outer / 16, winoOutputs: p.outer / 16 * packSplit}[t.stage], t)
		}
	}
	share(&gatherTasks, p.gather.tiles*packSplit, gatherTask{weightPlan: p.gather, dw: dw, sums: t.out})
}

type winoGradTask struct {
	*winoWeights
	stage   int
	x, dy   []float32
	out     []float32 // (parts, ⌈Co/16⌉, 9, Ci, 16)
	v, p, u []float32 // points of x, of dy, and sums, if phased
}

var winoGradTasks stash[winoGradTask]

func (t *winoGradTask) Do(item int) {
	w := winoItems.get()
	defer winoItems.put(w)
	tiles := t.outer / 16
	switch t.stage {
	case winoInputs:
		w.grow(mostPoints*t.outer*Lanes, 0)
		t.factors(w, t.v, t.p, w.data, item, 0, item)
		return
	case winoProducts:
		t.product(t.u, t.v, t.p, item/tiles, item%tiles, t.chunk, false)
		return
	case winoOutputs:
		w.grow(0, 0)
		m, part := item/packSplit, item%packSplit
		t.taps9(w, t.out, t.u, m, part*t.inner/packSplit, (part+1)*t.inner/packSplit)
		return
	}
	turned := mostPoints * t.outer * Lanes
	nv, np, nu := t.points()*t.vs, t.points()*t.ps, t.points()*t.sums
	w.grow(turned+nv+np+nu, 0)
	v, p, u := w.data[turned:][:nv], w.data[turned+nv:][:np], w.data[turned+nv+np:][:nu]
	for b := item * t.blocks / t.parts; b < (item+1)*t.blocks/t.parts; b++ {
		for first := 0; first < t.tiles; first += t.chunk {
			n := min(t.chunk, t.tiles-first)
			for i := range n {
				t.factors(w, v, p, w.data, first+i, b, i)
			}
			add := first > 0 || b > item*t.blocks/t.parts
			for point := range t.points() {
				for m := range tiles {
					t.product(u, v, p, point, m, n, add)
				}
			}
		}
	}
	for m := range tiles {
		t.taps9(w, t.out[item*9*t.inner*t.outer:], u, m, 0, t.inner)
	}
}

// factors makes the points of a tile of x and dy, the i-th of v and p.
func (t *winoGradTask) factors(w *winoItem, v, p, turned []float32, tile, block, i int) {
	block, tile = block+tile/t.tiles, tile%t.tiles
	a := &w.args
	a.src, a.dst = t.x[block*t.inBlock:], v[i*t.inner*Lanes:]
	a.plane, a.step, a.n, a.places = t.vs, Lanes, t.inner, t.inPlaces[tile]
	runTransform(t.filter, toInput, a, nil)

	pixels := t.filter.v.outputs() * t.filter.h.outputs()
	a.places = t.outPlaces[tile]
	for k, at := range a.places[:pixels] {
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

// product sums one point of n tiles for sixteen channels of dy.
func (t *winoGradTask) product(u, v, p []float32, point, m, n int, add bool) {
	segs := [1]seg{{n: n}}
	g := tile{segs: segs[:], aStep: t.inner * Lanes, bStep: t.outer * Lanes, rows: 16}
	most := max(1, runSteps/16)
	for first := 0; first < n; first += most {
		segs[0].n = min(most, n-first)
		g.acc = add || first > 0
		g.b = p[point*t.ps+first*g.bStep+m*256:]
		for q := range t.inner / 16 {
			g.a = v[point*t.vs+first*g.aStep+q*256:]
			g.c = u[point*t.sums+(m*t.inner+q*16)*Lanes:]
			runTileT(&g)
		}
	}
}

// taps9 makes the nine taps of sixteen channels of dy and from … to-1 of x.
func (t *winoGradTask) taps9(w *winoItem, out, u []float32, m, from, to int) {
	a := &w.args
	a.src, a.dst = u[(m*t.inner+from)*Lanes:], out[(m*9*t.inner+from)*Lanes:]
	a.plane, a.step, a.n, a.places = t.sums, Lanes, to-from, t.taps()
	runTransform(t.filter, toWeightsGrad, a, nil)
}
