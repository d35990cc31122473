package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// logs are loops over n float32s, a multiple of sixteen, not 0.
func (v vectors) logs() {
	v.text("log", "func(x *float32, n int, least, add, scale float32)")
	k := v.scalars("least", "add", "scale")
	v.each(func(x reg.VecVirtual) reg.VecVirtual {
		VMAXPS(x, k[0], x) // the second source, x, where x is NaN
		VADDPS(k[1], x, x)
		lowest := v.load(constantBits(0x00800000))
		VMAXPS(x, lowest, x)
		return v.log(x, k[2])
	})
	v.text("sqrt", "func(x *float32, n int)")
	v.each(func(x reg.VecVirtual) reg.VecVirtual {
		VSQRTPS(x, x)
		return x
	})
	v.text("clamp", "func(x *float32, n int, least float32)")
	k = v.scalars("least")
	v.each(func(x reg.VecVirtual) reg.VecVirtual {
		VMAXPS(x, k[0], x)
		return x
	})
}

func (v vectors) scalars(names ...string) []reg.VecVirtual {
	var k []reg.VecVirtual
	for _, name := range names {
		scalar := XMM()
		Load(Param(name), scalar)
		k = append(k, v.register())
		VBROADCASTSS(scalar, k[len(k)-1])
	}
	return k
}

func (v vectors) each(f func(x reg.VecVirtual) reg.VecVirtual) {
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	for i := range v.per() {
		m := v.part(Mem{Base: x}, i)
		VMOVUPS(f(v.load(m)), m)
	}
	ADDQ(U8(64), x)
	SUBQ(U8(16), n)
	JNZ(LabelRef("loop"))
	ret()
}

// log is scale·ln x as kernel.logTwin has it.
func (v vectors) log(x, scale reg.VecVirtual) reg.VecVirtual {
	above, f, e := v.register(), v.register(), v.register()
	VPSUBD(constantBits(0x3f3504f3), x, above)
	VPSRAD(U8(23), above, above)
	VCVTDQ2PS(above, e)
	VPSLLD(U8(23), above, above)
	VPSUBD(above, x, f)
	VSUBPS(constant(1), f, f)
	s, q, r, h := v.register(), v.register(), v.register(), v.register()
	VADDPS(constant(2), f, s)
	VDIVPS(s, f, s)
	VMULPS(s, s, q)
	VMULPS(constant(2.0/9), q, r)
	for _, c := range []float32{2.0 / 7, 2.0 / 5, 2.0 / 3} {
		VADDPS(constant(c), r, r)
		VMULPS(q, r, r)
	}
	VMULPS(constant(0.5), f, h)
	VMULPS(f, h, h)
	VADDPS(r, h, r)
	VMULPS(s, r, r)
	VMULPS(constant(-2.12194440e-4), e, s)
	VADDPS(s, r, r)
	VSUBPS(h, r, r)
	VADDPS(f, r, r)
	VMULPS(constant(0.693359375), e, e)
	VADDPS(e, r, r)
	VSUBPS(x, x, x)
	VADDPS(x, r, r)
	VMULPS(scale, r, r)
	return r
}
