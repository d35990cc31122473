package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in kernel.tailArgs.
const (
	tailY, tailAdd, tailBias = 0, 24, 48
	tailPixels, tailChannels = 72, 80
	tailMask, tailReLU       = 88, 96
)

// tail: y = y + bias + add, then ReLU, then the mask; see kernel.tailArgs.
func (v vectors) tail(name string, add bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	y, r, pixels := field(p, tailY), field(p, tailAdd), field(p, tailPixels)
	bound := v.lowerBound(p, tailReLU)
	bits := field(p, tailMask)
	mask := make([]reg.VecVirtual, v.per())
	for i := range mask {
		mask[i] = v.register()
		VMOVUPS(v.part(Mem{Base: bits}, i), mask[i])
	}
	Label("pixel")
	bias, channels := field(p, tailBias), field(p, tailChannels)
	Label("channel")
	b := v.register()
	VBROADCASTSS(Mem{Base: bias}, b)
	for i := range v.per() {
		f := v.register()
		VADDPS(v.part(Mem{Base: y}, i), b, f)
		if add {
			VADDPS(v.part(Mem{Base: r}, i), f, f)
		}
		VMAXPS(f, bound, f) // NaN stays
		VANDPS(mask[i], f, f)
		VMOVUPS(f, v.part(Mem{Base: y}, i))
	}
	ADDQ(U8(64), y)
	if add {
		ADDQ(U8(64), r)
	}
	ADDQ(U8(4), bias)
	DECQ(channels)
	JNZ(LabelRef("channel"))
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	ret()
}

// lowerBound is 0 where the flag at offset is set, else -∞.
func (v vectors) lowerBound(p reg.Register, offset int) reg.VecVirtual {
	bound := v.register()
	v.zero(bound)
	CMPB(Mem{Base: p, Disp: offset}, Imm(0))
	JNE(LabelRef("bounded"))
	fill(bound, 0xff800000)
	Label("bounded")
	return bound
}
