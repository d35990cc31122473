package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in kernel.tile and kernel.seg.
const (
	tileA, tileB, tileC     = 0, 24, 48
	tileSegs, tileSegsLen   = 72, 80
	tileOuter               = 96
	tileAStep, tileBStep    = 104, 112
	tileCStep               = 120
	tileRows, tileAcc       = 128, 136
	segA, segB, segN, segSz = 0, 8, 16, 24
)

// A strip is the rows from first on whose sums stay in registers together: all
// sixteen with AVX-512; 6, 5 and 5 with AVX2, whose sixteen registers hold two
// for each row and four to work with.
type strip struct{ first, rows int }

func (v vectors) strips() []strip {
	if v.wide() {
		return []strip{{0, 16}}
	}
	return []strip{{0, 6}, {6, 5}, {11, 5}}
}

// tile: c[o][i] (+)= Σ segs Σ k  a[16k+i] · b[o][16k], see kernel.tile.
func (v vectors) tile() {
	v.text("tile", "func(t *byte)")
	p := Load(Param("t"), GP64())
	a, b, c := field(p, tileA), field(p, tileB), field(p, tileC)
	outer, rows := field(p, tileOuter), field(p, tileRows)
	Label("outer")
	for i, s := range v.strips() {
		l := fmt.Sprint(i)
		if s.first > 0 {
			CMPQ(rows, U8(s.first))
			JLE(LabelRef("advance"))
		}
		sums := v.open(l, p, c, rows, s)
		v.eachSeg(l, p, a, b, func(sa, sb, n reg.GPVirtual) {
			// four steps at a time, then one at a time
			SUBQ(U8(4), n)
			JL(LabelRef("rest" + l))
			Label("four" + l)
			for u := range 4 {
				v.step(sums, Mem{Base: sb, Disp: u * 64}, func(i int) Mem {
					return Mem{Base: sa, Disp: u*64 + (s.first+i)*4}
				})
			}
			ADDQ(U32(256), sa)
			ADDQ(U32(256), sb)
			SUBQ(U8(4), n)
			JGE(LabelRef("four" + l))
			Label("rest" + l)
			ADDQ(U8(4), n)
			JZ(LabelRef("next" + l))
			Label("one" + l)
			v.step(sums, Mem{Base: sb}, func(i int) Mem { return Mem{Base: sa, Disp: (s.first + i) * 4} })
			ADDQ(U8(64), sa)
			ADDQ(U8(64), sb)
			DECQ(n)
			JNZ(LabelRef("one" + l))
		})
		v.close(l, c, rows, s, sums)
	}
	Label("advance")
	for _, x := range []struct {
		r    reg.GPVirtual
		step int
	}{{b, tileBStep}, {c, tileCStep}} {
		step := field(p, x.step)
		LEAQ(Mem{Base: x.r, Index: step, Scale: 4}, x.r)
	}
	DECQ(outer)
	JNZ(LabelRef("outer"))
	ret()
}

// tileT: c[i] (+)= Σ segs Σ pixels Σ k<16  a[16i+k] · b[16k], see kernel.tile.
// With AVX-512 there is a form for each four rows more; a form may read, not
// use, rows that do not exist.
func (v vectors) tileT() {
	v.text("tileT", "func(t *byte)")
	p := Load(Param("t"), GP64())
	a, b, c := field(p, tileA), field(p, tileB), field(p, tileC)
	rows := field(p, tileRows)
	if !v.wide() {
		for i, s := range v.strips() {
			if s.first > 0 {
				CMPQ(rows, U8(s.first))
				JLE(LabelRef("done"))
			}
			v.stripT(fmt.Sprint(i), p, a, b, c, rows, s)
		}
		Label("done")
		ret()
		return
	}
	for _, n := range []int{4, 8, 12} {
		CMPQ(rows, U8(n))
		JLE(LabelRef(fmt.Sprint("rows", n)))
	}
	for _, n := range []int{16, 12, 8, 4} {
		Label(fmt.Sprint("rows", n))
		v.stripT(fmt.Sprint(n), p, a, b, c, rows, strip{0, n})
		ret()
	}
}

