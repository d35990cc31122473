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
	tileAhead               = 144
	tileAheadStep           = 152
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

// tile: c[o][i] (+)= Σ segs Σ k  a[16k+i] · b[o][16k], see kernel.tile. With
// AVX-512 two outer ones go together, half of the rows at a time: both share
// the loads of a, of which there would be more than the processor can do
// beside the products.
func (v vectors) tile() {
	v.text("tile", "func(t *byte)")
	p := Load(Param("t"), GP64())
	a, b, c := field(p, tileA), field(p, tileB), field(p, tileC)
	outer, rows := field(p, tileOuter), field(p, tileRows)
	fetch := func() {}
	if v.wide() {
		next, at := AllocLocal(8), field(p, tileAhead)
		TESTQ(at, at)
		CMOVQEQ(a, at) // nothing to fetch: what is at hand
		MOVQ(at, next)
		fetch = func() {
			at := GP64()
			MOVQ(next, at)
			PREFETCHT1(Mem{Base: at})
			PREFETCHT1(Mem{Base: at, Disp: 64})
			step := field(p, tileAheadStep)
			LEAQ(Mem{Base: at, Index: step, Scale: 4}, at)
			MOVQ(at, next)
		}
	}
	advance := func() {
		for _, x := range []struct {
			r    reg.GPVirtual
			step int
		}{{b, tileBStep}, {c, tileCStep}} {
			step := field(p, x.step)
			LEAQ(Mem{Base: x.r, Index: step, Scale: 4}, x.r)
		}
		DECQ(outer)
	}
	if v.wide() {
		Label("two")
		CMPQ(outer, U8(2))
		JL(LabelRef("last"))
		for i, s := range []strip{{0, 8}, {8, 8}} {
			if s.first > 0 {
				CMPQ(rows, U8(s.first))
				JLE(LabelRef("advance2"))
			}
			v.stripOf(fmt.Sprint("two", i), p, a, b, c, outer, rows, s, 2, fetch)
		}
		Label("advance2")
		advance()
		advance()
		JMP(LabelRef("two"))
		Label("last")
		CMPQ(outer, U8(0))
		JE(LabelRef("done"))
	}
	Label("outer")
	for i, s := range v.strips() {
		if s.first > 0 {
			CMPQ(rows, U8(s.first))
			JLE(LabelRef("advance"))
		}
		v.stripOf(fmt.Sprint(i), p, a, b, c, outer, rows, s, 1, fetch)
	}
	Label("advance")
	advance()
	if !v.wide() {
		JNZ(LabelRef("outer"))
	}
	Label("done")
	ret()
}

