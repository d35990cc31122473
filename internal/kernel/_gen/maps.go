package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// notLessEqual is VCMPPS's predicate for !(a ≤ b), true for NaN.
const notLessEqual = 6

// gate sets u to zero where y ≤ 0; zero is a register of zeros.
func (v vectors) gate(u, zero reg.VecVirtual, y Mem) {
	f := v.register()
	VMOVUPS(y, f)
	v.keep(u, f, zero)
}

// keep sets u to zero where y ≤ 0, with y in a register.
func (v vectors) keep(u, y, zero reg.VecVirtual) {
	if v.wide() {
		k := K()
		VCMPPS(U8(notLessEqual), zero, y, k)
		VMOVAPS_Z(u, k, u)
		return
	}
	VCMPPS(U8(notLessEqual), zero, y, y)
	VANDPS(y, u, u)
}

// A channel has five coefficients, each one number for all lanes or one a lane;
// see kernel.coefs.
const coefCount = 5

// both writes a body twice, for coefficients of one number a channel and of
// sixteen. The label of each begins with its letter; lanes is the field of the
// argument that says which to run.
func (v vectors) both(p reg.Register, lanes int, body func(c coefs)) {
	CMPB(Mem{Base: p, Disp: lanes}, Imm(0))
	JNE(LabelRef("lanes"))
	body(coefs{v, "c", false})
	ret()
	Label("lanes")
	body(coefs{v, "l", true})
	ret()
}

type coefs struct {
	vectors
	label string
	lanes bool
}

// step is the bytes from channel to channel.
func (c coefs) step() int {
	if c.lanes {
		return coefCount * 64
	}
	return coefCount * 4
}

// load gives coefficient k of the channel at coef, for register i of the lanes.
func (c coefs) load(coef reg.GPVirtual, k, i int) reg.VecVirtual {
	r := c.register()
	if c.lanes {
		VMOVUPS(c.part(Mem{Base: coef, Disp: k * 64}, i), r)
	} else {
		VBROADCASTSS(Mem{Base: coef, Disp: k * 4}, r)
	}
	return r
}

// Offsets in kernel.sumArgs.
const (
	sumAcc, sumPart        = 0, 24
	sumU, sumX             = 48, 72
	sumCoef                = 96
	sumPixels, sumChannels = 120, 128
	sumStep, sumLanes      = 136, 144
	doubleLanes            = 16 * 8 // bytes of sixteen float64s
	run                    = 16     // pixels that are summed in float32
	partSum, partProduct   = 0, 64  // in a channel's part
	partCenter, partStep   = 128, 192
)

