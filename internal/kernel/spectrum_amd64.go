//go:build amd64 && !purego

package kernel

import "unsafe"

//go:generate go -C _gen run . -group spectrum -out ../spectrum_amd64.s

// runRow is rowTwin, for all of a row.
func runRow(p *rowArgs) {
	if p.n = len(p.dst) &^ (Lanes - 1); machine.isa == generic || p.n == 0 {
		p.n = 0
		rowTwin(p)
		return
	}
	switch wide := machine.isa == avx512; {
	case p.op == opRescale && wide:
		rescaleAVX512(p)
	case p.op == opRescale:
		rescaleAVX2(p)
	case p.op == opBlend && wide:
		blendAVX512(p)
	case p.op == opBlend:
		blendAVX2(p)
	case p.op == opBlend4 && wide:
		blend4AVX512(p)
	case p.op == opBlend4:
		blend4AVX2(p)
	case wide:
		addPairAVX512(p)
	default:
		addPairAVX2(p)
	}
	rowTwin(p)
}

// runAddLog is addLogTwin, for a multiple of sixteen.
func runAddLog(x, y []float32, gain, scale, back float32) {
	switch {
	case machine.isa == generic || len(x) == 0:
		addLogTwin(x, y, gain, scale, back)
	case machine.isa == avx512:
		addLogAVX512(unsafe.SliceData(x), unsafe.SliceData(y), gain, scale, back, len(x))
	default:
		addLogAVX2(unsafe.SliceData(x), unsafe.SliceData(y), gain, scale, back, len(x))
	}
}

// runSumExp is sumExpTwin, for a multiple of sixteen.
func runSumExp(sums *[Lanes]float32, x []float32, top, scale float32) {
	switch {
	case machine.isa == generic || len(x) == 0:
		sumExpTwin(sums, x, top, scale)
	case machine.isa == avx512:
		sumExpAVX512(&sums[0], unsafe.SliceData(x), top, scale, len(x))
	default:
		sumExpAVX2(&sums[0], unsafe.SliceData(x), top, scale, len(x))
	}
}

// runMax is maxTwin, for a multiple of sixteen.
func runMax(tops *[Lanes]float32, x []float32) {
	switch {
	case machine.isa == generic || len(x) == 0:
		maxTwin(tops, x)
	case machine.isa == avx512:
		maxAVX512(&tops[0], unsafe.SliceData(x), len(x))
	default:
		maxAVX2(&tops[0], unsafe.SliceData(x), len(x))
	}
}

//go:noescape
func rescaleAVX2(a *rowArgs)

//go:noescape
func blendAVX2(a *rowArgs)

//go:noescape
func blend4AVX2(a *rowArgs)

//go:noescape
func addPairAVX2(a *rowArgs)

//go:noescape
func addLogAVX2(x, y *float32, gain, scale, back float32, n int)

//go:noescape
func sumExpAVX2(sums, x *float32, top, scale float32, n int)

//go:noescape
func maxAVX2(tops, x *float32, n int)

//go:noescape
func rescaleAVX512(a *rowArgs)

//go:noescape
func blendAVX512(a *rowArgs)

//go:noescape
func blend4AVX512(a *rowArgs)

//go:noescape
func addPairAVX512(a *rowArgs)

//go:noescape
func addLogAVX512(x, y *float32, gain, scale, back float32, n int)

//go:noescape
func sumExpAVX512(sums, x *float32, top, scale float32, n int)

//go:noescape
func maxAVX512(tops, x *float32, n int)
