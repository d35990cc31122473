//go:build amd64 && !purego

package kernel

//go:generate go -C _gen run . -group tile -out ../tile_amd64.s
//go:generate go -C _gen run . -group maps -out ../maps_amd64.s
//go:generate go -C _gen run . -group pool -out ../pool_amd64.s
//go:generate go -C _gen run . -group point -out ../point_amd64.s
//go:generate go -C _gen run . -group move -out ../move_amd64.s
//go:generate go -C _gen run . -group exp -out ../exp_amd64.s

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// detect asks for AVX and FMA, which any processor with AVX2 has, because Go's
// math.Exp rounds differently without: where there is assembly, all of Go's
// arithmetic is the same, even if GODEBUG=cpu.avx=off hides a part.
func detect() isa {
	switch {
	case !cpu.X86.HasAVX || !cpu.X86.HasAVX2 || !cpu.X86.HasFMA:
		return generic
	case !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ:
		return avx2
	}
	return avx512
}

// noAssembly is why the best may be plain Go.
const noAssembly = "the processor lacks AVX, AVX2 or FMA"

func detected() []string {
	var names []string
	for _, f := range []struct {
		name string
		has  bool
	}{{"avx", cpu.X86.HasAVX}, {"avx2", cpu.X86.HasAVX2}, {"fma", cpu.X86.HasFMA}, {"avx512f", cpu.X86.HasAVX512F}, {"avx512dq", cpu.X86.HasAVX512DQ}} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}

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

// transposeTo is transposeTwin, for n ≥ 1.
func transposeTo(dst []float32, dstStride, dstStep int, src []float32, stride, step, n int) {
	_, _ = dst[(n-1)*dstStep+15*dstStride+15], src[(n-1)*step+15*stride+15]
	switch machine.isa {
	case avx512:
		transposeAVX512(unsafe.SliceData(dst), dstStride, dstStep, unsafe.SliceData(src), stride, step, n)
	case avx2:
		transposeAVX2(unsafe.SliceData(dst), dstStride, dstStep, unsafe.SliceData(src), stride, step, n)
	default:
		transposeTwin(dst, dstStride, dstStep, src, stride, step, n)
	}
}

// runSums is sumsTwin.
func runSums(a *sumArgs) {
	switch {
	case machine.isa == generic:
		sumsTwin(a)
	case machine.isa == avx512 && a.x == nil:
		squareSumsAVX512(a)
	case machine.isa == avx512 && !a.gated:
		crossSumsAVX512(a)
	case machine.isa == avx512:
		gatedSumsAVX512(a)
	case a.x == nil:
		squareSumsAVX2(a)
	case !a.gated:
		crossSumsAVX2(a)
	default:
		gatedSumsAVX2(a)
	}
}

// runAffine is affineTwin.
func runAffine(a *affineArgs) {
	switch machine.isa {
	case avx512:
		switch {
		case a.u == nil && a.add == nil:
			affineXAVX512(a)
		case a.u == nil:
			affineXAddAVX512(a)
		case !a.flat && !a.gated:
			affineXUAVX512(a)
		case !a.flat:
			affineXUGateAVX512(a)
		case !a.gated:
			affineUAVX512(a)
		default:
			affineUGateAVX512(a)
		}
	case avx2:
		switch {
		case a.u == nil && a.add == nil:
			affineXAVX2(a)
		case a.u == nil:
			affineXAddAVX2(a)
		case !a.flat && !a.gated:
			affineXUAVX2(a)
		case !a.flat:
			affineXUGateAVX2(a)
		case !a.gated:
			affineUAVX2(a)
		default:
			affineUGateAVX2(a)
		}
	default:
		affineTwin(a)
	}
}

