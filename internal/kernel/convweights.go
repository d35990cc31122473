package kernel

// The gradient of the weights sums over examples, so here they are the inner
// dimension: dy is transposed in 16 × 16 blocks, and x is walked along its
// lanes. The gradient is a matrix of taps · Ci rows and Co columns. Its columns
// are cut by pairs of tiles, its rows by channels of x, and the sum by chunks
// of output lines: a work item adds some chunks up for one rectangle of the
// matrix. If one item has all chunks, it writes the weights; otherwise each
// part of the chunks has sums of its own, which are then added in order. The
// shape alone decides on the cut, and so on the order of every sum.
//
// The rows of a tile lie side by side in x. Where x has few channels these
// would be few, so each chunk of x is spread out first: copied with padding
// around it and the kernel's rows side by side, so that a pixel's taps are
// neighbours.
type weightPlan struct {
	ConvShape
	oh, ow int
	tiles  int // ⌈Co/16⌉
	pairs  int // pairs of tiles of an item
	across int // items that share rows: ⌈⌈tiles/2⌉/pairs⌉
	width  int // channels of an item
	down   int // items that share columns: ⌈Ci/width⌉
	parts  int // items that share both

	line      int // output pixels of a line, see lineOf
	lines     int // of a map
	chunkRows int // lines of a chunk
	cuts      int // chunks of a map: ⌈lines/chunkRows⌉
	blocks    int // blocks of a chunk; more than 1 only if cuts is 1
	chunks    int
	perPart   int // chunks of an item
	spread    bool
	pieces    [][]piece // (down, tiles of an item)
	segs      [][][]seg // (cuts, lists): runs of pixels of a chunk
	order     []int     // of each tap, its place among an item's taps
}

// A piece is one tile's place in x and in an item's sums.
type piece struct {
	list      int // which seg list
	a         int // offset in x, in float32s
	row, rows int // rows of the sums, (taps, width)
}

const (
	chunkBytes = 384 << 10 // of both maps in a chunk
	sumBytes   = 320 << 10 // of an item's sums
	wantItems  = 24        // so that several workers have enough to do
	fewInputs  = 8         // channels of x from which on it need not be spread
)

func newWeightPlan(s ConvShape, oh, ow int) *weightPlan {
	p := &weightPlan{ConvShape: s, oh: oh, ow: ow, tiles: (s.Co + 15) / 16, line: lineOf(oh, ow)}
	p.lines = oh * ceil(ow, p.line)
	p.spread = s.Ci < fewInputs && p.taps() > 1
	p.cutWeights()
	p.cutMaps()
	p.order = make([]int, p.taps())
	for i := range p.order {
		p.order[i] = i
		if p.spread {
			p.order[i] = i%s.Kernel[1]*s.Kernel[0] + i/s.Kernel[1]
		}
	}
	if p.spread {
		p.spreadPieces()
	} else {
		p.plainPieces()
	}
	return p
}

func (p *weightPlan) taps() int  { return p.Kernel[0] * p.Kernel[1] }
func (p *weightPlan) panel() int { return p.taps() * p.Ci * Lanes }

// cutWeights chooses pairs, width and parts. An item's sums should fit the
// second-level cache; of the cuts that leave enough items the one that moves
// the least memory is taken: x is read by all items across, dy is read and
// transposed by all items down, and parts are written, read and added up.
func (p *weightPlan) cutWeights() {
	all := Blocks(p.N)
	x, dy := all*p.H*p.W*p.Ci*Lanes, all*p.oh*p.ow*p.tiles*256
	allPairs := (p.tiles + 1) / 2
	best := -1
	for across := 1; across < 2*allPairs; across *= 2 {
		pairs := (allPairs + across - 1) / across
		across := (allPairs + pairs - 1) / pairs
		for down := 1; down == 1 || down < 2*p.Ci/16 && !p.spread; down *= 2 {
			width := min(p.Ci, ((p.Ci+down-1)/down+15)/16*16)
			down := (p.Ci + width - 1) / width
			parts := min((wantItems+across*down-1)/(across*down), all*p.lines)
			cost := across*x + 2*down*dy
			if parts > 1 {
				cost += 3 * parts * p.tiles * p.panel()
			}
			if pairs*2*p.taps()*width*Lanes*4 > sumBytes {
				cost *= 4
			}
			if best < 0 || cost < best {
				best, p.pairs, p.across, p.width, p.down, p.parts = cost, pairs, across, width, down, parts
			}
		}
	}
}