// stripOf makes the products of one strip for one or two outer ones, and calls
// fetch every four steps.
func (v vectors) stripOf(l string, p reg.Register, a, b, c, outer, rows reg.GPVirtual, s strip, columns int, fetch func()) {
	sums := make([][]reg.VecVirtual, s.rows)
	for i := range sums {
		for range columns * v.per() {
			r := v.register()
			VXORPS(r, r, r) // not VPXORD, which avo takes for a use of r before
			sums[i] = append(sums[i], r)
		}
	}
	each := func(end string, f func(r reg.VecVirtual, m Mem)) { // of the rows that exist
		step := GP64()
		if columns == 2 {
			MOVQ(Mem{Base: p, Disp: tileCStep}, step)
		}
		for i, row := range sums {
			if i > 0 {
				CMPQ(rows, U8(s.first+i))
				JLE(LabelRef(end))
			}
			for j, r := range row {
				m := v.part(Mem{Base: c, Disp: (s.first + i) * 64}, j%v.per())
				if j >= v.per() {
					m.Index, m.Scale = step, 4
				}
				f(r, m)
			}
		}
		Label(end)
	}
	bStep, ahead, further := GP64(), GP64(), GP64()
	if columns == 2 {
		MOVQ(Mem{Base: p, Disp: tileBStep}, bStep)
	}
	if columns == 2 && s.first > 0 { // to the next two, or to this one if they are not whole
		XORQ(ahead, ahead)
		XORQ(further, further)
		CMPQ(outer, U8(4))
		JL(LabelRef("near" + l))
		LEAQ(Mem{Base: bStep, Index: bStep, Scale: 1}, ahead)
		LEAQ(Mem{Base: bStep, Index: bStep, Scale: 2}, further)
		Label("near" + l)
	}
	v.eachSeg(l, p, a, b, func(sa, sb, n reg.GPVirtual) {
		step := func(u int) {
			bs := []Mem{{Base: sb, Disp: u * 64}}
			if columns == 2 {
				bs = append(bs, Mem{Base: sb, Index: bStep, Scale: 4, Disp: u * 64})
			}
			if columns == 2 && s.first > 0 { // b is at hand by now: fetch the next two meanwhile
				PREFETCHT1(Mem{Base: sb, Index: ahead, Scale: 4, Disp: u * 64})
				PREFETCHT1(Mem{Base: sb, Index: further, Scale: 4, Disp: u * 64})
			}
			v.step(sums, bs, func(i int) Mem { return Mem{Base: sa, Disp: u*64 + (s.first+i)*4} })
		}
		// four steps at a time, then one at a time
		SUBQ(U8(4), n)
		JL(LabelRef("rest" + l))
		Label("four" + l)
		for u := range 4 {
			step(u)
		}
		if s.first == 0 {
			fetch()
		}
		ADDQ(U32(256), sa)
		ADDQ(U32(256), sb)
		SUBQ(U8(4), n)
		JGE(LabelRef("four" + l))
		Label("rest" + l)
		ADDQ(U8(4), n)
		JZ(LabelRef("next" + l))
		Label("one" + l)
		step(0)
		ADDQ(U8(64), sa)
		ADDQ(U8(64), sb)
		DECQ(n)
		JNZ(LabelRef("one" + l))
	})
	CMPB(Mem{Base: p, Disp: tileAcc}, Imm(0))
	JEQ(LabelRef("store" + l))
	each("store"+l, func(r reg.VecVirtual, m Mem) { VADDPS(m, r, r) })
	each("end"+l, func(r reg.VecVirtual, m Mem) { VMOVUPS(r, m) })
}

// maxRowsT is the most rows of a transposed tile: with AVX-512, two columns of
// them and what is needed to work fill the registers.
const maxRowsT = 14

// tileT: c[o][i] (+)= Σ segs Σ pixels Σ k<16  a[16i+k] · b[o][16k], see
// kernel.tile. There is a form for each number of rows, so that none is
// computed in vain, and with AVX-512 for both numbers of columns o: two share
// the loads of a.
func (v vectors) tileT() {
	v.text("tileT", "func(t *byte)")
	p := Load(Param("t"), GP64())
	if v.wide() {
		b, c := field(p, tileB), field(p, tileC)
		CMPQ(Mem{Base: p, Disp: tileOuter}, U8(1))
		JE(LabelRef("columns1"))
		for _, columns := range []int{2, 1} {
			l := fmt.Sprint("columns", columns)
			Label(l)
			v.forms(l, p, func(l string, n int) {
				v.stripT(l, p, b, c, strip{0, n}, columns)
				ret()
			})
		}
		return
	}
	b, c, outer := field(p, tileB), field(p, tileC), field(p, tileOuter)
	Label("column")
	v.forms("", p, func(l string, n int) {
		first := 0
		for k := (n + 5) / 6; k > 0; k-- { // strips of at most six rows, near equal
			s := strip{first, (n - first + k - 1) / k}
			v.stripT(fmt.Sprint(l, "from", first), p, b, c, s, 1)
			first += s.rows
		}
		JMP(LabelRef("advance"))
	})
	Label("advance")
	ADDQ(U32(1024), b)
	step := field(p, tileCStep)
	LEAQ(Mem{Base: c, Index: step, Scale: 4}, c)
	DECQ(outer)
	JNZ(LabelRef("column"))
	ret()
}

// forms branches to the form for the tile's number of rows.
func (v vectors) forms(l string, p reg.Register, form func(l string, n int)) {
	rows := field(p, tileRows)
	for n := maxRowsT; n > 1; n-- {
		CMPQ(rows, U8(n))
		JE(LabelRef(fmt.Sprint(l, "rows", n)))
	}
	for n := 1; n <= maxRowsT; n++ {
		Label(fmt.Sprint(l, "rows", n))
		form(fmt.Sprint(l, "rows", n), n)
	}
}

