package kernel

// A winograd is a 3×3 convolution of stride 1, or its data gradient, by minimal
// filtering: tiles of the map become points, each point is a matrix product
// over channels, points become tiles of the output.
type winograd struct {
	*filter
	turned              bool // the filter's columns are the map's rows
	inner, outer        int  // channels summed over, channels made
	blocks              int
	inBlock, outBlock   int // float32s of a block of 16 examples
	tiles               int // of a block
	inPlaces, outPlaces [][mostPoints]int
	outRuns             [][]pixelRun
	chunk               int  // tiles of a work item
	phased              bool // all tiles pass each stage before the next begins
	weightPlane, vs, ms int  // float32s from point to point: weights, inputs, outputs
}

const (
	// maxWinoChannels bounds the zeros that stand for pixels past the edge.
	maxWinoChannels = 4096
	// winoGain is how many times fewer products a filter must need, so that
	// its transforms pay.
	winoGain = 1.4
)

// filterFor chooses the filter with the fewest products for a convolution, by
// its shape alone and not by the number of examples, so that an example's
// result does not depend on the batch. It is nil where direct is better.
func filterFor(s ConvShape, oh, ow int) (best *filter, turned bool) {
	if s.Kernel != [2]int{3, 3} || s.Stride != [2]int{1, 1} || s.Dilation != [2]int{1, 1} || s.Pad[0] > 2 || s.Pad[1] > 2 ||
		s.Ci%16 != 0 || s.Co%16 != 0 || max(s.Ci, s.Co) > maxWinoChannels {
		return nil, false
	}
	least := float64(usefulTaps(s.H, oh, s.Pad[0])*usefulTaps(s.W, ow, s.Pad[1])) / winoGain
	for i := range filters {
		f := &filters[i]
		for _, swap := range []bool{false, true} {
			v, h := f.v, f.h
			if swap {
				v, h = h, v
			}
			if v.whole && !(oh == v.outputs() && s.H == oh && s.Pad[0] == 1) ||
				h.whole && !(ow == h.outputs() && s.W == ow && s.Pad[1] == 1) {
				continue
			}
			if p := float64(ceil(oh, v.outputs()) * ceil(ow, h.outputs()) * f.points()); p < least {
				least, best, turned = p, f, swap
			}
		}
	}
	return best, turned
}

func ceil(a, b int) int { return (a + b - 1) / b }

// usefulTaps counts the pairs of output and tap, along one side, that fall on
// the map.
func usefulTaps(size, out, pad int) int {
	n := 0
	for i := range out {
		for k := range 3 {
			if j := i + k - pad; j >= 0 && j < size {
				n++
			}
		}
	}
	return n
}

// newWinograd plans a pass from maps of h × w, padded by pad, of inner channels
// to oh × ow of outer ones.
func newWinograd(f *filter, turned bool, n, h, w, inner, oh, ow, outer int, pad [2]int) *winograd {
	p := &winograd{filter: f, turned: turned, inner: inner, outer: outer, blocks: Blocks(n),
		inBlock: h * w * inner * Lanes, outBlock: oh * ow * outer * Lanes}
	v, x := f.v, f.h
	if turned {
		v, x = x, v
	}
	for i := 0; i < oh; i += v.outputs() {
		for j := 0; j < ow; j += x.outputs() {
			p.inPlaces = append(p.inPlaces, p.places(v.inputs(), x.inputs(), i-pad[0]+v.skip(), j-pad[1]+x.skip(), h, w, inner))
			p.outPlaces = append(p.outPlaces, p.places(v.outputs(), x.outputs(), i, j, oh, ow, outer))
			p.outRuns = append(p.outRuns, pixelRuns(v.outputs(), x.outputs(), i, j, oh, ow, outer))
		}
	}
	p.tiles = len(p.inPlaces)
	all := p.blocks * p.tiles
	p.phased = (all < winoFew || inner*outer >= winoHeavy) && all <= p.fitting(inner+outer)
	p.chunk = min(all, winoChunk)
	if p.phased {
		p.chunk = all
	}
	p.weightPlane = outer*inner + Lanes
	p.vs = p.chunk*inner*Lanes + Lanes
	p.ms = p.chunk*outer*Lanes + Lanes
	if !p.phased {
		p.vs = max(p.vs, p.ms)
		p.ms = p.vs
	}
	return p
}

