package kernel

// A NormPool is a batch norm, a ReLU if asked for, and a max pool, without the
// map between them: what the pool chooses is found by going over x, both ways.
// It chooses as Pool does from the normalised map: the first of equals, the
// last NaN if there is one.
type NormPool struct {
	Norm
	Kernel, Stride, Pad [2]int
	ReLU                bool
}

func (s NormPool) pool() Pool {
	return Pool{N: s.N, C: s.C, H: s.H, W: s.W, Kernel: s.Kernel, Stride: s.Stride, Pad: s.Pad}
}

// Pooled is the norm over the maps that Choose makes. Its Apply makes the pool's
// output of them, and its Sums the sums of the whole, from the gradient there.
func (s NormPool) Pooled() Norm {
	n := s.Norm
	n.H, n.W = s.pool().Out()
	return n
}

// Choose writes the value in x of what the pool chooses: (N,C,H',W').
func (s NormPool) Choose(chosen, x, stats, gamma, beta []float32) {
	k := s.coefs(func(g, c int) [coefCount]float32 { return s.evalCoefs(stats, gamma, beta, g, c) })
	s.run(normPoolTask{NormPool: s, x: x, y: chosen}, k)
}

// Data computes dx from the gradient dy of the pool's output and sums from
// Pooled().Sums. Padded lanes become zero.
func (s NormPool) Data(dx, x, stats, gamma, beta, sums, dy []float32) {
	k := s.coefs(func(g, c int) [coefCount]float32 { return s.dataCoefs(stats, gamma, beta, sums, g, c, s.count(g)) })
	s.run(normPoolTask{NormPool: s, x: x, y: dy, dx: dx}, k)
}

// DataEval is Data with the statistics held constant.
func (s NormPool) DataEval(dx, x, stats, gamma, beta, dy []float32) {
	k := s.coefs(func(g, c int) [coefCount]float32 { return s.evalCoefs(stats, gamma, beta, g, c) })
	s.run(normPoolTask{NormPool: s, x: x, y: dy, dx: dx, flat: true}, k)
}

// bandRows is how many rows of dx a work item of the gradient owns. Windows over
// two bands are searched for both.
const bandRows = 16

func (s NormPool) run(t normPoolTask, k *coefTable) {
	t.p = poolTask{Pool: s.pool(), x: t.x, y: t.y, dx: t.dx}
	t.p.prepare()
	t.k = k
	t.items = ceil(t.p.oh, t.p.step())
	if t.dx != nil {
		t.items = ceil(t.p.H, bandRows)
	}
	share(&normPoolTasks, Blocks(s.N)*t.items, t)
	coefTables.put(k)
}

type normPoolTask struct {
	NormPool
	x, y, dx []float32 // y: what is chosen, or the gradient there
	k        *coefTable
	flat     bool     // no gradient through the statistics
	p        poolTask // for its windows
	items    int      // of a block
}

var normPoolTasks stash[normPoolTask]

func (t *normPoolTask) Do(item int) {
	list := tapLists.get()
	defer tapLists.put(list)
	b, i := item/t.items, item%t.items
	a := chooseArgs{x: t.x[b*t.pixels()*t.C*Lanes:], channels: t.C, mask: t.mask(b), gated: t.ReLU, ahead: t.p.Stride[1] * t.C * Lanes}
	if t.p.ow == 1 {
		a.ahead = t.p.Stride[0] * t.p.W * t.C * Lanes
	}
	a.coef, a.lanes = t.k.of(t.Norm, b, 0)
	if t.dx != nil {
		a.dx = t.dx[b*t.pixels()*t.C*Lanes:]
		t.band(&a, list, b, i*bandRows, min(t.p.H, (i+1)*bandRows))
		return
	}
	for w := i * t.p.step() * t.p.ow; w < min(t.p.oh, (i+1)*t.p.step())*t.p.ow; w++ {
		a.y = t.y[(b*t.p.oh*t.p.ow+w)*t.C*Lanes:]
		a.taps = list.fill(&t.p, w/t.p.ow, w%t.p.ow, 0)
		runChoose(&a)
	}
}

