package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bank is kernel.bankTwin over n filters, at least one; strides are in bytes.
func (v vectors) bank() {
	v.text("bank", "func(dst, src *float32, filters *byte, weights *float32, n, dstStride, srcStride int)")
	dst, src, filters := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("filters"), GP64())
	weights, n := Load(Param("weights"), GP64()), Load(Param("n"), GP64())
	dstStride, stride := Load(Param("dstStride"), GP64()), Load(Param("srcStride"), GP64())
	row, count := GP64(), GP64()
	Label("filter")
	MOVLQSX(Mem{Base: filters}, row)
	MOVLQSX(Mem{Base: filters, Disp: 4}, count)
	IMULQ(stride, row)
	ADDQ(src, row)
	sums := make([]reg.VecVirtual, v.per())
	for i := range sums {
		sums[i] = v.register()
		v.zero(sums[i])
	}
	Label("row")
	w := v.broadcast(Mem{Base: weights})
	for i, s := range sums {
		VADDPS(v.product(w, v.part(Mem{Base: row}, i)), s, s)
	}
	ADDQ(U8(4), weights)
	ADDQ(stride, row)
	DECQ(count)
	JNZ(LabelRef("row"))
	for i, s := range sums {
		VMOVUPS(s, v.part(Mem{Base: dst}, i))
	}
	ADDQ(dstStride, dst)
	ADDQ(U8(8), filters)
	DECQ(n)
	JNZ(LabelRef("filter"))
	ret()
}