// stripT makes the products of one strip in one or two columns. Meanwhile it
// fetches the next pixel, and 512 bytes a pixel of what the caller needs later.
func (v vectors) stripT(l string, p reg.Register, b, c reg.GPVirtual, s strip, columns int) {
	sums := make([][]reg.VecVirtual, s.rows)
	for i := range sums {
		for range columns * v.per() {
			sums[i] = append(sums[i], v.register())
		}
	}
	each := func(f func(r reg.VecVirtual, m Mem)) {
		step := GP64()
		if columns == 2 {
			MOVQ(Mem{Base: p, Disp: tileCStep}, step)
		}
		for i, row := range sums {
			for j, r := range row {
				m := v.part(Mem{Base: c, Disp: (s.first + i) * 64}, j%v.per())
				if j >= v.per() {
					m.Index, m.Scale = step, 4
				}
				f(r, m)
			}
		}
	}
	for _, row := range sums {
		for _, r := range row {
			v.zero(r)
		}
	}
	ahead := field(p, tileAhead)
	v.eachSeg(l, p, field(p, tileA), b, func(sa, sb, n reg.GPVirtual) {
		Label("pixel" + l)
		aStep, bStep := bytesField(p, tileAStep), bytesField(p, tileBStep)
		next, k := GP64(), GP64()
		LEAQ(Mem{Base: sa, Index: aStep, Scale: 1, Disp: s.first * 64}, next)
		MOVQ(U32(4), k)
		Label("four" + l)
		lines := (s.rows + 3) / 4
		for u := range 4 {
			if u < lines {
				PREFETCHT0(Mem{Base: next, Disp: u * 64})
			}
			if s.first == 0 {
				for o := range columns {
					PREFETCHT0(Mem{Base: sb, Index: bStep, Scale: 1, Disp: u*64 + o*1024})
				}
				if u < 2 {
					PREFETCHT1(Mem{Base: ahead, Disp: u * 64})
				}
			}
			bs := []Mem{{Base: sb, Disp: u * 64}}
			if columns == 2 {
				bs = append(bs, Mem{Base: sb, Disp: u*64 + 1024})
			}
			v.step(sums, bs, func(i int) Mem { return Mem{Base: sa, Disp: (s.first+i)*64 + u*4} })
		}
		if s.first == 0 {
			ADDQ(U32(128), ahead)
		}
		ADDQ(U32(lines*64), next)
		ADDQ(U32(256), sb)
		ADDQ(U8(16), sa)
		DECQ(k)
		JNZ(LabelRef("four" + l))
		LEAQ(Mem{Base: sa, Index: aStep, Scale: 1, Disp: -64}, sa)
		LEAQ(Mem{Base: sb, Index: bStep, Scale: 1, Disp: -1024}, sb)
		if s.first == 0 {
			step := field(p, tileAheadStep)
			LEAQ(Mem{Base: ahead, Index: step, Scale: 4, Disp: -512}, ahead)
		}
		DECQ(n)
		JNZ(LabelRef("pixel" + l))
	})
	CMPB(Mem{Base: p, Disp: tileAcc}, Imm(0))
	JEQ(LabelRef("store" + l))
	each(func(r reg.VecVirtual, m Mem) { VADDPS(m, r, r) })
	Label("store" + l)
	each(func(r reg.VecVirtual, m Mem) { VMOVUPS(r, m) })
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

// step adds one product: row i of sums += (scalar at(i)) · (sixteen lanes at
// each of bs).
func (v vectors) step(sums [][]reg.VecVirtual, bs []Mem, at func(i int) Mem) {
	lanes := make([]reg.VecVirtual, len(sums[0]))
	for j := range lanes {
		lanes[j] = v.register()
		VMOVUPS(v.part(bs[j/v.per()], j%v.per()), lanes[j])
	}
	for i, row := range sums {
		if len(row) == 1 {
			VFMADD231PS_BCST(at(i), lanes[0], row[0])
			continue
		}
		f := v.register()
		VBROADCASTSS(at(i), f)
		for j, r := range row {
			VFMADD231PS(f, lanes[j], r)
		}
	}
}
