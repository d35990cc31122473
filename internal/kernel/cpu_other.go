//go:build !amd64 || purego

package kernel

import "runtime"

func detect() isa        { return generic }
func detected() []string { return nil }

// noAssembly is why there is plain Go only.
const noAssembly = "this build, for " + runtime.GOARCH + ", holds no assembly: there is some for amd64 without the tag purego"

func runTile(t *tile)               { tileTwin(t) }
func runTileT(t *tile)              { tileTTwin(t) }
func runSums(a *sumArgs)            { sumsTwin(a) }
func runAffine(a *affineArgs)       { affineTwin(a) }
func runPoint(p *pointArgs)         { pointTwin(p) }
func runDot(a, b []float32) float64 { return dotTwin(a, b) }
func runMaxForward(a *poolArgs)     { maxForwardTwin(a) }
func runMaxBackward(a *poolArgs)    { maxBackwardTwin(a) }
func runChoose(a *chooseArgs)       { chooseTwin(a) }
func runGive(a *chooseArgs)         { giveTwin(a) }
func runMomentum(a *momentumArgs)   { momentumTwin(a) }
func runAdam(a *adamArgs)           { adamTwin(a) }

func transposeTo(dst []float32, dstStride, dstStep int, src []float32, stride, step, n int) {
	transposeTwin(dst, dstStride, dstStep, src, stride, step, n)
}

func runRowMax(most *lane, x []float32) { most[0] = rowMaxTwin(most[0], x) }

func runExpSum(sums *[Lanes]float64, x []float32, center, scale float32) {
	expSumTwin(sums, x, center, scale)
}
