package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes n transposed 16 × 16 blocks; see kernel.transposeTwin.
//
// Groups of four columns: a register takes them from rows i, i+4, i+8, i+12
// (AVX2: i, i+4), 128 bits each, so that unpacking within 128 bits finishes.
func (v vectors) transpose() {
	v.text("transpose", "func(dst *float32, dstStride, dstStep int, src *float32, stride, step, n int)")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	dstStride, stride := Load(Param("dstStride"), GP64()), Load(Param("stride"), GP64())
	SHLQ(U8(2), dstStride)
	SHLQ(U8(2), stride)
	three := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	n := Load(Param("n"), GP64())
	Label("block")
	var fours [4]reg.GPVirtual // rows 0, 4, 8, 12
	for i := range fours {
		fours[i] = GP64()
		if i == 0 {
			MOVQ(src, fours[0])
		} else {
			LEAQ(Mem{Base: fours[i-1], Index: stride, Scale: 4}, fours[i])
		}
	}
	row := func(r, column int) Mem {
		m := Mem{Base: fours[r/4], Disp: column * 4}
		switch r % 4 {
		case 1:
			m.Index, m.Scale = stride, 1
		case 2:
			m.Index, m.Scale = stride, 2
		case 3:
			m.Index, m.Scale = three, 1
		}
		return m
	}
	for half := range v.per() { // of the rows
		to := GP64() // row 4·group of dst
		MOVQ(dst, to)
		for group := range 4 { // of the columns
			var x [4]reg.VecVirtual
			for i := range x {
				x[i] = v.register()
				if v.wide() {
					VBROADCASTF32X4(row(i, group*4), x[i])
					for q := 1; q < 4; q++ {
						VINSERTF32X4(U8(q), row(4*q+i, group*4), x[i], x[i])
					}
				} else {
					VBROADCASTF128(row(half*8+i, group*4), x[i])
					VINSERTF128(U8(1), row(half*8+4+i, group*4), x[i], x[i])
				}
			}
			lo0, hi0, lo1, hi1 := v.register(), v.register(), v.register(), v.register()
			VUNPCKLPS(x[1], x[0], lo0)
			VUNPCKHPS(x[1], x[0], hi0)
			VUNPCKLPS(x[3], x[2], lo1)
			VUNPCKHPS(x[3], x[2], hi1)
			for i, pair := range [4][2]reg.VecVirtual{{lo0, lo1}, {lo0, lo1}, {hi0, hi1}, {hi0, hi1}} {
				out := v.register()
				if i%2 == 0 {
					VUNPCKLPD(pair[1], pair[0], out)
				} else {
					VUNPCKHPD(pair[1], pair[0], out)
				}
				VMOVUPS(out, Mem{Base: to, Disp: half * 32})
				ADDQ(dstStride, to)
			}
		}
	}
	for _, x := range []struct {
		r    reg.Register
		step string
	}{{src, "step"}, {dst, "dstStep"}} {
		step := Load(Param(x.step), GP64())
		LEAQ(Mem{Base: x.r, Index: step, Scale: 4}, x.r)
	}
	DECQ(n)
	JNZ(LabelRef("block"))
	ret()
}
