package kernel

// The gradient of the weights sums over examples, so here they are the inner
// dimension: dy is transposed in 16 × 16 blocks to (pixel, ⌈Co/16⌉, 16 examples,
// 16 channels), and x is walked along its lanes. The work goes in chunks of
// output rows whose maps fit the second-level cache. There are two ways to
// share it out, and the shape alone decides:
//
//   - small weights: the chunks are cut into parts, each sums into weights of
//     its own, and the parts are added in order;
//   - large weights, small maps: an item owns some tiles of the weights and
//     goes over all chunks.
//
// Where Ci is no multiple of 16, a chunk of x is copied with its padding
// around it. Then neighbouring taps of a kernel row are rows of one tile, which
// is what makes a stem with one input channel bearable.
type weightPlan struct {
	ConvShape
	oh, ow    int
	tiles     int // ⌈Co/16⌉
	chunkRows int // output rows of a chunk
	cuts      int // chunks of a map: ⌈OH/chunkRows⌉
	blocks    int // blocks of a chunk; more than 1 only if cuts is 1
	chunks    int
	parts     int // private weights; 0: items own tiles
	splits    int // items per 16 output channels, if items own tiles
	padded    bool
	pieces    []piece   // tiles of one (taps, Ci, 16) panel
	segs      [][][]seg // (cuts, lists): runs of pixels of a chunk
}

// A piece is one tile's place in a panel of weights and in the input.
type piece struct {
	list      int // which seg list
	a         int // offset in x, in float32s
	row, rows int // rows tap·Ci + ci of the panel
}

const (
	chunkBytes  = 500 << 10 // maps of a chunk, both sides
	largeWeight = 600 << 10 // bytes of weights from which items own tiles
	tinyMap     = 4         // pixels of a map up to which they always do
	maxParts    = 32
	partsBytes  = 64 << 20 // of all private weights
	wantItems   = 16       // per layer, so that several workers have enough
)

func newWeightPlan(s ConvShape, oh, ow int) *weightPlan {
	p := &weightPlan{ConvShape: s, oh: oh, ow: ow, tiles: (s.Co + 15) / 16, padded: s.Ci%16 != 0}
	all := Blocks(s.N)
	rowBytes := (s.Stride[0]*s.W*s.Ci + ow*p.tiles*16) * Lanes * 4
	p.chunkRows = min(oh, max(1, chunkBytes/rowBytes))
	p.cuts = (oh + p.chunkRows - 1) / p.chunkRows
	p.blocks = 1
	if p.cuts == 1 {
		p.blocks = min(all, max(1, chunkBytes/(rowBytes*oh)))
	}
	bytes := 4 * p.tiles * p.panel()
	owned := !p.padded && (bytes > largeWeight || oh*ow <= tinyMap)
	if !owned {
		p.blocks = min(p.blocks, max(1, all/wantItems))
	}
	p.chunks = (all + p.blocks - 1) / p.blocks * p.cuts
	if p.padded {
		p.paddedPieces()
	} else {
		p.plainPieces()
	}
	if owned {
		p.splits = min(len(p.pieces), (wantItems+p.tiles-1)/p.tiles)
	} else {
		p.parts = min(p.chunks, max(2, min(maxParts, partsBytes/bytes)))
	}
	return p
}

func (p *weightPlan) taps() int  { return p.Kernel[0] * p.Kernel[1] }
func (p *weightPlan) panel() int { return p.taps() * p.Ci * Lanes }

// Sizes of a padded chunk of x, in pixels.
func (p *weightPlan) padRows() int {
	return (p.chunkRows-1)*p.Stride[0] + (p.Kernel[0]-1)*p.Dilation[0] + 1
}
func (p *weightPlan) padWidth() int { return p.W + 2*p.Pad[1] }

// plainPieces: sixteen input channels of one tap; taps that fall off the map
// are left out of the segs.
func (p *weightPlan) plainPieces() {
	for t := range p.taps() {
		for q := range p.Ci / 16 {
			p.pieces = append(p.pieces, piece{list: t, a: q * 256, row: t*p.Ci + q*16, rows: 16})
		}
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
				lists = append(lists, p.runs(r, j0, j1, func(b, i int) int {
					ih := i*p.Stride[0] + kh*p.Dilation[0] - p.Pad[0]
					if ih < 0 || ih >= p.H {
						return -1
					}
					return ((b*p.H+ih)*p.W + j0*p.Stride[1] + off) * p.Ci * Lanes
				}))
			}
		}
		p.segs = append(p.segs, lists)
	}
}

// paddedPieces: sixteen rows of a kernel row's taps × channels; every pixel
// sees every tap.
func (p *weightPlan) paddedPieces() {
	kw, ci := p.Kernel[1], p.Ci
	if p.Dilation[1] == 1 {
		kw, ci = 1, p.Kernel[1]*p.Ci
	}
	for i := range p.Kernel[0] {
		for j := range kw {
			for q := 0; q < ci; q += 16 {
				p.pieces = append(p.pieces, piece{
					a:   ((i*p.Dilation[0]*p.padWidth()+j*p.Dilation[1])*p.Ci + q) * Lanes,
					row: (i*p.Kernel[1]+j)*p.Ci + q, rows: min(16, ci-q),
				})
			}
		}
	}
	for r := range p.cuts {
		i0 := r * p.chunkRows
		p.segs = append(p.segs, [][]seg{p.runs(r, 0, p.ow, func(b, i int) int {
			return (b*p.padRows() + (i-i0)*p.Stride[0]) * p.padWidth() * p.Ci * Lanes
		})})
	}
}