const (
	winoChunk = 4        // tiles of 16 examples whose points stay in the second-level cache
	winoFew   = 32       // tiles that are too few to be shared out in chunks
	winoHeavy = 1 << 16  // weights of a point that are better read once than for each chunk
	winoBytes = 64 << 20 // of the points of all tiles, at most
	// winoSum is how many products of a point are summed up before the sum is
	// added to the others: it bounds the rounding, which points enlarge.
	winoSum = 256
)

// fitting is the number of tiles of so many channels whose points take no more
// than winoBytes.
func (f *filter) fitting(channels int) int { return max(1, winoBytes/(4*f.points()*channels*Lanes)) }

// skip is 1 where the first input of a tile is not the zero before its pixels.
func (a *axis) skip() int {
	if a.whole {
		return 1
	}
	return 0
}

// places lists a grid of pixels from (i, j) on in a map of h × w with c channels.
func (p *winograd) places(rows, columns, i, j, h, w, c int) (places [mostPoints]int) {
	for r := range rows {
		for q := range columns {
			k := r*columns + q
			if p.turned {
				k = q*rows + r
			}
			places[k] = nowhere
			if y, x := i+r, j+q; y >= 0 && y < h && x >= 0 && x < w {
				places[k] = (y*w + x) * c * Lanes
			}
		}
	}
	return places
}

// taps are the places of the nine taps of weights, width vectors each.
func (p *winograd) taps(width int) (places [mostPoints]int) {
	for r := range 3 {
		for q := range 3 {
			k := r*3 + q
			if p.turned {
				k = q*3 + r
			}
			places[k] = (r*3 + q) * width * Lanes
		}
	}
	return places
}

// weights is the number of float32s of the weights as points.
func (p *winograd) weights() int { return p.points() * p.weightPlane }

// scratch is the number of float32s that run needs.
func (p *winograd) scratch() int {
	if !p.phased {
		return 0
	}
	return p.points() * (p.vs + p.ms)
}

// pack turns weights (Co,Ci,3,3) into points (points, ⌈outer/16⌉, inner, 16).
func (p *winograd) pack(packed, w []float32, s ConvShape, flip bool) {
	share(&winoPackTasks, p.outer/16*packSplit, winoPackTask{winograd: p, packed: packed,
		task: packTask{w: w, co: s.Co, ci: s.Ci, taps: 9, flip: flip}})
}

type winoPackTask struct {
	*winograd
	packed []float32
	task   packTask
}

var winoPackTasks stash[winoPackTask]

func (t *winoPackTask) Do(item int) {
	m, part := item/packSplit, item%packSplit
	from, to := part*t.inner/packSplit, (part+1)*t.inner/packSplit
	w := winoItems.get()
	defer winoItems.put(w)
	w.grow(9*t.inner*Lanes, 0)
	t.task.panel(w.data, m, from, to)
	a := &w.args
	a.src, a.dst = w.data[from*Lanes:], t.packed[(m*t.inner+from)*Lanes:]
	a.plane, a.step, a.n, a.places = t.weightPlane, Lanes, to-from, t.taps(t.inner)
	runTransform(t.filter, toWeights, a, nil)
}

// A winoItem is what a worker needs for an item.
type winoItem struct {
	args transformArgs
	data []float32 // points and the like
	dump []float32 // for pixels past the edge
}

var winoItems stash[winoItem]

func (w *winoItem) grow(n, dump int) {
	if len(w.data) < n {
		w.data = make([]float32, n)
	}
	if len(w.dump) < dump {
		w.dump = make([]float32, dump)
	}
	if w.args.scratch == nil {
		w.args.scratch = make([]float32, winoMiddle) // large, and so at a multiple of 64 bytes
	}
}

// run computes out from in and weights as points.
func (p *winograd) run(out, in, packed, scratch []float32, tail *tail) {
	t := winoTask{winograd: p, out: out, in: in, packed: packed, tail: tail}
	all := p.blocks * p.tiles
	if !p.phased {
		share(&winoTasks, ceil(all, p.chunk), t)
		return
	}
	t.v, t.m = scratch[:p.points()*p.vs], scratch[p.points()*p.vs:p.scratch()]
	for t.stage = winoInputs; t.stage <= winoOutputs; t.stage++ {
		items := all
		if t.stage == winoProducts {
			items = p.points() * p.runs()
		}
		share(&winoTasks, items, t)
	}
}

// runs is how many items share a point's products: as few as leave enough
// items, for then the weights, which may come from main memory, are read in
// long runs.
func (p *winograd) runs() int { return min(p.outer/16, ceil(wantItems, p.points())) }