// cutMaps chooses the chunks: both maps of one fit the second-level cache, and
// there are at least as many as parts.
func (p *weightPlan) cutMaps() {
	all := Blocks(p.N)
	seen := p.Stride[0] * p.W // pixels of x
	if p.line < p.ow {
		seen = min(seen, p.Stride[1]*p.line)
	}
	rowBytes := (seen*p.width*Lanes + p.line*p.pairs*512) * 4
	if p.spread {
		rowBytes = (p.spreadRow() + p.line*p.pairs*512) * 4
	}
	p.chunkRows = max(1, min(p.lines, chunkBytes/rowBytes, all*p.lines/p.parts))
	p.cuts = ceil(p.lines, p.chunkRows)
	p.chunkRows = ceil(p.lines, p.cuts)
	p.cuts = ceil(p.lines, p.chunkRows)
	p.blocks = 1
	if p.cuts == 1 {
		p.blocks = max(1, min(chunkBytes/(rowBytes*p.lines), all/p.parts))
	}
	p.chunks = (all + p.blocks - 1) / p.blocks * p.cuts
	p.perPart = (p.chunks + p.parts - 1) / p.parts
	p.parts = (p.chunks + p.perPart - 1) / p.perPart
}

// plainPieces: near equal cuts of the channels, tap by tap; taps that fall off
// the map are left out of the segs.
func (p *weightPlan) plainPieces() {
	for d := range p.down {
		from, to := d*p.width, min(p.Ci, (d+1)*p.width)
		width := to - from
		cuts := (width + maxRowsT - 1) / maxRowsT
		var pieces []piece
		for q := range cuts {
			c0, c1 := q*width/cuts, (q+1)*width/cuts
			for t := range p.taps() {
				pieces = append(pieces, piece{list: t, a: (from + c0) * Lanes, row: t*width + c0, rows: c1 - c0})
			}
		}
		p.pieces = append(p.pieces, pieces)
	}
	for r := range p.cuts {
		var lists [][]seg
		for kh := range p.Kernel[0] {
			for kw := range p.Kernel[1] {
				off := kw*p.Dilation[1] - p.Pad[1]
				j0, j1 := 0, p.ow // columns whose tap is on the map
				for j0 < j1 && j0*p.Stride[1]+off < 0 {
					j0++
				}
				for j1 > j0 && (j1-1)*p.Stride[1]+off >= p.W {
					j1--
				}
				lists = append(lists, p.runs(r, j0, j1, func(b, k, j int) int {
					ih := k/p.perRow()*p.Stride[0] + kh*p.Dilation[0] - p.Pad[0]
					if ih < 0 || ih >= p.H {
						return -1
					}
					return ((b*p.H+ih)*p.W + j*p.Stride[1] + off) * p.Ci * Lanes
				}))
			}
		}
		p.segs = append(p.segs, lists)
	}
}

// Spread x is (blocks, chunkRows, W + 2·padding, KH, Ci, 16), or what a line
// sees of that.
func (p *weightPlan) spreadRow() int {
	if p.line < p.ow {
		return ((p.line-1)*p.Stride[1] + (p.Kernel[1]-1)*p.Dilation[1] + 1) * p.spreadPixel()
	}
	return (p.W + 2*p.Pad[1]) * p.spreadPixel()
}
func (p *weightPlan) spreadPixel() int { return p.Kernel[0] * p.Ci * Lanes }

// spreadPieces: near equal cuts of a pixel's taps; every pixel sees every tap.
func (p *weightPlan) spreadPieces() {
	columns, rows := p.Kernel[1], p.Kernel[0]*p.Ci
	if p.Dilation[1] == 1 {
		columns, rows = 1, p.Kernel[1]*rows
	}
	cuts := (rows + maxRowsT - 1) / maxRowsT
	var pieces []piece
	for j := range columns {
		for q := range cuts {
			r0, r1 := q*rows/cuts, (q+1)*rows/cuts
			pieces = append(pieces, piece{a: j*p.Dilation[1]*p.spreadPixel() + r0*Lanes, row: j*rows + r0, rows: r1 - r0})
		}
	}
	p.pieces = [][]piece{pieces}
	for r := range p.cuts {
		p.segs = append(p.segs, [][]seg{p.runs(r, 0, p.ow, func(b, k, _ int) int {
			return (b*p.chunkRows + k - r*p.chunkRows) * p.spreadRow()
		})})
	}
}

// perRow is the lines of a row.
func (p *weightPlan) perRow() int { return p.lines / p.oh }

// pixel is the first of line k, in a map's order; behind the last line, their number.
func (p *weightPlan) pixel(k int) int { return k/p.perRow()*p.ow + k%p.perRow()*p.line }

