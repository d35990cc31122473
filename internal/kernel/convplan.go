package kernel

// A plan is a convolution, or its data gradient, as a list of tile products:
// for each run of output pixels that see the same taps, the taps' places in
// the weights and in the input.
type plan struct {
	rows               [][]run // lines of the output: its rows, or pieces of its only one
	inStep, outStep    int     // from one pixel of a run to the next, in float32s
	inBlock, outBlock  int     // float32s of a block of 16 examples
	taps, inner, outer int     // kernel taps; channels summed over; channels made
	blocks             int     // of 16 examples
	rowsPerItem        int     // lines of one work item, if a work item is lines
	small              bool    // a work item is one tile of some whole maps instead
	short              bool    // no run has more than two pixels
}

// A run is n pixels with the same taps. Without segs nothing reaches them:
// they are zero.
type run struct {
	out, n int
	segs   []seg
}

const (
	// runSteps bounds n·k of one call of the tile product, because assembly
	// cannot be preempted: about 50 µs.
	runSteps = 1 << 14
	// itemBytes is how much input a work item should hold in the second-level
	// cache while it walks over the output channels.
	itemBytes = 400 << 10
	// linePixels is how many pixels of a map of one row, such as a sound's, are
	// dealt with as if they were a row: else its rows would fit no cache, and be
	// too few to share out.
	linePixels = 64
	// smallMap is the number of pixels up to which the weights of a layer
	// outweigh its maps; then a work item keeps one tile's weights instead.
	smallMap = 32
	// smallBytes is how much input and weights such an item should hold in the
	// second-level cache.
	smallBytes = 720 << 10
)

// lineOf is the pixels of a line of maps of h rows of w.
func lineOf(h, w int) int {
	if h == 1 {
		return min(w, linePixels)
	}
	return w
}

func (p *plan) tiles() int   { return (p.outer + 15) / 16 }
func (p *plan) panel() int   { return p.taps * p.inner * Lanes } // packed weights of one tile
func (p *plan) weights() int { return p.tiles() * p.panel() }

// forwardPlan: y[i,j] = Σ w[kh,kw] · x[i·S - P + kh·D, j·S - P + kw·D].
func forwardPlan(s ConvShape, oh, ow int) *plan {
	p := &plan{
		inStep: s.Stride[1] * s.Ci * Lanes, outStep: s.Co * Lanes,
		inBlock: s.H * s.W * s.Ci * Lanes, outBlock: oh * ow * s.Co * Lanes,
		taps: s.Kernel[0] * s.Kernel[1], inner: s.Ci, outer: s.Co, blocks: Blocks(s.N),
	}
	line := lineOf(oh, ow)
	for i := range oh {
		var rs []run
		for j := range ow {
			if j > 0 && j%line == 0 {
				p.rows, rs = append(p.rows, rs), nil
			}
			var segs []seg
			for kh := range s.Kernel[0] {
				ih := i*s.Stride[0] - s.Pad[0] + kh*s.Dilation[0]
				if ih < 0 || ih >= s.H {
					continue
				}
				for kw := range s.Kernel[1] {
					iw := j*s.Stride[1] - s.Pad[1] + kw*s.Dilation[1]
					if iw < 0 || iw >= s.W {
						continue
					}
					segs = appendSeg(segs, seg{
						a: (kh*s.Kernel[1] + kw) * s.Ci * Lanes,
						b: (ih*s.W + iw) * s.Ci * Lanes,
						n: s.Ci,
					})
				}
			}
			rs = p.appendRun(rs, (i*ow+j)*s.Co*Lanes, segs)
		}
		p.rows = append(p.rows, rs)
	}
	p.cut(s.Kernel[0], lineOf(s.H, s.W)*s.Ci*s.Stride[0], oh*ow)
	return p
}