// runs lists the rows of a chunk, columns j0 … j1-1, block by block; first
// gives the offset of a row's first pixel in x, or -1.
func (p *weightPlan) runs(r, j0, j1 int, first func(b, i int) int) []seg {
	var segs []seg
	i0 := r * p.chunkRows
	for b := range p.blocks {
		for i := i0; i < min(p.oh, i0+p.chunkRows); i++ {
			if a := first(b, i); a >= 0 && j0 < j1 {
				segs = append(segs, seg{a: a, b: ((b*p.oh+i-i0)*p.ow + j0) * p.tiles * 256, n: j1 - j0})
			}
		}
	}
	return segs
}

func (p *weightPlan) scratch() int {
	if p.parts == 0 {
		return p.tiles*p.panel() + Blocks(p.N)*p.oh*p.ow*p.tiles*256
	}
	return p.parts * p.tiles * p.panel()
}

func (p *weightPlan) run(dw, x, dy, scratch []float32) {
	t := weightTask{weightPlan: p, x: x, dy: dy, sums: scratch[:max(1, p.parts)*p.tiles*p.panel()]}
	if p.parts == 0 {
		t.turned = scratch[len(t.sums):p.scratch()]
		pixels := Blocks(p.N) * p.oh * p.ow
		share(&turnTasks, (pixels+turnPixels-1)/turnPixels, turnTask{turned: t.turned, dy: dy, pixels: pixels, co: p.Co})
		share(&weightTasks, p.tiles*p.splits, t)
	} else {
		share(&weightTasks, p.parts, t)
	}
	share(&gatherTasks, p.tiles*packSplit, gatherTask{weightPlan: p, dw: dw, sums: t.sums})
}

type weightTask struct {
	*weightPlan
	x, dy  []float32
	sums   []float32 // (parts or 1, tiles, taps, Ci, 16)
	turned []float32 // all of dy transposed, if items own tiles
}

var weightTasks stash[weightTask]

func (t *weightTask) Do(item int) {
	if t.parts == 0 {
		t.own(item/t.splits, item%t.splits)
	} else {
		t.part(item)
	}
}

// own sums some pieces of one panel over all chunks.
func (t *weightTask) own(m, split int) {
	from, to := split*len(t.pieces)/t.splits, (split+1)*len(t.pieces)/t.splits
	panel := t.sums[m*t.panel() : (m+1)*t.panel()]
	for _, pc := range t.pieces[from:to] {
		clear(panel[pc.row*Lanes:][:pc.rows*Lanes])
	}
	for k := range t.chunks {
		b, r, blocks := t.chunk(k)
		dy := t.turned[(b*t.oh+r*t.chunkRows)*t.ow*t.tiles*256:]
		t.add(panel, t.x[b*t.H*t.W*t.Ci*Lanes:], dy[m*256:], t.pieces[from:to], r, blocks)
	}
}

// part sums some chunks into weights of its own.
func (t *weightTask) part(i int) {
	sums := t.sums[i*t.tiles*t.panel() : (i+1)*t.tiles*t.panel()]
	clear(sums)
	buf := buffers.get()
	defer buffers.put(buf)
	turned := t.blocks * t.chunkRows * t.ow * t.tiles * 256
	size := turned
	if t.padded {
		size += t.blocks*t.padRows()*t.padWidth()*t.Ci*Lanes + 256 // a tile may read, not use, 15 rows more
	}
	buf.grow(size)
	for k := i * t.chunks / t.parts; k < (i+1)*t.chunks/t.parts; k++ {
		b, r, blocks := t.chunk(k)
		rows := min(t.chunkRows, t.oh-r*t.chunkRows) * blocks // of whole maps, if blocks > 1
		turn(buf.data[:turned], t.dy[(b*t.oh+r*t.chunkRows)*t.ow*t.Co*Lanes:], rows*t.ow, t.Co)
		x := t.x[b*t.H*t.W*t.Ci*Lanes:]
		if t.padded {
			t.pad(buf.data[turned:size], x, r, blocks)
			x = buf.data[turned:size]
		}
		for m := range t.tiles {
			t.add(sums[m*t.panel():(m+1)*t.panel()], x, buf.data[m*256:turned], t.pieces, r, blocks)
		}
	}
}

// chunk k is the r-th cut of some blocks from b on.
func (p *weightPlan) chunk(k int) (b, r, blocks int) {
	b, r = k/p.cuts*p.blocks, k%p.cuts
	return b, r, min(p.blocks, Blocks(p.N)-b)
}

// add adds a chunk's products to some pieces of a panel.
func (t *weightTask) add(panel, x, dy []float32, pieces []piece, r, blocks int) {
	g := tile{b: dy, aStep: t.Stride[1] * t.Ci * Lanes, bStep: t.tiles * 256, acc: true}
	for _, pc := range pieces {
		segs := t.segs[r][pc.list]
		if blocks < t.blocks { // the last chunk; each block has as many runs
			segs = segs[:len(segs)/t.blocks*blocks]
		}
		if len(segs) == 0 {
			continue
		}
		g.a, g.c, g.segs, g.rows = x[pc.a:], panel[pc.row*Lanes:], segs, pc.rows
		runTileT(&g)
	}
}

// pad copies the rows of x that the r-th cut sees, with zeros around the map.
func (p *weightPlan) pad(dst, x []float32, r, blocks int) {
	clear(dst)
	pixel := p.Ci * Lanes
	for b := range blocks {
		for k := range p.padRows() {
			i := r*p.chunkRows*p.Stride[0] - p.Pad[0] + k
			if i < 0 || i >= p.H {
				continue
			}
			row := dst[((b*p.padRows()+k)*p.padWidth()+p.Pad[1])*pixel:]
			copy(row[:p.W*pixel], x[(b*p.H+i)*p.W*pixel:])
		}
	}
}
