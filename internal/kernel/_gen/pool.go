package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

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
