package main

import (
	"fmt"

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
	if v.wide() {
		k := K()
		VCMPPS(U8(notLessEqual), zero, f, k)
		VMOVAPS_Z(u, k, u)
		return
	}
	VCMPPS(U8(notLessEqual), zero, f, f)
	VANDPS(f, u, u)
}

// Offsets in kernel.sumArgs.
const (
	sumAcc                 = 0
	sumU, sumV, sumY       = 24, 48, 72
	sumPixels, sumChannels = 96, 104
	sumStep                = 112
	doubleLanes            = 16 * 8 // bytes of sixteen float64s
	pixelsAtOnce           = 4      // that share one load and store of the sums
)

// sums: per channel and lane, acc += (Σ u, Σ u·v) over pixels in float64. With
// gated, u counts where y is not ≤ 0; without cross, v is u. Pixels go four at
// a time with the channels inside, so that memory is read in long runs.
func (v vectors) sums(name string, cross, gated bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	pixels, step := field(p, sumPixels), bytesField(p, sumStep)
	u := field(p, sumU)
	streams := []reg.GPVirtual{u}
	x, y := u, u
	if cross {
		x = field(p, sumV)
		streams = append(streams, x)
	}
	if gated {
		y = field(p, sumY)
		streams = append(streams, y)
	}
	zero := v.register()
	v.zero(zero)
	three := GP64()
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, three)
	for _, n := range []int{pixelsAtOnce, 1} {
		l := fmt.Sprint(n)
		Label("pixels" + l)
		CMPQ(pixels, U8(n))
		JL(LabelRef("done" + l))
		acc, channels, off := field(p, sumAcc), field(p, sumChannels), GP64()
		XORQ(off, off)
		// pointers to the first of the n pixels; the channel is in off
		var at []reg.GPVirtual
		for _, s := range streams {
			r := GP64()
			MOVQ(s, r)
			at = append(at, r)
		}
		Label("channel" + l)
		doubles := make([]reg.VecVirtual, 2*2*v.per()) // Σ u, then Σ u·v
		for i := range doubles {
			doubles[i] = v.register()
			VMOVUPD(Mem{Base: acc, Disp: i * v.width * 4}, doubles[i])
		}
		for pixel := range n {
			place := func(r reg.GPVirtual) Mem {
				m := Mem{Base: r}
				switch pixel {
				case 1:
					m.Index, m.Scale = step, 1
				case 2:
					m.Index, m.Scale = step, 2
				case 3:
					m.Index, m.Scale = three, 1
				}
				return m
			}
			for i := range v.per() {
				f := v.register()
				VMOVUPS(v.part(place(at[0]), i), f)
				if gated {
					v.gate(f, zero, v.part(place(at[2]), i))
				}
				fs := v.doubles(f)
				gs := fs
				if cross {
					g := v.register()
					VMOVUPS(v.part(place(at[1]), i), g)
					gs = v.doubles(g)
				}
				for j := range 2 {
					sum, product := doubles[2*i+j], doubles[2*v.per()+2*i+j]
					VADDPD(fs[j], sum, sum)
					VFMADD231PD(fs[j], gs[j], product)
				}
			}
		}
		for i, d := range doubles {
			VMOVUPD(d, Mem{Base: acc, Disp: i * v.width * 4})
		}
		ADDQ(U32(2*doubleLanes), acc)
		for _, r := range at {
			ADDQ(U8(64), r)
		}
		DECQ(channels)
		JNZ(LabelRef("channel" + l))
		for _, s := range streams {
			for range n {
				ADDQ(step, s)
			}
		}
		SUBQ(U8(n), pixels)
		JMP(LabelRef("pixels" + l))
		Label("done" + l)
	}
	ret()
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
	affineGate, affineAdd     = 72, 96
	affineCoef, affineMask    = 120, 144
	affinePixels              = 208
	affineChannels            = 216
	affineReLU                = 224
)

// affine: y = (x - k0)·k1 + k3 + û·k2 + add, then ReLU, then the mask; see
// kernel.affineArgs. The letters of parts say which terms there are: x, a for
// add, u, g for its gate.
func (v vectors) affine(name string, x, u, gated, add bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	pixels, y := field(p, affinePixels), field(p, affineY)
	var px, pu, pg, pa reg.GPVirtual
	if x {
		px = field(p, affineX)
	}
	if u {
		pu = field(p, affineU)
	}
	if gated {
		pg = field(p, affineGate)
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
	inf := GP32()
	MOVL(U32(0xff800000), inf)
	low := XMM()
	VMOVD(inf, low)
	VBROADCASTSS(low, bound)
	Label("bounded")
	mask := make([]reg.VecVirtual, v.per())
	for i := range mask {
		mask[i] = v.register()
		VMOVUPS(v.part(Mem{Base: p, Disp: affineMask}, i), mask[i])
	}
	off := GP64()
	XORQ(off, off)
	Label("pixel")
	coef, channels := field(p, affineCoef), field(p, affineChannels)
	Label("channel")
	k := func(i int) Mem { return Mem{Base: coef, Disp: 4 * i} }
	at := func(r reg.GPVirtual, i int) Mem { return v.part(Mem{Base: r, Index: off, Scale: 1}, i) }
	var ks [4]reg.VecVirtual // AVX2 has no broadcast within an operation
	load := func(i int) {
		ks[i] = v.register()
		VBROADCASTSS(k(i), ks[i])
	}
	if x {
		load(3)
		if !v.wide() {
			load(0)
			load(1)
		}
	}
	if u && (!x || !v.wide()) {
		load(2)
	}
	for i := range v.per() {
		sum := v.register()
		if x {
			f := v.register()
			VMOVUPS(at(px, i), f)
			if v.wide() {
				VSUBPS_BCST(k(0), f, f)
				VMOVAPS(ks[3], sum)
				VFMADD231PS_BCST(k(1), f, sum)
			} else {
				VSUBPS(ks[0], f, f)
				VMOVAPS(ks[3], sum)
				VFMADD231PS(ks[1], f, sum)
			}
		}
		if u {
			f := v.register()
			VMOVUPS(at(pu, i), f)
			if gated {
				v.gate(f, zero, at(pg, i))
			}
			switch {
			case !x:
				VMULPS(ks[2], f, sum)
			case v.wide():
				VFMADD231PS_BCST(k(2), f, sum)
			default:
				VFMADD231PS(ks[2], f, sum)
			}
		}
		if add {
			VADDPS(at(pa, i), sum, sum)
		}
		VMAXPS(sum, bound, sum) // NaN stays
		VANDPS(mask[i], sum, sum)
		VMOVUPS(sum, at(y, i))
	}
	ADDQ(U8(64), off)
	ADDQ(U8(16), coef)
	DECQ(channels)
	JNZ(LabelRef("channel"))
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	ret()
}
