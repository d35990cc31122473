package kernel

// Everything that multiplies is built from one shape of product, a tile of
// 16 × 16 results. In a forward pass the rows are output channels and the
// columns the sixteen examples of a block: one tile is a contiguous KiB of the
// output, a pixel's channels (C, 16) are already a packed right factor, and so
// the list of kernel taps that fall inside the map is the whole matrix
// product, without any rearranging of the input.

// A seg is a run of steps whose factors lie one after the other. Offsets and
// steps count float32s.
type seg struct {
	a, b int
	n    int // tile: rows of 16 in a and b;  tileT: pixels
}

// A tile is the argument of the product routines. The assembly reads it field
// by field (see _gen): change both together.
//
//	tile:  c[o][i][j] (+)= Σ segs Σ k<n   a[seg.a + 16k + i] · b[o·bStep + seg.b + 16k + j]
//	tileT: c[o][i][j] (+)= Σ segs Σ p<n Σ k<16   a[seg.a + p·aStep + 16i + k] · b[seg.b + p·bStep + 256o + 16k + j]
type tile struct {
	a, b, c []float32
	segs    []seg
	outer   int  // tiles o; for tileT 1 or 2
	aStep   int  // tileT only
	bStep   int  // float32s
	cStep   int  // float32s, from one o to the next
	rows    int  // rows i of c that exist, at most 16; for tileT maxRowsT
	acc     bool // add to c, after the sum over all segs: so sums of sums have short chains

	// What to bring into the second-level cache meanwhile; any address will do.
	// tileT: 512 bytes with each pixel. tile, with AVX-512: 128 with every four
	// rows of two tiles o; nil is nothing.
	ahead     *float32
	aheadStep int // float32s
}

// tileTwin is the plain form of tile.
func tileTwin(t *tile) {
	for o := range t.outer {
		var sum [16]lane
		for _, s := range t.segs {
			a := t.a[s.a:][:s.n*Lanes]
			b := t.b[o*t.bStep+s.b:][:s.n*Lanes]
			for k := range s.n {
				av, bv := at(a, k), at(b, k)
				for i := range sum {
					row, v := &sum[i], av[i]
					for j := range row {
						row[j] += v * bv[j]
					}
				}
			}
		}
		t.store(o, sum[:t.rows])
	}
}

// store writes the rows of tile o, or adds them.
func (t *tile) store(o int, sum []lane) {
	for i, row := range sum {
		c := at(t.c[o*t.cStep:], i)
		if t.acc {
			for j, v := range c {
				row[j] += v
			}
		}
		*c = row
	}
}

// maxRowsT is the most rows that the transposed product has a form for.
const maxRowsT = 14

// tileTTwin is the plain form of tileT.
func tileTTwin(t *tile) {
	for o := range t.outer {
		var sum [maxRowsT]lane
		for _, s := range t.segs {
			for p := range s.n {
				a := t.a[s.a+p*t.aStep:][:t.rows*Lanes]
				b := t.b[s.b+p*t.bStep+o*256:][:16*Lanes]
				for k := range Lanes {
					bv := at(b, k)
					for i := range t.rows {
						row, v := &sum[i], a[i*Lanes+k]
						for j := range row {
							row[j] += v * bv[j]
						}
					}
				}
			}
		}
		t.store(o, sum[:t.rows])
	}
}

// transpose16 writes n transposed 16 × 16 blocks one after the other to dst. In
// src a block's rows are stride apart and blocks are step apart.
func transpose16(dst, src []float32, stride, step, n int) {
	transposeTo(dst, 16, 256, src, stride, step, n)
}

// transposeTwin writes n transposed 16 × 16 blocks. A block's rows are stride
// apart and blocks are step apart, in dst by strides of its own.
func transposeTwin(dst []float32, dstStride, dstStep int, src []float32, stride, step, n int) {
	for b := range n {
		for i := range 16 {
			s := at(src[b*step+i*stride:], 0)
			for j, v := range s {
				dst[b*dstStep+j*dstStride+i] = v
			}
		}
	}
}