// dataPlan: dx[i,j] = Σ w[kh,kw] · dy[(i + P - kh·D) / S, (j + P - kw·D) / S]
// over the taps for which the division leaves no rest. Columns with the same
// rest see the same taps and so make runs. Taps go backwards, so that
// neighbours in dy are neighbours in the packed weights too.
func dataPlan(s ConvShape, oh, ow int) *plan {
	p := &plan{
		inStep: s.Co * Lanes, outStep: s.Stride[1] * s.Ci * Lanes,
		inBlock: oh * ow * s.Co * Lanes, outBlock: s.H * s.W * s.Ci * Lanes,
		taps: s.Kernel[0] * s.Kernel[1], inner: s.Co, outer: s.Ci, blocks: Blocks(s.N),
	}
	line := lineOf(s.H, s.W)
	for k := range s.H * ceil(s.W, line) {
		i, j0 := k/ceil(s.W, line), k%ceil(s.W, line)*line
		j1 := min(s.W, j0+line)
		var all []run
		for rest := range min(s.Stride[1], j1-j0) {
			var rs []run
			for j := j0 + rest; j < j1; j += s.Stride[1] {
				var segs []seg
				for kh := s.Kernel[0] - 1; kh >= 0; kh-- {
					a := i + s.Pad[0] - kh*s.Dilation[0]
					if a < 0 || a%s.Stride[0] != 0 || a/s.Stride[0] >= oh {
						continue
					}
					for kw := s.Kernel[1] - 1; kw >= 0; kw-- {
						b := j + s.Pad[1] - kw*s.Dilation[1]
						if b < 0 || b%s.Stride[1] != 0 || b/s.Stride[1] >= ow {
							continue
						}
						segs = appendSeg(segs, seg{
							a: (p.taps - 1 - kh*s.Kernel[1] - kw) * s.Co * Lanes,
							b: (a/s.Stride[0]*ow + b/s.Stride[1]) * s.Co * Lanes,
							n: s.Co,
						})
					}
				}
				rs = p.appendRun(rs, (i*s.W+j)*s.Ci*Lanes, segs)
			}
			all = append(all, rs...)
		}
		p.rows = append(p.rows, all)
	}
	p.cut(s.Kernel[0], lineOf(oh, ow)*s.Co/s.Stride[0], s.H*s.W)
	return p
}

// appendSeg adds a tap; taps whose factors both continue the last one's join it.
func appendSeg(segs []seg, s seg) []seg {
	if k := len(segs) - 1; k >= 0 && segs[k].a+segs[k].n*Lanes == s.a && segs[k].b+segs[k].n*Lanes == s.b {
		segs[k].n += s.n
		return segs
	}
	return append(segs, s)
}

// appendRun adds a pixel; one that continues the last run joins it.
func (p *plan) appendRun(rs []run, out int, segs []seg) []run {
	if k := len(rs) - 1; k >= 0 && len(rs[k].segs) == len(segs) {
		r := &rs[k]
		same, steps := true, 0
		for i, s := range segs {
			t := r.segs[i]
			same = same && t.a == s.a && t.n == s.n && t.b+r.n*p.inStep == s.b
			steps += s.n
		}
		if same && (r.n+1)*steps <= runSteps {
			r.n++
			return rs
		}
	}
	return append(rs, run{out: out, n: 1, segs: segs})
}

// cut decides what a work item is. It changes no result: every output pixel is
// one sum, whoever computes it.
func (p *plan) cut(kernelRows, inRow, pixels int) {
	p.small, p.short = pixels <= smallMap, true
	for _, row := range p.rows {
		for _, r := range row {
			p.short = p.short && r.n <= 2
		}
	}
	p.rowsPerItem = min(4, max(1, itemBytes/max(1, inRow*Lanes*4)-kernelRows+1))
}

func (p *plan) scratch() int { return 0 }

// pack brings weights (Co,Ci,KH,KW) into the tiles' left factors: (⌈outer/16⌉,
// taps, inner, 16), with flip for the data gradient, taps backwards.
func (p *plan) pack(packed, w []float32, s ConvShape, flip bool) {
	share(&packTasks, p.tiles()*packSplit, packTask{packed: packed, w: w, co: s.Co, ci: s.Ci, taps: p.taps, flip: flip})
}