// runPoint is pointTwin.
func runPoint(p *pointArgs) {
	n := len(p.dst) &^ (Lanes - 1)
	if machine.isa == generic || n == 0 {
		pointTwin(p)
		return
	}
	dst, a, b, c := unsafe.SliceData(p.dst), unsafe.SliceData(p.a), unsafe.SliceData(p.b), unsafe.SliceData(p.c)
	if machine.isa == avx512 {
		switch p.op {
		case opReLU:
			reluAVX512(dst, a, b, c, p.t, n)
		case opReLUGrad:
			reluGradAVX512(dst, a, b, c, p.t, n)
		case opReLUGradSum:
			reluGradSumAVX512(dst, a, b, c, p.t, n)
		case opAdd:
			addAVX512(dst, a, b, c, p.t, n)
		case opTimes:
			timesAVX512(dst, a, b, c, p.t, n)
		case opAddTimes:
			addTimesAVX512(dst, a, b, c, p.t, n)
		case opLerp:
			lerpAVX512(dst, a, b, c, p.t, n)
		}
	} else {
		switch p.op {
		case opReLU:
			reluAVX2(dst, a, b, c, p.t, n)
		case opReLUGrad:
			reluGradAVX2(dst, a, b, c, p.t, n)
		case opReLUGradSum:
			reluGradSumAVX2(dst, a, b, c, p.t, n)
		case opAdd:
			addAVX2(dst, a, b, c, p.t, n)
		case opTimes:
			timesAVX2(dst, a, b, c, p.t, n)
		case opAddTimes:
			addTimesAVX2(dst, a, b, c, p.t, n)
		case opLerp:
			lerpAVX2(dst, a, b, c, p.t, n)
		}
	}
	rest := pointArgs{op: p.op, t: p.t, dst: p.dst[n:], a: p.a[n:]}
	if p.b != nil {
		rest.b = p.b[n:]
	}
	if p.c != nil {
		rest.c = p.c[n:]
	}
	pointTwin(&rest)
}

// runDot is dotTwin: products of float32s are exact in float64, so that fusing
// changes nothing.
func runDot(a, b []float32) float64 {
	n := len(a) &^ (Lanes - 1)
	if machine.isa == generic || n == 0 {
		return dotTwin(a, b)
	}
	var sums [Lanes]float64
	if machine.isa == avx512 {
		dotAVX512(&sums[0], &a[0], &b[0], n)
	} else {
		dotAVX2(&sums[0], &a[0], &b[0], n)
	}
	return dotRest(&sums, a[n:], b[n:])
}

// runMaxForward is maxForwardTwin.
func runMaxForward(a *poolArgs) {
	switch machine.isa {
	case avx512:
		maxForwardAVX512(a)
	case avx2:
		maxForwardAVX2(a)
	default:
		maxForwardTwin(a)
	}
}

// runMaxBackward is maxBackwardTwin.
func runMaxBackward(a *poolArgs) {
	switch machine.isa {
	case avx512:
		maxBackwardAVX512(a)
	case avx2:
		maxBackwardAVX2(a)
	default:
		maxBackwardTwin(a)
	}
}

// runChoose is chooseTwin.
func runChoose(a *chooseArgs) {
	switch machine.isa {
	case avx512:
		chooseAVX512(a)
	case avx2:
		chooseAVX2(a)
	default:
		chooseTwin(a)
	}
}

// runGive is giveTwin.
func runGive(a *chooseArgs) {
	switch machine.isa {
	case avx512:
		giveAVX512(a)
	case avx2:
		giveAVX2(a)
	default:
		giveTwin(a)
	}
}

// runMomentum is momentumTwin, for a multiple of sixteen elements, not 0.
func runMomentum(a *momentumArgs) {
	switch {
	case machine.isa == generic:
		momentumTwin(a)
	case machine.isa == avx512 && a.v == nil:
		descentAVX512(a, len(a.g))
	case machine.isa == avx512:
		momentumAVX512(a, len(a.g))
	case a.v == nil:
		descentAVX2(a, len(a.g))
	default:
		momentumAVX2(a, len(a.g))
	}
}

// runAdam is adamTwin, under the same condition.
func runAdam(a *adamArgs) {
	switch machine.isa {
	case avx512:
		adamAVX512(a, len(a.g))
	case avx2:
		adamAVX2(a, len(a.g))
	default:
		adamTwin(a)
	}
}

// runExpSum is expSumTwin, to the byte, for a multiple of sixteen elements, not 0.
func runExpSum(sums *[Lanes]float64, x []float32, center, scale float32) {
	switch machine.isa {
	case avx512:
		expSumAVX512(&sums[0], &x[0], len(x), center, scale)
	case avx2:
		expSumAVX2(&sums[0], &x[0], len(x), center, scale)
	default:
		expSumTwin(sums, x, center, scale)
	}
}

// runRowMax raises most to the largest elements of x, one per index modulo 16;
// the same condition.
func runRowMax(most *lane, x []float32) {
	switch machine.isa {
	case avx512:
		rowMaxAVX512(&most[0], &x[0], len(x))
	case avx2:
		rowMaxAVX2(&most[0], &x[0], len(x))
	default:
		most[0] = rowMaxTwin(most[0], x)
	}
}
