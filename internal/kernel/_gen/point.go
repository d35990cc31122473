package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// point writes a routine over n float32s, a multiple of sixteen: dst from dst
// before, a, b, c and the scalar t. Which of them it reads, f decides.
func (v vectors) point(name string, f func(o operands) reg.VecVirtual) {
	v.text(name, "func(dst, a, b, c *float32, t float32, n int)")
	dst, a, b, c := Load(Param("dst"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("c"), GP64())
	n := Load(Param("n"), GP64())
	scalar := XMM()
	Load(Param("t"), scalar)
	t, zero := v.register(), v.register()
	VBROADCASTSS(scalar, t)
	v.zero(zero)
	off := GP64()
	XORQ(off, off)
	Label("loop")
	for i := range v.per() {
		at := func(r reg.Register) Mem { return v.part(Mem{Base: r, Index: off, Scale: 4}, i) }
		VMOVUPS(f(operands{v, at(dst), at(a), at(b), at(c), t, zero}), at(dst))
	}
	ADDQ(U8(16), off)
	CMPQ(off, n)
	JL(LabelRef("loop"))
	ret()
}

type operands struct {
	vectors
	dst, a, b, c Mem
	t, zero      reg.VecVirtual
}

func (o operands) load(m Mem) reg.VecVirtual {
	r := o.register()
	VMOVUPS(m, r)
	return r
}

func (v vectors) points() {
	v.point("relu", func(o operands) reg.VecVirtual {
		r := o.load(o.a)
		VMAXPS(r, o.zero, r) // NaN stays
		return r
	})
	v.point("reluGrad", func(o operands) reg.VecVirtual {
		r := o.load(o.b)
		v.gate(r, o.zero, o.a)
		return r
	})
	v.point("reluGradSum", func(o operands) reg.VecVirtual {
		r := o.load(o.b)
		VADDPS(o.c, r, r)
		v.gate(r, o.zero, o.a)
		return r
	})
	v.point("add", func(o operands) reg.VecVirtual {
		r := o.load(o.a)
		VADDPS(o.b, r, r)
		return r
	})
	v.point("times", func(o operands) reg.VecVirtual {
		r := o.register()
		VMULPS(o.a, o.t, r)
		return r
	})
	v.point("addTimes", func(o operands) reg.VecVirtual {
		r := o.load(o.dst)
		VFMADD231PS(o.a, o.t, r)
		return r
	})
	v.point("lerp", func(o operands) reg.VecVirtual {
		d, r := o.load(o.dst), o.load(o.a)
		VSUBPS(d, r, r)
		VFMADD231PS(r, o.t, d)
		return d
	})
}

// dot: sums[i] = Σ a[16k+i]·b[16k+i] in float64, over n float32s, a multiple of
// sixteen.
func (v vectors) dot() {
	v.text("dot", "func(sums *float64, a, b *float32, n int)")
	sums := Load(Param("sums"), GP64())
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	n := Load(Param("n"), GP64())
	acc := make([]reg.VecVirtual, 2*v.per())
	for i := range acc {
		acc[i] = v.register()
		v.zero(acc[i])
	}
	off := GP64()
	XORQ(off, off)
	Label("loop")
	for i := range acc { // half a register of float32s is a whole one of float64s
		f, g := v.register(), v.register()
		VCVTPS2PD(Mem{Base: a, Index: off, Scale: 4, Disp: i * v.width * 2}, f)
		VCVTPS2PD(Mem{Base: b, Index: off, Scale: 4, Disp: i * v.width * 2}, g)
		VFMADD231PD(f, g, acc[i])
	}
	ADDQ(U8(16), off)
	CMPQ(off, n)
	JL(LabelRef("loop"))
	for i, r := range acc {
		VMOVUPD(r, Mem{Base: sums, Disp: i * v.width * 4})
	}
	ret()
}
