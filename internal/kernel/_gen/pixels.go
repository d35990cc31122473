package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in kernel.pixelArgs.
const (
	pixelX, pixelW, pixelY = 0, 24, 48
	pixelAdd, pixelBias    = 72, 96
	pixelPlaces, pixelTaps = 120, 144
	pixelN, pixelStep      = 152, 160
	pixelRows, pixelReLU   = 168, 176
)

const (
	pixelLine  = 32 * 4 // bytes of one step's weights
	pixelSteps = 4      // input channels at a time
	// pixelAhead is how many bytes before their use weights are fetched. The last
	// layers read theirs from memory, once; at 2048 that took a third longer.
	pixelAhead = 8192
)

// pixels: y[p] = bias + add[p] + Σ taps Σ k<n  x[places[tap][p] + k] · w[tap][k], for
// up to count pixels p and 32 columns, then ReLU; see kernel.pixelArgs. With
// AVX-512 the sums of all pixels stay in registers together; with AVX2 those of
// six pixels and sixteen columns.
func (v vectors) pixels(count int) {
	v.text(fmt.Sprint("pixels", count), "func(a *byte)")
	if v.wide() {
		v.pixelStrip(strip{0, count}, count, 0, 2)
		ret()
		return
	}
	for column := range 2 {
		for first := 0; first < count; first += 6 {
			v.pixelStrip(strip{first, min(6, count)}, count, 64*column, 2)
		}
	}
	ret()
}

// pixelStrip makes some pixels of count, and per vectors of columns from byte
// column on.
func (v vectors) pixelStrip(s strip, count, column, per int) {
	l := fmt.Sprintf("_%d_%d", column, s.first)
	sums := make([][]reg.VecVirtual, s.rows)
	for i := range sums {
		for range per {
			r := v.register()
			v.zero(r)
			sums[i] = append(sums[i], r)
		}
	}
	p := Load(Param("a"), GP64())
	w, places := field(p, pixelW), field(p, pixelPlaces)
	Label("tap" + l)
	// The pixels' pointers go to the end of the tap's channels, at counts up to it.
	p = Load(Param("a"), GP64())
	n, x := bytesField(p, pixelN), field(p, pixelX)
	ADDQ(n, x)
	at := make([]reg.GPVirtual, s.rows)
	for i := range at {
		at[i] = field(places, (s.first+i)*8)
		LEAQ(Mem{Base: x, Index: at[i], Scale: 4}, at[i])
	}
	ADDQ(U32(uint32(count*8)), places)
	p = Load(Param("a"), GP64())
	k := bytesField(p, pixelN)
	NEGQ(k)
	Label("one" + l)
	TESTQ(U32(pixelSteps*4-1), k)
	JZ(LabelRef("four" + l))
	v.pixelStep(sums, w, at, k, column, 0)
	ADDQ(U32(pixelLine), w)
	ADDQ(U8(4), k)
	JMP(LabelRef("one" + l))
	Label("four" + l)
	TESTQ(k, k)
	JZ(LabelRef("next" + l))
	Label("steps" + l)
	for u := range pixelSteps {
		v.pixelStep(sums, w, at, k, column, u)
	}
	ADDQ(U32(pixelSteps*pixelLine), w)
	ADDQ(U8(pixelSteps*4), k)
	JNZ(LabelRef("steps" + l))
	Label("next" + l)
	p = Load(Param("a"), GP64())
	end := field(p, pixelPlaces)
	taps := field(p, pixelTaps)
	IMUL3Q(U32(uint32(count*8)), taps, taps)
	ADDQ(taps, end)
	CMPQ(places, end)
	JB(LabelRef("tap" + l))
	v.pixelTail(l, sums, s, column)
}

// pixelStep adds the products of one input channel.
func (v vectors) pixelStep(sums [][]reg.VecVirtual, w reg.Register, at []reg.GPVirtual, k reg.Register, column, u int) {
	weights := make([]reg.VecVirtual, len(sums[0]))
	for j := range weights {
		weights[j] = v.register()
		VMOVUPS(Mem{Base: w, Disp: u*pixelLine + column + j*v.width*4}, weights[j])
		if v.wide() || j == 0 {
			PREFETCHT1(Mem{Base: w, Disp: u*pixelLine + column + j*v.width*4 + pixelAhead})
		}
	}
	for i, row := range sums {
		f := v.register()
		VBROADCASTSS(Mem{Base: at[i], Index: k, Scale: 1, Disp: u * 4}, f)
		for j, sum := range row {
			VFMADD231PS(weights[j], f, sum)
		}
	}
}

// pixelTail adds bias and residual, takes the ReLU and stores the rows that exist.
func (v vectors) pixelTail(l string, sums [][]reg.VecVirtual, s strip, column int) {
	p := Load(Param("a"), GP64())
	y, add, bias := field(p, pixelY), field(p, pixelAdd), field(p, pixelBias)
	step, rows := bytesField(p, pixelStep), field(p, pixelRows)
	for j := range sums[0] {
		b := v.register()
		VMOVUPS(Mem{Base: bias, Disp: column + j*v.width*4}, b)
		for _, row := range sums {
			VADDPS(b, row[j], row[j])
		}
	}
	skip := GP64()
	MOVQ(step, skip)
	IMUL3Q(U32(uint32(s.first)), skip, skip)
	ADDQ(skip, y)
	TESTQ(add, add)
	JZ(LabelRef("added" + l))
	ADDQ(skip, add)
	for i, row := range sums {
		CMPQ(rows, U8(s.first+i))
		JLE(LabelRef("added" + l))
		for j, sum := range row {
			VADDPS(Mem{Base: add, Disp: column + j*v.width*4}, sum, sum)
		}
		ADDQ(step, add)
	}
	Label("added" + l)
	bound := v.register()
	v.zero(bound)
	CMPB(Mem{Base: p, Disp: pixelReLU}, Imm(0))
	JNE(LabelRef("bounded" + l))
	fill(bound, 0xff800000)
	Label("bounded" + l)
	for i, row := range sums {
		CMPQ(rows, U8(s.first+i))
		JLE(LabelRef("stored" + l))
		for j, sum := range row {
			VMAXPS(sum, bound, sum) // NaN stays
			VMOVUPS(sum, Mem{Base: y, Disp: column + j*v.width*4})
		}
		ADDQ(step, y)
	}
	Label("stored" + l)
}
