//go:build !amd64 || purego

package kernel

func runFirst(z, frames, window, twists []float32, n, leg int, half bool) {
	firstTwin(z, frames, window, twists, n, leg, half)
}

func runPass(z, twists []float32, radix, n, leg, step int) { passTwin(z, twists, radix, n, leg, step) }

func runPower(dst, z []float32, pairs []fourierPair) { powerTwin(dst, z, pairs) }

func runComplex(dst, z []float32, pairs []fourierPair) { complexTwin(dst, z, pairs) }

func runBank(dst []float32, dstStride int, src []float32, srcStride int, b *Bank) {
	bankTwin(dst, dstStride, src, srcStride, b)
}

func runLog(x []float32, least, add, scale float32) { logTwin(x, least, add, scale) }

func runSqrt(x []float32) { sqrtTwin(x) }

func runClamp(x []float32, least float32) { clampTwin(x, least) }