// The stages of a phased pass.
const (
	winoAll = iota
	winoInputs
	winoProducts
	winoOutputs
)

type winoTask struct {
	*winograd
	stage           int
	out, in, packed []float32
	v, m            []float32 // points of inputs and outputs, of all tiles
	tail            *tail
}

var winoTasks stash[winoTask]

func (t *winoTask) Do(item int) {
	if t.stage == winoProducts {
		point, i, runs := item/t.runs(), item%t.runs(), t.runs()
		t.products(t.m, t.v, point, i*t.outer/16/runs, (i+1)*t.outer/16/runs, t.chunk)
		return
	}
	w := winoItems.get()
	defer winoItems.put(w)
	w.grow(0, t.outer*Lanes)
	switch t.stage {
	case winoInputs:
		t.input(w, t.v, item, item)
		return
	case winoOutputs:
		t.output(w, t.m, item, item)
		return
	}
	// A point's products go where the point before it lay, which is done with:
	// so all stays in the cache.
	w.grow((t.points()+1)*t.vs, 0)
	v, m := w.data[t.vs:], w.data
	first, n := item*t.chunk, min(t.chunk, t.blocks*t.tiles-item*t.chunk)
	for i := range n {
		t.input(w, v, first+i, i)
	}
	for point := range t.points() {
		t.products(m, v, point, 0, t.outer/16, n)
	}
	for i := range n {
		t.output(w, m, first+i, i)
	}
}

// input makes the points of a tile, the i-th of v.
func (t *winoTask) input(w *winoItem, v []float32, tile, i int) {
	a := &w.args
	a.src, a.dst = t.in[tile/t.tiles*t.inBlock:], v[i*t.inner*Lanes:]
	a.plane, a.step, a.n, a.places = t.vs, Lanes, t.inner, t.inPlaces[tile%t.tiles]
	runTransform(t.filter, toInput, a, nil)
}

// products makes channels 16·from … 16·to-1 of one point of n tiles.
func (t *winoTask) products(m, v []float32, point, from, to, n int) {
	segs := [1]seg{}
	g := tile{segs: segs[:], rows: 16, bStep: t.inner * Lanes, cStep: t.outer * Lanes}
	cuts := ceil(t.inner, winoSum)
	most := runSteps * cuts / t.inner
	for q := from; q < to; q++ {
		for k := range cuts {
			c0, c1 := k*t.inner/cuts, (k+1)*t.inner/cuts
			segs[0].n, g.acc = c1-c0, k > 0
			g.a = t.packed[point*t.weightPlane+(q*t.inner+c0)*Lanes:]
			g.ahead = nil
			if next := point*t.weightPlane + (q*t.inner+c1)*Lanes; next+(c1-c0+2)*Lanes < len(t.packed) {
				g.ahead = &t.packed[next]
			}
			for i := 0; i < n; i += most {
				g.outer = min(most, n-i)
				g.aheadStep = max(1, 8*Lanes/g.outer) // all that comes next is fetched in each call
				g.b, g.c = v[point*t.vs+i*g.bStep+c0*Lanes:], m[point*t.ms+i*g.cStep+q*256:]
				runTile(&g)
			}
		}
	}
}

// output makes the pixels of a tile from its points, the i-th of m.
func (t *winoTask) output(w *winoItem, m []float32, tile, i int) {
	a := &w.args
	a.src, a.dst = m[i*t.outer*Lanes:], t.out[tile/t.tiles*t.outBlock:]
	a.plane, a.step, a.n, a.places = t.ms, Lanes, t.outer, t.outPlaces[tile%t.tiles]
	runTransform(t.filter, toOutput, a, w.dump)
	if t.tail == nil {
		return
	}
	b := tile / t.tiles
	for _, r := range t.outRuns[tile%t.tiles] {
		t.tail.run(t.out, b, b*t.outBlock+r.at, r.n, 0, t.outer)
	}
}

// A pixelRun is n pixels of a tile that lie one after the other.
type pixelRun struct{ at, n int }

// pixelRuns are those of the output tile of rows × columns from (i, j) on.
func pixelRuns(rows, columns, i, j, h, w, c int) (runs []pixelRun) {
	for y := i; y < min(i+rows, h); y++ {
		runs = append(runs, pixelRun{(y*w + j) * c * Lanes, min(columns, w-j)})
	}
	return runs
}