func (v vectors) stripT(l string, p reg.Register, a, b, c, rows reg.GPVirtual, s strip) {
	sums := v.open(l, p, c, rows, s)
	v.eachSeg(l, p, a, b, func(sa, sb, n reg.GPVirtual) {
		aStep, bStep := bytesField(p, tileAStep), bytesField(p, tileBStep)
		Label("pixel" + l)
		for k := range 16 { // and fetch the next pixel meanwhile
			if k < s.rows {
				PREFETCHT0(Mem{Base: sa, Index: aStep, Scale: 1, Disp: (s.first + k) * 64})
			}
			if s.first == 0 {
				PREFETCHT0(Mem{Base: sb, Index: bStep, Scale: 1, Disp: k * 64})
			}
			v.step(sums, Mem{Base: sb, Disp: k * 64}, func(i int) Mem {
				return Mem{Base: sa, Disp: (s.first+i)*64 + k*4}
			})
		}
		ADDQ(aStep, sa)
		ADDQ(bStep, sb)
		DECQ(n)
		JNZ(LabelRef("pixel" + l))
	})
	v.close(l, c, rows, s, sums)
}

// open gives the sums of a strip: zero, or c where the tile accumulates.
func (v vectors) open(l string, p reg.Register, c, rows reg.GPVirtual, s strip) [][]reg.VecVirtual {
	sums := make([][]reg.VecVirtual, s.rows)
	for i := range sums {
		for range v.per() {
			r := v.register()
			v.zero(r)
			sums[i] = append(sums[i], r)
		}
	}
	CMPB(Mem{Base: p, Disp: tileAcc}, Imm(0))
	JEQ(LabelRef("go" + l))
	for i, row := range sums {
		if i > 0 {
			CMPQ(rows, U8(s.first+i))
			JLE(LabelRef("go" + l))
		}
		for j, r := range row {
			VMOVUPS(v.part(Mem{Base: c, Disp: (s.first + i) * 64}, j), r)
		}
	}
	Label("go" + l)
	return sums
}

// close stores the rows that exist.
func (v vectors) close(l string, c, rows reg.GPVirtual, s strip, sums [][]reg.VecVirtual) {
	for i, row := range sums {
		if i > 0 {
			CMPQ(rows, U8(s.first+i))
			JLE(LabelRef("end" + l))
		}
		for j, r := range row {
			VMOVUPS(r, v.part(Mem{Base: c, Disp: (s.first + i) * 64}, j))
		}
	}
	Label("end" + l)
}

// eachSeg goes over the segs with fresh pointers into a and b; the body may
// jump to next and must not be entered for an empty list.
func (v vectors) eachSeg(l string, p reg.Register, a, b reg.GPVirtual, body func(sa, sb, n reg.GPVirtual)) {
	s, left := field(p, tileSegs), field(p, tileSegsLen)
	Label("seg" + l)
	sa, sb, n := field(s, segA), field(s, segB), field(s, segN)
	LEAQ(Mem{Base: a, Index: sa, Scale: 4}, sa)
	LEAQ(Mem{Base: b, Index: sb, Scale: 4}, sb)
	body(sa, sb, n)
	Label("next" + l)
	ADDQ(U8(segSz), s)
	DECQ(left)
	JNZ(LabelRef("seg" + l))
}

// step adds one product: row i of sums += (scalar at(i)) · (sixteen lanes at b).
func (v vectors) step(sums [][]reg.VecVirtual, b Mem, at func(i int) Mem) {
	lanes := make([]reg.VecVirtual, v.per())
	for j := range lanes {
		lanes[j] = v.register()
		VMOVUPS(v.part(b, j), lanes[j])
	}
	for i, row := range sums {
		if v.wide() {
			VFMADD231PS_BCST(at(i), lanes[0], row[0])
			continue
		}
		f := YMM()
		VBROADCASTSS(at(i), f)
		VFMADD231PS(f, lanes[0], row[0])
		VFMADD231PS(f, lanes[1], row[1])
	}
}