// run computes out from in and packed weights. The sum of each output runs over
// taps, then channels, in float32.
func (p *plan) run(out, in, packed, _ []float32, tail *tail) {
	t := planTask{plan: p, out: out, in: in, packed: packed, tail: tail}
	items := p.blocks * ((len(p.rows) + p.rowsPerItem - 1) / p.rowsPerItem)
	if p.small {
		// Short runs leave the weights' loads to be shared by blocks: as many as
		// fit the cache beside the weights and leave enough items.
		t.group = 1
		for g := 2; p.short && g < 2*p.blocks && (p.panel()+g*p.inBlock)*4 <= smallBytes && (p.blocks+g-1)/g*p.tiles() >= wantItems; g *= 2 {
			t.group = g
		}
		items = (p.blocks + t.group - 1) / t.group * p.tiles()
	}
	share(&planTasks, items, t)
}

type planTask struct {
	*plan
	out, in, packed []float32
	tail            *tail
	group           int // blocks of an item, if small
}

var planTasks stash[planTask]

func (t *planTask) Do(item int) {
	if t.small {
		groups := (t.blocks + t.group - 1) / t.group
		m, b := item/groups, item%groups*t.group
		t.tileBlocks(m, b, min(t.blocks, b+t.group))
		for ; t.tail != nil && b < min(t.blocks, item%groups*t.group+t.group); b++ {
			for i := range t.outBlock / (t.outer * Lanes) {
				t.tail.run(t.out, b, b*t.outBlock+(i*t.outer+m*16)*Lanes, 1, m*16, min(16, t.outer-m*16))
			}
		}
		return
	}
	cuts := (len(t.rows) + t.rowsPerItem - 1) / t.rowsPerItem
	b, r := item/cuts, item%cuts
	rows := t.rows[r*t.rowsPerItem : min(len(t.rows), (r+1)*t.rowsPerItem)]
	for m := range t.tiles() {
		t.tileRows(m, b, rows)
	}
	from, to := rows[0][0].out, t.outBlock
	if next := (r + 1) * t.rowsPerItem; next < len(t.rows) {
		to = t.rows[next][0].out
	}
	t.tail.run(t.out, b, b*t.outBlock+from, (to-from)/(t.outer*Lanes), 0, t.outer)
}

// tileRows makes channels 16m … 16m+15 of some lines of block b.
func (t *planTask) tileRows(m, b int, rows [][]run) {
	out := t.out[b*t.outBlock : (b+1)*t.outBlock]
	g := tile{
		a:     t.packed[m*t.panel() : (m+1)*t.panel()],
		b:     t.in[b*t.inBlock : (b+1)*t.inBlock],
		bStep: t.inStep, cStep: t.outStep,
		rows: min(16, t.outer-m*16),
	}
	for _, row := range rows {
		for i := range row {
			r := &row[i]
			g.c, g.segs, g.outer = out[r.out+m*256:], r.segs, r.n
			if len(r.segs) == 0 {
				for o := range r.n {
					clear(g.c[o*g.cStep:][:g.rows*Lanes])
				}
				continue
			}
			runTile(&g)
		}
	}
}

// tileBlocks makes channels 16m … 16m+15 of blocks from … to-1, pixel by pixel:
// the blocks of one share the loads of the weights.
func (t *planTask) tileBlocks(m, from, to int) {
	if to-from == 1 {
		t.tileRows(m, from, t.rows)
		return
	}
	g := tile{
		a:     t.packed[m*t.panel() : (m+1)*t.panel()],
		bStep: t.inBlock, cStep: t.outBlock,
		rows: min(16, t.outer-m*16),
	}
	for _, row := range t.rows {
		for _, r := range row {
			steps := 0
			for _, s := range r.segs {
				steps += s.n
			}
			atOnce := max(2, runSteps/max(1, steps))
			for o := range r.n {
				for b := from; b < to; b += atOnce {
					g.b, g.c = t.in[b*t.inBlock+o*t.inStep:], t.out[b*t.outBlock+r.out+m*256+o*t.outStep:]
					g.segs, g.outer = r.segs, min(atOnce, to-b)
					if steps > 0 {
						runTile(&g)
						continue
					}
					for k := range g.outer {
						clear(g.c[k*g.cStep:][:g.rows*Lanes])
					}
				}
			}
		}
	}
}