// sums: per channel and lane, acc += two sums over pixels; see kernel.sumArgs.
// A run of pixels is summed in part, in float32, pixel by pixel so that memory
// is read in its order; then part goes to acc, in float64.
func (v vectors) sums(name string, cross, gated bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	v.both(p, sumLanes, func(k coefs) {
		pixels, step := field(p, sumPixels), bytesField(p, sumStep)
		u, x, zero := field(p, sumU), reg.GPVirtual(nil), v.register()
		v.zero(zero)
		if cross {
			x = field(p, sumX)
		}
		Label(k.label + "run")
		n, most := GP64(), GP64()
		MOVQ(pixels, n)
		MOVQ(U64(run), most)
		CMPQ(n, most)
		CMOVQGT(most, n)
		left := GP64()
		MOVQ(n, left)

		if !cross { // the center is the run's first pixel
			part, channels, off := field(p, sumPart), field(p, sumChannels), GP64()
			XORQ(off, off)
			Label(k.label + "center")
			for i := range v.per() {
				f := v.register()
				VMOVUPS(v.part(Mem{Base: u, Index: off, Scale: 1}, i), f)
				VMOVUPS(f, v.part(Mem{Base: part, Disp: partCenter}, i))
			}
			ADDQ(U8(64), off)
			ADDQ(U32(partStep), part)
			DECQ(channels)
			JNZ(LabelRef(k.label + "center"))
		}

		Label(k.label + "pixel")
		part, coef, channels, off := field(p, sumPart), field(p, sumCoef), field(p, sumChannels), GP64()
		XORQ(off, off)
		Label(k.label + "channel")
		if !cross { // of one stream the processor fetches too little ahead by itself
			PREFETCHT0(Mem{Base: u, Index: off, Scale: 1, Disp: 6144})
		}
		for i := range v.per() {
			at := func(r reg.Register) Mem { return v.part(Mem{Base: r, Index: off, Scale: 1}, i) }
			in := func(offset int) Mem { return v.part(Mem{Base: part, Disp: offset}, i) }
			sum, product, d := v.register(), v.register(), v.register()
			VMOVUPS(in(partProduct), product)
			if cross {
				VMOVUPS(at(x), d)
				VSUBPS(k.load(coef, 0, i), d, d)
				VMOVUPS(at(u), sum)
				if gated {
					t := k.load(coef, 4, i)
					VFMADD231PS(k.load(coef, 2, i), d, t)
					v.keep(sum, t, zero)
				}
				VFMADD231PS(sum, d, product)
			} else {
				VMOVUPS(in(partCenter), d)
				VSUBPS(at(u), d, d)
				VFMADD231PS(d, d, product)
				sum = d
			}
			VADDPS(in(partSum), sum, sum)
			VMOVUPS(sum, in(partSum))
			VMOVUPS(product, in(partProduct))
		}
		ADDQ(U8(64), off)
		ADDQ(U32(partStep), part)
		if cross {
			ADDQ(U32(k.step()), coef)
		}
		DECQ(channels)
		JNZ(LabelRef(k.label + "channel"))
		ADDQ(step, u)
		if cross {
			ADDQ(step, x)
		}
		DECQ(left)
		JNZ(LabelRef(k.label + "pixel"))

		v.flush(k.label, p, n, zero, cross)
		SUBQ(n, pixels)
		JNZ(LabelRef(k.label + "run"))
	})
}

// flush adds part to acc and sets it to zero. Without cross, part is of center
// - u over n pixels.
func (v vectors) flush(l string, p reg.Register, n reg.GPVirtual, zero reg.VecVirtual, cross bool) {
	acc, part, channels := field(p, sumAcc), field(p, sumPart), field(p, sumChannels)
	count := v.register()
	if !cross {
		c := XMM()
		VXORPS(c, c, c)
		VCVTSI2SDQ(n, c, c)
		VBROADCASTSD(c, count)
	}
	Label(l + "flush")
	for i := range v.per() {
		s, q := v.part(Mem{Base: part, Disp: partSum}, i), v.part(Mem{Base: part, Disp: partProduct}, i)
		sum32, product32 := v.register(), v.register()
		VMOVUPS(s, sum32)
		VMOVUPS(q, product32)
		VMOVUPS(zero, s)
		VMOVUPS(zero, q)
		sums, products := v.doubles(sum32), v.doubles(product32)
		var centers [2]reg.VecVirtual
		if !cross {
			center := v.register()
			VMOVUPS(v.part(Mem{Base: part, Disp: partCenter}, i), center)
			centers = v.doubles(center)
		}
		for j := range 2 {
			sum, product := v.register(), v.register()
			place := Mem{Base: acc, Disp: (2*i + j) * v.width * 4}
			VMOVUPD(place, sum)
			VMOVUPD(place.Offset(doubleLanes), product)
			if cross {
				VADDPD(sums[j], sum, sum)
			} else {
				t := v.register()
				VSUBPD(sums[j], sum, sum)
				VFMADD231PD(centers[j], count, sum)
				VMULPD(centers[j], count, t)
				VSUBPD(sums[j], t, t)
				VSUBPD(sums[j], t, t)
				VFMADD231PD(centers[j], t, product)
			}
			VADDPD(products[j], product, product)
			VMOVUPD(sum, place)
			VMOVUPD(product, place.Offset(doubleLanes))
		}
	}
	ADDQ(U32(2*doubleLanes), acc)
	ADDQ(U32(partStep), part)
	DECQ(channels)
	JNZ(LabelRef(l + "flush"))
}

