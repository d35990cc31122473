package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The coefficients of kernel.exp32.
var expPoly = []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

const (
	expLog2e = 1.44269504088896341
	expRound = 3 << 22
	expLn2Hi = 0.693359375
	expLn2Lo = -2.12194440e-4
	expLeast = -87.33654
)

// exp is eᶻ as kernel.exp32 has it: no product is fused.
func (v vectors) exp(z reg.VecVirtual) reg.VecVirtual {
	t, k, r, f := v.register(), v.register(), v.register(), v.register()
	VMULPS(constant(expLog2e), z, t)
	VADDPS(constant(expRound), t, t)
	VSUBPS(constant(expRound), t, k)
	VMULPS(constant(expLn2Hi), k, f)
	VSUBPS(f, z, r)
	VMULPS(constant(expLn2Lo), k, f)
	VSUBPS(f, r, r)
	p := v.register()
	VMOVUPS(constant(expPoly[0]), p)
	for _, c := range expPoly[1:] {
		VMULPS(r, p, p)
		VADDPS(constant(c), p, p)
	}
	VMULPS(r, p, p)
	VMULPS(r, p, p)
	VADDPS(r, p, p)
	VADDPS(constant(1), p, p)
	VPADDD(constantBits(127-math.Float32bits(expRound)), t, t)
	VPSLLD(U8(23), t, t)
	VMULPS(t, p, p)
	const notLess = 5 // VCMPPS's predicate, true for NaN
	if v.wide() {
		keep := K()
		VCMPPS(U8(notLess), constant(expLeast), z, keep)
		VMOVAPS_Z(p, keep, p)
	} else {
		VCMPPS(U8(notLess), constant(expLeast), z, f)
		VANDPS(f, p, p)
	}
	return p
}

// exps: x = exp((x - center)·scale) for n elements, a multiple of sixteen, and
// sums[i] += what is at i modulo 16; and most[i] = the largest there.
func (v vectors) exps() {
	v.text("expSum", "func(sums *float64, x *float32, n int, center, scale float32)")
	sums, x, n := Load(Param("sums"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	var one [2]reg.VecVirtual
	for i, name := range []string{"center", "scale"} {
		s := XMM()
		Load(Param(name), s)
		one[i] = v.register()
		VBROADCASTSS(s, one[i])
	}
	acc := make([]reg.VecVirtual, 2*v.per())
	for i := range acc {
		acc[i] = v.register()
		VMOVUPD(Mem{Base: sums, Disp: i * v.width * 4}, acc[i])
	}
	Label("loop")
	for i := range v.per() {
		at := v.part(Mem{Base: x}, i)
		z := v.load(at)
		VSUBPS(one[0], z, z)
		VMULPS(one[1], z, z)
		e := v.exp(z)
		VMOVUPS(e, at)
		for j, d := range v.doubles(e) {
			VADDPD(d, acc[2*i+j], acc[2*i+j])
		}
	}
	ADDQ(U8(64), x)
	SUBQ(U8(16), n)
	JNZ(LabelRef("loop"))
	for i, r := range acc {
		VMOVUPD(r, Mem{Base: sums, Disp: i * v.width * 4})
	}
	ret()

	v.text("rowMax", "func(most, x *float32, n int)")
	most, x, n := Load(Param("most"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	m := make([]reg.VecVirtual, v.per())
	for i := range m {
		m[i] = v.load(v.part(Mem{Base: most}, i))
	}
	Label("loop")
	for i, r := range m {
		f := v.load(v.part(Mem{Base: x}, i))
		VMAXPS(r, f, r) // the second operand, r, where f is NaN
	}
	ADDQ(U8(64), x)
	SUBQ(U8(16), n)
	JNZ(LabelRef("loop"))
	for i, r := range m {
		VMOVUPS(r, v.part(Mem{Base: most}, i))
	}
	ret()
}
