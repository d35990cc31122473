//go:build amd64 && !purego

package kernel

import "unsafe"

//go:generate go -C _gen run . -group mel -out ../mel_amd64.s

// runBank is bankTwin, for one filter or more.
func runBank(dst []float32, dstStride int, src []float32, srcStride int, b *Bank) {
	switch machine.isa {
	case avx512:
		bankAVX512(&dst[0], &src[0], &b.filters[0], &b.weights[0], len(b.filters), 4*dstStride, 4*srcStride)
	case avx2:
		bankAVX2(&dst[0], &src[0], &b.filters[0], &b.weights[0], len(b.filters), 4*dstStride, 4*srcStride)
	default:
		bankTwin(dst, dstStride, src, srcStride, b)
	}
}

// runLog is logTwin, for a multiple of sixteen.
func runLog(x []float32, least, add, scale float32) {
	switch {
	case machine.isa == generic || len(x) == 0:
		logTwin(x, least, add, scale)
	case machine.isa == avx512:
		logAVX512(unsafe.SliceData(x), len(x), least, add, scale)
	default:
		logAVX2(unsafe.SliceData(x), len(x), least, add, scale)
	}
}

// runSqrt is sqrtTwin, for a multiple of sixteen.
func runSqrt(x []float32) {
	switch {
	case machine.isa == generic || len(x) == 0:
		sqrtTwin(x)
	case machine.isa == avx512:
		sqrtAVX512(unsafe.SliceData(x), len(x))
	default:
		sqrtAVX2(unsafe.SliceData(x), len(x))
	}
}

// runClamp is clampTwin, for a multiple of sixteen.
func runClamp(x []float32, least float32) {
	switch {
	case machine.isa == generic || len(x) == 0:
		clampTwin(x, least)
	case machine.isa == avx512:
		clampAVX512(unsafe.SliceData(x), len(x), least)
	default:
		clampAVX2(unsafe.SliceData(x), len(x), least)
	}
}

//go:noescape
func bankAVX2(dst, src *float32, filters *bankFilter, weights *float32, n, dstStride, srcStride int)

//go:noescape
func logAVX2(x *float32, n int, least, add, scale float32)

//go:noescape
func sqrtAVX2(x *float32, n int)

//go:noescape
func clampAVX2(x *float32, n int, least float32)

//go:noescape
func bankAVX512(dst, src *float32, filters *bankFilter, weights *float32, n, dstStride, srcStride int)

//go:noescape
func logAVX512(x *float32, n int, least, add, scale float32)

//go:noescape
func sqrtAVX512(x *float32, n int)

//go:noescape
func clampAVX512(x *float32, n int, least float32)
