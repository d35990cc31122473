package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Loops over spectrograms, for augmentations. Nothing here is fused, so that
// they give the bytes of their twins.

// Offsets in kernel.rowArgs.
const (
	rowDst, rowA, rowB, rowC, rowD = 0, 24, 48, 72, 96
	rowW, rowN                     = 120, 136
)

func (v vectors) spectrum() {
	v.row("rescale", 2, func(o rowOperands) reg.VecVirtual {
		r := o.load(rowA)
		VSUBPS(o.w[0], r, r)
		VMULPS(o.w[1], r, r)
		return r
	})
	v.row("blend", 2, func(o rowOperands) reg.VecVirtual { return o.blend(2) })
	v.row("blend4", 4, func(o rowOperands) reg.VecVirtual { return o.blend(4) })
	v.row("addPair", 1, func(o rowOperands) reg.VecVirtual {
		r, d := o.load(rowA), o.load(rowDst)
		VADDPS(o.at(rowB), r, r)
		VMULPS(o.w[0], r, r)
		VADDPS(r, d, d)
		return d
	})
	v.addLog()
	v.sumExp()
	v.max()
}

// row writes a routine over n float32s, a multiple of sixteen, of up to four
// rows and weights.
func (v vectors) row(name string, weights int, f func(o rowOperands) reg.VecVirtual) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	o := rowOperands{vectors: v, base: map[int]reg.GPVirtual{}, off: GP64()}
	for i := range weights {
		o.w = append(o.w, v.register())
		VBROADCASTSS(Mem{Base: p, Disp: rowW + 4*i}, o.w[i])
	}
	for _, offset := range []int{rowDst, rowA, rowB, rowC, rowD} {
		o.base[offset] = field(p, offset)
	}
	n := field(p, rowN)
	XORQ(o.off, o.off)
	Label("loop")
	for o.part = range v.per() {
		VMOVUPS(f(o), o.at(rowDst))
	}
	ADDQ(U8(16), o.off)
	CMPQ(o.off, n)
	JL(LabelRef("loop"))
	ret()
}

type rowOperands struct {
	vectors
	base map[int]reg.GPVirtual // by offset of the field
	off  reg.GPVirtual
	part int
	w    []reg.VecVirtual
}

func (o rowOperands) at(field int) Mem {
	return o.vectors.part(Mem{Base: o.base[field], Index: o.off, Scale: 4}, o.part)
}

func (o rowOperands) load(field int) reg.VecVirtual {
	r := o.register()
	VMOVUPS(o.at(field), r)
	return r
}

// blend is the sum of so many rows, each with its weight.
func (o rowOperands) blend(rows int) reg.VecVirtual {
	sum := o.register()
	VMULPS(o.at(rowA), o.w[0], sum)
	for i, field := range []int{rowB, rowC, rowD}[:rows-1] {
		r := o.register()
		VMULPS(o.at(field), o.w[i+1], r)
		VADDPS(r, sum, sum)
	}
	return sum
}

// spectrumNumbers are the constants of exp2 and log1p.
var spectrumNumbers = map[string]float32{
	"lowest": -100, "whole": 3 << 22, "half": 0.5, "one": 1, "two": 2,
	"exp1": 0.69314718, "exp2": 0.24022651, "exp3": 0.05550411, "exp4": 0.00961813, "exp5": 0.00133336, "exp6": 0.00015403530,
	"log3": 1.0 / 3, "log5": 1.0 / 5, "log7": 1.0 / 7, "log9": 1.0 / 9, "log11": 1.0 / 11,
}

func c(name string) Mem {
	f, ok := spectrumNumbers[name]
	if !ok {
		panic(name)
	}
	return constant(f)
}

// exp2 makes y, at most 0, 2^y.
func (v vectors) exp2(y reg.VecVirtual) {
	n, f, p := v.register(), v.register(), v.register()
	VMAXPS(c("lowest"), y, y) // also in place of NaN
	VADDPS(c("whole"), y, n)
	VSUBPS(c("whole"), n, f)
	VSUBPS(f, y, f)
	VMULPS(c("exp6"), f, p)
	for _, name := range []string{"exp5", "exp4", "exp3", "exp2", "exp1"} {
		VADDPS(c(name), p, p)
		VMULPS(f, p, p)
	}
	VADDPS(c("one"), p, p)
	VPSLLD(U8(23), n, n)
	VPADDD(p, n, y)
}

