//go:build amd64 && !purego

package kernel

//go:generate go -C _gen run . -out ../kernel_amd64.s

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

func detect() isa {
	switch {
	case !cpu.X86.HasAVX2 || !cpu.X86.HasFMA:
		return generic
	case !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ:
		return avx2
	}
	return avx512
}

// The assembly, see _gen. The loops in it run at least once.

//go:noescape
func tileAVX2(t *tile)

//go:noescape
func tileAVX512(t *tile)

//go:noescape
func tileTAVX2(t *tile)

//go:noescape
func tileTAVX512(t *tile)

//go:noescape
func transposeAVX2(dst, src *float32, stride, step, n int)

//go:noescape
func transposeAVX512(dst, src *float32, stride, step, n int)

// runTile makes the products of a tile; it has at least one seg, none empty.
// Calls go straight to the routines, not through variables, so that arguments
// stay on the caller's stack.
func runTile(t *tile) {
	switch machine.isa {
	case avx512:
		tileAVX512(t)
	case avx2:
		tileAVX2(t)
	default:
		tileTwin(t)
	}
}

// runTileT makes the products of a transposed tile, under the same condition.
func runTileT(t *tile) {
	switch machine.isa {
	case avx512:
		tileTAVX512(t)
	case avx2:
		tileTAVX2(t)
	default:
		tileTTwin(t)
	}
}

// transpose16 is transposeTwin, for n ≥ 1.
func transpose16(dst, src []float32, stride, step, n int) {
	_, _ = dst[n*256-1], src[(n-1)*step+15*stride+15]
	switch machine.isa {
	case avx512:
		transposeAVX512(unsafe.SliceData(dst), unsafe.SliceData(src), stride, step, n)
	case avx2:
		transposeAVX2(unsafe.SliceData(dst), unsafe.SliceData(src), stride, step, n)
	default:
		transposeTwin(dst, src, stride, step, n)
	}
}

func runSums(a *sumArgs)                         { sumsTwin(a) }
func runAffine(a *affineArgs, group *[Lanes]int) { affineTwin(a, group) }
func runPoint(p *pointArgs)                      { pointTwin(p) }
func runDot(a, b []float32) float64              { return dotTwin(a, b) }
