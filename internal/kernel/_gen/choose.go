package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in kernel.chooseArgs.
const (
	chooseX, chooseDX, chooseY = 0, 24, 48
	chooseTaps, chooseTapsLen  = 72, 80
	chooseCoef, chooseChannels = 96, 120
	chooseFrom, chooseTo       = 128, 136
	chooseMask                 = 144
	chooseAhead                = 208
	chooseLanes, chooseGated   = 216, 217
	greater, unordered         = 14, 3 // predicates of VCMPPS
)

// choose: y = x of the window's winner, channel by channel; see
// kernel.chooseArgs.
func (v vectors) choose() {
	v.text("choose", "func(a *byte)")
	p := Load(Param("a"), GP64())
	v.both(p, chooseLanes, func(k coefs) {
		x, y, coef, channels := field(p, chooseX), field(p, chooseY), field(p, chooseCoef), field(p, chooseChannels)
		Label(k.label + "channel")
		for i := range v.per() {
			w := k.winner(fmt.Sprint(k.label, i), p, x, coef, i, false)
			VMOVUPS(w.x, v.part(Mem{Base: y}, i))
		}
		ADDQ(U8(64), x)
		ADDQ(U8(64), y)
		ADDQ(U32(k.step()), coef)
		DECQ(channels)
		JNZ(LabelRef(k.label + "channel"))
	})
}

// give: dx at the window's winner += k2·û; see kernel.chooseArgs.
func (v vectors) give() {
	v.text("give", "func(a *byte)")
	p := Load(Param("a"), GP64())
	v.both(p, chooseLanes, func(k coefs) {
		x, dx, y, coef, channels := field(p, chooseX), field(p, chooseDX), field(p, chooseY), field(p, chooseCoef), field(p, chooseChannels)
		// what the winning t must be more than: 0, or NaN, which everything passes
		bound := v.register()
		v.zero(bound)
		CMPB(Mem{Base: p, Disp: chooseGated}, Imm(0))
		JNE(LabelRef(k.label + "channel"))
		fill(bound, 0x7fc00000)
		Label(k.label + "channel")
		for i := range v.per() {
			l := fmt.Sprint(k.label, i)
			w := k.winner(l, p, x, coef, i, true)
			u, current, one, scale := v.register(), v.register(), v.register(), k.load(coef, 2, i)
			VMOVUPS(v.part(Mem{Base: y}, i), u)
			v.keep(u, w.t, bound)
			VANDPS(v.part(Mem{Base: p, Disp: chooseMask}, i), u, u)
			fill(one, 1)
			t, left, skip := field(p, chooseTaps), field(p, chooseTo), field(p, chooseFrom)
			broadcastInt(current, skip)
			SUBQ(skip, left)
			JLE(LabelRef("given" + l))
			LEAQ(Mem{Base: t, Index: skip, Scale: 8}, t)
			Label("give" + l)
			off := GP64()
			MOVQ(Mem{Base: t}, off)
			at := v.part(Mem{Base: dx, Index: off, Scale: 4}, i)
			d := v.register()
			VMOVUPS(at, d)
			if v.wide() {
				mine := K()
				VPCMPEQD(current, w.tap, mine)
				VFMADD231PS(u, scale, mine, d)
			} else {
				mine, sum := YMM(), YMM()
				VPCMPEQD(current, w.tap, mine)
				VMOVAPS(d, sum)
				VFMADD231PS(u, scale, sum)
				VBLENDVPS(mine, sum, d, d)
			}
			VMOVUPS(d, at)
			VPADDD(one, current, current)
			ADDQ(U8(8), t)
			DECQ(left)
			JNZ(LabelRef("give" + l))
			Label("given" + l)
		}
		ADDQ(U8(64), x)
		ADDQ(U8(64), dx)
		ADDQ(U8(64), y)
		ADDQ(U32(k.step()), coef)
		DECQ(channels)
		JNZ(LabelRef(k.label + "channel"))
	})
}

// broadcastInt sets each element of r to the low half of g.
func broadcastInt(r reg.VecVirtual, g reg.GPVirtual) {
	x := XMM()
	VMOVD(g.As32(), x)
	VPBROADCASTD(x, r)
}

// won is what a window's winner has: t, and x or the number of its tap.
type won struct{ t, x, tap reg.VecVirtual }

// winner goes over a window's taps.
func (c coefs) winner(l string, p reg.Register, x, coef reg.GPVirtual, part int, withTap bool) won {
	center, scale, shift := c.load(coef, 0, part), c.load(coef, 2, part), c.load(coef, 4, part)
	taps, n := field(p, chooseTaps), field(p, chooseTapsLen)
	var next reg.GPVirtual
	if !withTap {
		next = bytesField(p, chooseAhead)
		ADDQ(x, next)
	}
	load := func() (t, f reg.VecVirtual) {
		off := GP64()
		t, f = c.register(), c.register()
		MOVQ(Mem{Base: taps}, off)
		VMOVUPS(c.part(Mem{Base: x, Index: off, Scale: 4}, part), f)
		if part == 0 && !withTap {
			PREFETCHT0(Mem{Base: next, Index: off, Scale: 4})
		}
		d := c.register()
		VSUBPS(center, f, d)
		VMOVAPS(shift, t)
		VFMADD231PS(scale, d, t)
		return t, f
	}
	var w won
	w.t, w.x = load()
	current, one := c.register(), c.register()
	if withTap {
		w.tap = c.register()
		c.zero(w.tap)
		c.zero(current)
		fill(one, 1)
	}
	DECQ(n)
	JZ(LabelRef("won" + l))
	Label("tap" + l)
	ADDQ(U8(8), taps)
	t, f := load()
	if withTap {
		VPADDD(one, current, current)
	}
	if c.wide() {
		k, nan := K(), K()
		VCMPPS(U8(greater), w.t, t, k)
		VCMPPS(U8(unordered), t, t, nan)
		KORW(k, nan, k)
		VMOVAPS(t, k, w.t)
		if withTap {
			VMOVAPS(current, k, w.tap)
		} else {
			VMOVAPS(f, k, w.x)
		}
	} else {
		k, nan := YMM(), YMM()
		VCMPPS(U8(greater), w.t, t, k)
		VCMPPS(U8(unordered), t, t, nan)
		VORPS(k, nan, k)
		VBLENDVPS(k, t, w.t, w.t)
		if withTap {
			VBLENDVPS(k, current, w.tap, w.tap)
		} else {
			VBLENDVPS(k, f, w.x, w.x)
		}
	}
	DECQ(n)
	JNZ(LabelRef("tap" + l))
	Label("won" + l)
	return w
}