// addLog: x = ln(eˣ + e^(y+gain)) in units of which scale are log₂ and back are
// ln's; see addLogTwin.
func (v vectors) addLog() {
	v.text("addLog", "func(x, y *float32, gain, scale, back float32, n int)")
	x, y, n := Load(Param("x"), GP64()), Load(Param("y"), GP64()), Load(Param("n"), GP64())
	var k [3]reg.VecVirtual
	for i, name := range []string{"gain", "scale", "back"} {
		scalar := XMM()
		Load(Param(name), scalar)
		k[i] = v.register()
		VBROADCASTSS(scalar, k[i])
	}
	off := GP64()
	XORQ(off, off)
	Label("loop")
	for i := range v.per() {
		at := func(r reg.Register) Mem { return v.part(Mem{Base: r, Index: off, Scale: 4}, i) }
		a, b, hi, other, e := v.register(), v.register(), v.register(), v.register(), v.register()
		VMOVUPS(at(x), a)
		VADDPS(at(y), k[0], b)
		// The larger; of two orders, one keeps a's NaN and the other b's.
		VMAXPS(a, b, hi)
		VMAXPS(b, a, other)
		VADDPS(other, hi, hi)
		VMULPS(c("half"), hi, hi)
		VSUBPS(a, b, e)
		if v.wide() {
			VPANDD(constantBits(1<<31-1), e, e)
		} else {
			VANDPS(constantBits(1<<31-1), e, e)
		}
		VMULPS(k[1], e, e)
		v.exp2(e)
		// ln(1+e) = 2 artanh(s), s = e/(2+e)
		s, q, p := v.register(), v.register(), v.register()
		VADDPS(c("two"), e, s)
		VDIVPS(s, e, s)
		VMULPS(s, s, q)
		VMULPS(c("log11"), q, p)
		for _, name := range []string{"log9", "log7", "log5", "log3", "one"} {
			VADDPS(c(name), p, p)
			if name != "one" {
				VMULPS(q, p, p)
			}
		}
		VADDPS(s, s, s)
		VMULPS(s, p, p)
		VMULPS(k[2], p, p)
		VADDPS(p, hi, hi)
		VMOVUPS(hi, at(x))
	}
	ADDQ(U8(16), off)
	CMPQ(off, n)
	JL(LabelRef("loop"))
	ret()
}

// sumExp: sums[i] += 2^(scale·(x[16k+i]-top)).
func (v vectors) sumExp() {
	v.text("sumExp", "func(sums, x *float32, top, scale float32, n int)")
	sums, x, n := Load(Param("sums"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	var k [2]reg.VecVirtual
	for i, name := range []string{"top", "scale"} {
		scalar := XMM()
		Load(Param(name), scalar)
		k[i] = v.register()
		VBROADCASTSS(scalar, k[i])
	}
	acc := v.lanes(sums)
	off := GP64()
	XORQ(off, off)
	Label("loop")
	for i := range acc {
		y := v.register()
		VMOVUPS(v.part(Mem{Base: x, Index: off, Scale: 4}, i), y)
		VSUBPS(k[0], y, y)
		VMULPS(k[1], y, y)
		v.exp2(y)
		VADDPS(y, acc[i], acc[i])
	}
	ADDQ(U8(16), off)
	CMPQ(off, n)
	JL(LabelRef("loop"))
	v.store(acc, sums)
}

// max: tops[i] is the largest of tops[i] and all x[16k+i].
func (v vectors) max() {
	v.text("max", "func(tops, x *float32, n int)")
	tops, x, n := Load(Param("tops"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	acc := v.lanes(tops)
	off := GP64()
	XORQ(off, off)
	Label("loop")
	for i := range acc {
		VMAXPS(v.part(Mem{Base: x, Index: off, Scale: 4}, i), acc[i], acc[i])
	}
	ADDQ(U8(16), off)
	CMPQ(off, n)
	JL(LabelRef("loop"))
	v.store(acc, tops)
}

// lanes takes sixteen lanes into registers.
func (v vectors) lanes(p reg.Register) []reg.VecVirtual {
	acc := make([]reg.VecVirtual, v.per())
	for i := range acc {
		acc[i] = v.register()
		VMOVUPS(v.part(Mem{Base: p}, i), acc[i])
	}
	return acc
}

// store writes them back and returns.
func (v vectors) store(acc []reg.VecVirtual, p reg.Register) {
	for i := range acc {
		VMOVUPS(acc[i], v.part(Mem{Base: p}, i))
	}
	ret()
}
