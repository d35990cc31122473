package main

import (
	"fmt"

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

// Offsets in kernel.poolArgs.
const (
	poolX, poolDX, poolY  = 0, 24, 48
	poolTaps, poolTapsLen = 72, 80
	poolChannels          = 96
)

// best goes over a window's taps and leaves the maximum and the tap that has
// it: a value wins if it is larger than the best so far, or NaN.
func (v vectors) best(l string, taps, left, x reg.GPVirtual, part int, withTap bool) (m, tap reg.VecVirtual) {
	m, tap = v.register(), v.register()
	current, one := v.register(), v.register()
	fill(m, 0xff800000) // -∞
	if withTap {
		v.zero(tap)
		v.zero(current)
		fill(one, 1)
	}
	t, n := GP64(), GP64()
	MOVQ(taps, t)
	MOVQ(left, n)
	Label("best" + l)
	off, f := GP64(), v.register()
	MOVQ(Mem{Base: t}, off)
	VMOVUPS(v.part(Mem{Base: x, Index: off, Scale: 4}, part), f)
	const greater, unordered = 14, 3
	if v.wide() {
		k, nan := K(), K()
		VCMPPS(U8(greater), m, f, k)
		VCMPPS(U8(unordered), f, f, nan)
		KORW(k, nan, k)
		VMOVAPS(f, k, m)
		if withTap {
			VMOVAPS(current, k, tap)
		}
	} else {
		k, nan := YMM(), YMM()
		VCMPPS(U8(greater), m, f, k)
		VCMPPS(U8(unordered), f, f, nan)
		VORPS(k, nan, k)
		VBLENDVPS(k, f, m, m)
		if withTap {
			VBLENDVPS(k, current, tap, tap)
		}
	}
	if withTap {
		VPADDD(one, current, current)
	}
	ADDQ(U8(8), t)
	DECQ(n)
	JNZ(LabelRef("best" + l))
	return m, tap
}

// fill sets each element of r.
func fill(r reg.VecVirtual, bits uint32) {
	g, x := GP32(), XMM()
	MOVL(U32(bits), g)
	VMOVD(g, x)
	VBROADCASTSS(x, r)
}

// maxForward: y = the maximum over taps of x, channel by channel.
func (v vectors) maxForward() {
	v.text("maxForward", "func(a *byte)")
	p := Load(Param("a"), GP64())
	x, y, taps, left, channels := field(p, poolX), field(p, poolY), field(p, poolTaps), field(p, poolTapsLen), field(p, poolChannels)
	Label("channel")
	for i := range v.per() {
		m, _ := v.best(fmt.Sprint(i), taps, left, x, i, false)
		VMOVUPS(m, v.part(Mem{Base: y}, i))
	}
	ADDQ(U8(64), x)
	ADDQ(U8(64), y)
	DECQ(channels)
	JNZ(LabelRef("channel"))
	ret()
}

// maxBackward: dx at the tap that has the maximum += y, the gradient.
func (v vectors) maxBackward() {
	v.text("maxBackward", "func(a *byte)")
	p := Load(Param("a"), GP64())
	x, dx, y, taps, left, channels := field(p, poolX), field(p, poolDX), field(p, poolY), field(p, poolTaps), field(p, poolTapsLen), field(p, poolChannels)
	Label("channel")
	for i := range v.per() {
		l := fmt.Sprint(i)
		_, tap := v.best(l, taps, left, x, i, true)
		dy, current, one := v.register(), v.register(), v.register()
		VMOVUPS(v.part(Mem{Base: y}, i), dy)
		v.zero(current)
		fill(one, 1)
		t, n := GP64(), GP64()
		MOVQ(taps, t)
		MOVQ(left, n)
		Label("give" + l)
		off := GP64()
		MOVQ(Mem{Base: t}, off)
		at := v.part(Mem{Base: dx, Index: off, Scale: 4}, i)
		d := v.register()
		if v.wide() {
			k := K()
			VPCMPEQD(current, tap, k)
			VMOVUPS(at, d)
			VADDPS(dy, d, k, d)
		} else {
			k := YMM()
			VPCMPEQD(current, tap, k)
			VMOVUPS(at, d)
			sum := YMM()
			VADDPS(dy, d, sum)
			VBLENDVPS(k, sum, d, d)
		}
		VMOVUPS(d, at)
		VPADDD(one, current, current)
		ADDQ(U8(8), t)
		DECQ(n)
		JNZ(LabelRef("give" + l))
	}
	ADDQ(U8(64), x)
	ADDQ(U8(64), dx)
	ADDQ(U8(64), y)
	DECQ(channels)
	JNZ(LabelRef("channel"))
	ret()
}