// runs lists the lines of a chunk, of their columns j0 … j1-1, block by block;
// first gives the offset in x of column j of line k, or -1.
func (p *weightPlan) runs(r, j0, j1 int, first func(b, k, j int) int) []seg {
	var segs []seg
	k0 := r * p.chunkRows
	for b := range p.blocks {
		for k := k0; k < min(p.lines, k0+p.chunkRows); k++ {
			c := k % p.perRow() * p.line
			from, to := max(j0, c), min(j1, c+p.line)
			if from >= to {
				continue
			}
			if a := first(b, k, from); a >= 0 {
				segs = append(segs, seg{a: a, b: (b*p.oh*p.ow + p.pixel(k) + from - c - p.pixel(k0)) * 512, n: to - from})
			}
		}
	}
	return segs
}

func (p *weightPlan) scratch() int {
	if p.parts == 1 {
		return 0
	}
	return p.parts * p.tiles * p.panel()
}

func (p *weightPlan) run(dw, x, dy, scratch []float32) {
	t := weightTask{weightPlan: p, dw: dw, x: x, dy: dy, sums: scratch[:p.scratch()]}
	share(&weightTasks, p.parts*p.across*p.down, t)
	if p.parts > 1 {
		share(&gatherTasks, p.tiles*p.down*packSplit, gatherTask(t))
	}
}

type weightTask struct {
	*weightPlan
	dw, x, dy []float32
	sums      []float32 // (parts, rectangles of the items), if there are several parts
}

var weightTasks stash[weightTask]

// A rectangle is an item's share of the weights: tiles m … and channels c ….
// Its sums are (tiles, taps, channels, 16), from off on among the sums of a
// part.
type rectangle struct {
	m, tiles    int
	c, channels int
	off, panel  int
}

func (p *weightPlan) rectangle(across, down int) rectangle {
	r := rectangle{m: across * p.pairs * 2, c: down * p.width}
	r.tiles, r.channels = min(p.pairs*2, p.tiles-r.m), min(p.width, p.Ci-r.c)
	r.off = r.m*p.panel() + r.tiles*p.taps()*r.c*Lanes
	r.panel = p.taps() * r.channels * Lanes
	return r
}

// Do sums one part of the chunks for one rectangle.
func (t *weightTask) Do(item int) {
	down, across, part := item%t.down, item/t.down%t.across, item/t.down/t.across
	rect, pieces := t.rectangle(across, down), t.pieces[down]
	buf := buffers.get()
	defer buffers.put(buf)
	pixels := t.blocks * t.chunkRows * t.line
	turned, spread, own := (rect.tiles+1)/2*pixels*512, 0, 0
	if t.spread {
		spread = t.blocks * t.chunkRows * t.spreadRow()
	}
	if t.parts == 1 {
		own = rect.tiles * rect.panel
	}
	buf.grow(turned + spread + own)
	sums := buf.data[turned+spread : turned+spread+own]
	if t.parts > 1 {
		sums = t.sums[part*t.tiles*t.weightPlan.panel()+rect.off:][:rect.tiles*rect.panel]
	}
	clear(sums)
	for k := part * t.perPart; k < min(t.chunks, (part+1)*t.perPart); k++ {
		b, r := k/t.cuts*t.blocks, k%t.cuts
		blocks := min(t.blocks, Blocks(t.N)-b)
		from := b*t.oh*t.ow + t.pixel(r*t.chunkRows)
		n := (t.pixel(min(t.lines, (r+1)*t.chunkRows)) - t.pixel(r*t.chunkRows)) * blocks // of whole maps, if blocks > 1
		t.turn(buf.data[:turned], from, n, pixels, rect)
		x := t.x[b*t.H*t.W*t.Ci*Lanes:]
		if t.spread {
			t.spreadOut(buf.data[turned:turned+spread], x, r, blocks)
			x = buf.data[turned : turned+spread]
		}
		more := k+1 < min(t.chunks, (part+1)*t.perPart)
		var ahead []float32 // what the next chunk transposes
		if more {
			ahead = t.dy[((from+n)*t.Co+rect.m*16)*Lanes:]
		}
		for m := 0; m < rect.tiles; m += 2 {
			g := tile{
				b: buf.data[m/2*pixels*512 : turned], outer: min(2, rect.tiles-m),
				aStep: t.Stride[1] * t.Ci * Lanes, bStep: 512, cStep: rect.panel, acc: true,
			}
			if t.spread {
				g.aStep = t.Stride[1] * t.spreadPixel()
			}
			for i, pc := range pieces {
				g.segs = t.segs[r][pc.list]
				if blocks < t.blocks { // the last chunk; each block has as many runs
					g.segs = g.segs[:len(g.segs)/t.blocks*blocks]
				}
				if len(g.segs) == 0 {
					continue
				}
				g.a, g.c, g.rows = x[pc.a:], sums[m*rect.panel+pc.row*Lanes:], pc.rows
				g.ahead, g.aheadStep = &g.c[0], 0
				if off := m*256 + i*128; i < 4 && more && off < len(ahead) {
					g.ahead, g.aheadStep = &ahead[off], t.Co*Lanes
				}
				runTileT(&g)
			}
		}
	}
	if t.parts == 1 {
		for m := range rect.tiles {
			t.gather(t.dw, sums[m*rect.panel:], rect.m+m, rect, 0, rect.channels)
		}
	}
}