// band makes rows r0 … r1-1 of dx, those of block b. A row begins with its share
// of the statistics' gradient; then each window gives to what it chose.
func (t *normPoolTask) band(a *chooseArgs, list *tapList, b, r0, r1 int) {
	ready := r0
	first := max(0, r0+t.p.Pad[0]-t.p.Kernel[0]+t.p.Stride[0]) / t.p.Stride[0] // whose window reaches below row r0
	for i := first; i < t.p.oh; i++ {
		h0, h1, _, _ := t.p.window(i, 0)
		if h1 <= r0 {
			continue
		}
		if h0 >= r1 {
			break
		}
		t.begin(a, ready, min(h1, r1))
		ready = min(h1, r1)
		for j := range t.p.ow {
			_, _, left, right := t.p.window(i, j)
			a.taps = list.fill(&t.p, i, j, 0)
			a.from, a.to = max(0, r0-h0)*(right-left), (min(h1, r1)-h0)*(right-left)
			a.y = t.y[((b*t.p.oh+i)*t.p.ow+j)*t.C*Lanes:]
			runGive(a)
		}
	}
	t.begin(a, ready, r1)
}

// begin writes rows r0 … r1-1, if there are any.
func (t *normPoolTask) begin(a *chooseArgs, r0, r1 int) {
	if r0 >= r1 {
		return
	}
	from, to := r0*t.p.W*t.C*Lanes, r1*t.p.W*t.C*Lanes
	if t.flat {
		clear(a.dx[from:to])
		return
	}
	runAffine(&affineArgs{y: a.dx[from:to], x: a.x[from:to], coef: a.coef, lanes: a.lanes, mask: a.mask, pixels: (r1 - r0) * t.p.W, channels: t.C})
}

// chooseArgs is the argument of the routines that look for the largest
//
//	t = (x - k0)·k2 + k4
//
// of one window, channel by channel: a t wins if it is larger than the best so
// far, or NaN.
type chooseArgs struct {
	x, dx    []float32
	y        []float32 // where to write x of the winner; or the gradient, with dx
	taps     []int     // offsets into x and dx, in float32s
	coef     []float32 // (channels, 5), or (channels, 5, 16)
	channels int
	from, to int // the taps that may be given to
	mask     [Lanes]uint32
	ahead    int  // float32s to the next window, which is fetched meanwhile, without dx
	lanes    bool // each lane has its coefficients
	gated    bool // nothing is given where the winning t ≤ 0
}

// chooseTwin: y = x of the winner.
func chooseTwin(a *chooseArgs) {
	for c := range a.channels {
		_, tap := a.winners(c)
		y := at(a.y, c)
		for l, i := range tap {
			y[l] = at(a.x[a.taps[i]:], c)[l]
		}
	}
}

// giveTwin: dx of the winner += k2·y, in lanes whose mask is not 0.
func giveTwin(a *chooseArgs) {
	for c := range a.channels {
		best, tap := a.winners(c)
		scale := coef(a.coef, a.lanes, c, 2)
		for l, dy := range at(a.y, c) {
			if a.gated && best[l] <= 0 || a.mask[l] == 0 {
				dy = 0
			}
			if i := tap[l]; i >= a.from && i < a.to {
				at(a.dx[a.taps[i]:], c)[l] += scale[l] * dy
			}
		}
	}
}

func (a *chooseArgs) winners(c int) (best lane, tap [Lanes]int) {
	center, scale, shift := coef(a.coef, a.lanes, c, 0), coef(a.coef, a.lanes, c, 2), coef(a.coef, a.lanes, c, 4)
	for i, offset := range a.taps {
		for l, x := range at(a.x[offset:], c) {
			if t := (x-center[l])*scale[l] + shift[l]; i == 0 || t > best[l] || t != t {
				best[l], tap[l] = t, i
			}
		}
	}
	return best, tap
}
