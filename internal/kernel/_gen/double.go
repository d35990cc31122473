package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// double is kernel.doubleTwin of a tile of 8 × 8 over n steps, at least one;
// strides are in bytes. Sums of all eight rows fit the registers of AVX-512, of four
// those of AVX2.
func (v vectors) double() {
	v.text("double", "func(c, a, b *float64, n, cRow, aRow, aStep, bRow int)")
	c, a, b, n := Load(Param("c"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("n"), GP64())
	cRow, aRow := Load(Param("cRow"), GP64()), Load(Param("aRow"), GP64())
	aStep, bRow := Load(Param("aStep"), GP64()), Load(Param("bRow"), GP64())
	rows, parts := 4, 2 // at once; registers of a row
	if v.wide() {
		rows, parts = 8, 1
	}
	part := func(m Mem, i int) Mem { return m.Offset(i * v.width * 4) }
	for top := 0; top < 8; top += rows {
		// rows 3 and 6 have registers of their own, from which the others are one or two strides away
		left := make([]reg.GPVirtual, 0, 3)
		for i := 0; i < rows; i += 3 {
			p := GP64()
			if i == 0 {
				MOVQ(a, p)
			} else {
				LEAQ(Mem{Base: left[len(left)-1], Index: aRow, Scale: 1}, p)
				LEAQ(Mem{Base: p, Index: aRow, Scale: 2}, p)
			}
			left = append(left, p)
		}
		at := func(i int) Mem {
			m := Mem{Base: left[i/3]}
			if i%3 > 0 {
				m.Index, m.Scale = aRow, uint8(i%3)
			}
			return m
		}
		right, count, to := GP64(), GP64(), GP64()
		MOVQ(b, right)
		MOVQ(n, count)
		MOVQ(c, to)
		sums := make([][]reg.VecVirtual, rows)
		for i := range sums {
			for j := range parts {
				s := v.register()
				VMOVUPD(part(Mem{Base: to}, j), s)
				sums[i] = append(sums[i], s)
			}
			ADDQ(cRow, to)
		}
		loop := fmt.Sprint("step", top)
		Label(loop)
		columns := make([]reg.VecVirtual, parts)
		for j := range columns {
			columns[j] = v.register()
			VMOVUPD(part(Mem{Base: right}, j), columns[j])
		}
		for i, row := range sums {
			if v.wide() {
				t := v.register()
				VMULPD_BCST(at(i), columns[0], t)
				VADDPD(t, row[0], row[0])
				continue
			}
			x := v.register()
			VBROADCASTSD(at(i), x)
			for j, s := range row {
				t := v.register()
				VMULPD(x, columns[j], t)
				VADDPD(t, s, s)
			}
		}
		for _, p := range left {
			ADDQ(aStep, p)
		}
		ADDQ(bRow, right)
		DECQ(count)
		JNZ(LabelRef(loop))
		MOVQ(c, to)
		for _, row := range sums {
			for j, s := range row {
				VMOVUPD(s, part(Mem{Base: to}, j))
			}
			ADDQ(cRow, to)
		}
		if top+rows < 8 {
			LEAQ(Mem{Base: a, Index: aRow, Scale: 4}, a)
			LEAQ(Mem{Base: c, Index: cRow, Scale: 4}, c)
		}
	}
	ret()
}