// doubles converts a register of float32s to two of float64s.
func (v vectors) doubles(f reg.VecVirtual) [2]reg.VecVirtual {
	low, high := v.register(), v.register()
	if v.wide() {
		VCVTPS2PD(f.AsY(), low)
		h := YMM()
		VEXTRACTF32X8(U8(1), f, h)
		VCVTPS2PD(h, high)
	} else {
		VCVTPS2PD(f.AsX(), low)
		h := XMM()
		VEXTRACTF128(U8(1), f, h)
		VCVTPS2PD(h, high)
	}
	return [2]reg.VecVirtual{low, high}
}

// Offsets in kernel.affineArgs.
const (
	affineY, affineX, affineU = 0, 24, 48
	affineAdd                 = 72
	affineCoef, affineMask    = 96, 120
	affinePixels              = 184
	affineChannels            = 192
	affineReLU, affineLanes   = 200, 201
)

// affine: y = (x - k0)·k1 + k3 + û·k2 + add, then ReLU, then the mask; see
// kernel.affineArgs. x, u and add say which terms there are; a gated u is û.
func (v vectors) affine(name string, x, u, gated, add bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	y := field(p, affineY)
	var px, pu, pa reg.GPVirtual
	if x || gated {
		px = field(p, affineX)
	}
	if u {
		pu = field(p, affineU)
	}
	if add {
		pa = field(p, affineAdd)
	}
	zero := v.register()
	v.zero(zero)
	// the lower bound: 0 for ReLU, else -∞
	bound := v.register()
	v.zero(bound)
	CMPB(Mem{Base: p, Disp: affineReLU}, Imm(0))
	JNE(LabelRef("bounded"))
	fill(bound, 0xff800000)
	Label("bounded")
	mask := make([]reg.VecVirtual, v.per())
	for i := range mask {
		mask[i] = v.register()
		VMOVUPS(v.part(Mem{Base: p, Disp: affineMask}, i), mask[i])
	}
	v.both(p, affineLanes, func(k coefs) {
		pixels, off := field(p, affinePixels), GP64()
		XORQ(off, off)
		Label(k.label + "pixel")
		coef, channels := field(p, affineCoef), field(p, affineChannels)
		Label(k.label + "channel")
		for i := range v.per() {
			at := func(r reg.Register) Mem { return v.part(Mem{Base: r, Index: off, Scale: 1}, i) }
			sum, d := v.register(), v.register()
			if x || gated {
				VMOVUPS(at(px), d)
				VSUBPS(k.load(coef, 0, i), d, d)
			}
			if x {
				VMOVAPS(k.load(coef, 3, i), sum)
				VFMADD231PS(k.load(coef, 1, i), d, sum)
			}
			if u {
				f, scale := v.register(), k.load(coef, 2, i)
				VMOVUPS(at(pu), f)
				if gated {
					t := k.load(coef, 4, i)
					VFMADD231PS(scale, d, t)
					v.keep(f, t, zero)
				}
				if x {
					VFMADD231PS(scale, f, sum)
				} else {
					VMULPS(scale, f, sum)
				}
			}
			if add {
				VADDPS(at(pa), sum, sum)
			}
			VMAXPS(sum, bound, sum) // NaN stays
			VANDPS(mask[i], sum, sum)
			VMOVUPS(sum, at(y))
		}
		ADDQ(U8(64), off)
		ADDQ(U32(k.step()), coef)
		DECQ(channels)
		JNZ(LabelRef(k.label + "channel"))
		DECQ(pixels)
		JNZ(LabelRef(k.label + "pixel"))
	})
}
