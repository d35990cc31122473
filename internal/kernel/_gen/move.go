package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// move begins a routine over the first n elements of arrays, a multiple of
// sixteen, by numbers; both follow each other in the argument struct, slices of
// 24 bytes and float32s. The body writes the arrays' new values.
func (v vectors) move(name string, arrays, numbers int, body func(at []Mem, k []reg.VecVirtual)) {
	v.text(name, "func(a *byte, n int)")
	p, n := Load(Param("a"), GP64()), Load(Param("n"), GP64())
	base, k := make([]reg.GPVirtual, arrays), make([]reg.VecVirtual, numbers)
	for i := range base {
		base[i] = field(p, i*24)
	}
	for i := range k {
		k[i] = v.register()
		VBROADCASTSS(Mem{Base: p, Disp: arrays*24 + i*4}, k[i])
	}
	off := GP64()
	XORQ(off, off)
	Label("loop")
	for i := range v.per() {
		at := make([]Mem, arrays)
		for j := range at {
			at[j] = v.part(Mem{Base: base[j], Index: off, Scale: 4}, i)
		}
		body(at, k)
	}
	ADDQ(U8(16), off)
	CMPQ(off, n)
	JL(LabelRef("loop"))
	ret()
}

func (v vectors) load(m Mem) reg.VecVirtual {
	r := v.register()
	VMOVUPS(m, r)
	return r
}

// moves are the optimisers' rules, as kernel.Momentum and kernel.Adam.
func (v vectors) moves() {
	v.move("momentum", 3, 6, func(at []Mem, k []reg.VecVirtual) {
		decay, into, keep, along, ahead, rate := k[0], k[1], k[2], k[3], k[4], k[5]
		w, u, d := v.load(at[0]), v.load(at[1]), v.load(at[2])
		VFMADD231PS(w, decay, d)
		VMULPS(into, d, d)
		VFMADD213PS(d, keep, u) // u = keep·u + d
		VMOVUPS(u, at[1])
		VMULPS(along, u, u)
		VFMADD231PS(ahead, d, u)
		VFNMADD231PS(rate, u, w)
		VMOVUPS(w, at[0])
	})
	v.move("descent", 3, 6, func(at []Mem, k []reg.VecVirtual) {
		w, d := v.load(at[0]), v.load(at[2])
		VFMADD231PS(w, k[0], d)
		VMULPS(k[1], d, d)
		VFNMADD231PS(k[5], d, w)
		VMOVUPS(w, at[0])
	})
	v.move("adam", 4, 7, func(at []Mem, k []reg.VecVirtual) {
		l2, keep, b1, b2, rate, root, eps := k[0], k[1], k[2], k[3], k[4], k[5], k[6]
		w, mean, square, d := v.load(at[0]), v.load(at[1]), v.load(at[2]), v.load(at[3])
		t := v.register()
		VFMADD231PS(w, l2, d)
		VSUBPS(mean, d, t)
		VFMADD231PS(b1, t, mean)
		VMOVUPS(mean, at[1])
		VFMSUB213PS(square, d, d) // d = d·d - square
		VFMADD231PS(b2, d, square)
		VMOVUPS(square, at[2])
		VSQRTPS(square, square)
		VFMADD213PS(eps, root, square) // square = root·square + eps
		VMULPS(rate, mean, mean)
		VDIVPS(square, mean, mean)
		VFMSUB213PS(mean, keep, w) // w = keep·w - mean
		VMOVUPS(w, at[0])
	})
}