// turn transposes the rectangle's columns of some pixels of dy to (pairs,
// pixels, 2, 16 examples, 16 channels), in the order in which dy lies.
func (t *weightTask) turn(dst []float32, from, n, pixels int, rect rectangle) {
	whole := min(rect.tiles, t.Co/16-rect.m)
	dy := t.dy[(from*t.Co+rect.m*16)*Lanes:]
	for p := range n {
		src := dy[p*t.Co*Lanes:]
		for m := 0; m < whole; m += 2 {
			transpose16(dst[(m/2*pixels+p)*512:], src[m*256:], Lanes, 256, min(2, whole-m))
		}
		if whole < rect.tiles {
			var last [256]float32
			copy(last[:], src[whole*256:][:t.Co%16*Lanes])
			transpose16(dst[(whole/2*pixels+p)*512+whole%2*256:], last[:], Lanes, 0, 1)
		}
	}
}

// spreadOut copies what the r-th cut sees of x, with zeros around the map.
func (p *weightPlan) spreadOut(dst, x []float32, r, blocks int) {
	clear(dst)
	width := p.spreadRow() / p.spreadPixel()
	for b := range blocks {
		for i := range min(p.chunkRows, p.lines-r*p.chunkRows) {
			k := r*p.chunkRows + i
			left := k%p.perRow()*p.line*p.Stride[1] - p.Pad[1] // the map's column of the first
			row := dst[(b*p.chunkRows+i)*p.spreadRow():]
			for kh := range p.Kernel[0] {
				ih := k/p.perRow()*p.Stride[0] - p.Pad[0] + kh*p.Dilation[0]
				if ih < 0 || ih >= p.H {
					continue
				}
				src := x[(b*p.H+ih)*p.W*p.Ci*Lanes:][:p.W*p.Ci*Lanes]
				for j := max(0, left); j < min(p.W, left+width); j++ {
					to, from := (j-left)*p.Kernel[0]*p.Ci+kh*p.Ci, j*p.Ci
					for c := range p.Ci {
						*at(row, to+c) = *at(src, from+c)
					}
				}
			}
		}
	}
}

// gatherTask adds the parts in order and brings the sums into PyTorch's layout.
type gatherTask weightTask

var gatherTasks stash[gatherTask]

func (t *gatherTask) Do(item int) {
	split, down, m := item%packSplit, item/packSplit%t.down, item/packSplit/t.down
	rect := t.rectangle(m/(t.pairs*2), down)
	from, to := split*rect.channels/packSplit, (split+1)*rect.channels/packSplit
	if from == to {
		return
	}
	part := t.tiles * t.weightPlan.panel()
	off := rect.off + (m-rect.m)*rect.panel
	for k := 1; k < t.parts; k++ {
		for tap := range t.taps() {
			run := (tap*rect.channels + from) * Lanes
			n := (to - from) * Lanes
			sum := t.sums[off+run:][:n]
			runPoint(&pointArgs{op: opAdd, dst: sum, a: sum, b: t.sums[k*part+off+run:][:n]})
		}
	}
	t.gather(t.dw, t.sums[off:], m, rect, from, to)
}

// gather brings one tile's sums (taps, channels, 16), channels from … to-1 of
// the rectangle, into dw.
func (p *weightPlan) gather(dw, sums []float32, m int, rect rectangle, from, to int) {
	taps, length := p.taps(), p.Ci*p.taps() // of a row of dw
	real := min(16, p.Co-m*16)
	dst := dw[m*16*length+(rect.c+from)*taps:]
	n := (to - from) * taps
	j := 0
	if taps == 1 && real == 16 && n >= 16 {
		transposeTo(dst, length, 16, sums[from*Lanes:], Lanes, 256, n/16)
		j = n &^ 15
	}
	var block, rows [256]float32
	c, tap := from+j/taps, 0
	for ; j < n; j += 16 {
		for k := range min(16, n-j) {
			*at(block[:], k) = *at(sums, p.order[tap]*rect.channels+c)
			if tap++; tap == taps {
				c, tap = c+1, 0
			}
		}
		if real == 16 && j+16 <= n {
			transposeTo(dst[j:], length, 0, block[:], Lanes, 0, 1)
			continue
		}
		transpose16(rows[:], block[:], Lanes, 0, 1)
		for l := range real {
			copy(dst[l*length+j:][:min(16, n-j)], rows[l*16:])
		}
	}
}
