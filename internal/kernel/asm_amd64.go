//go:build amd64 && !purego

package kernel

// The assembly, written by _gen. The loops in it run at least once.

//go:noescape
func tileAVX2(t *tile)

//go:noescape
func tileTAVX2(t *tile)

//go:noescape
func transposeAVX2(dst *float32, dstStride, dstStep int, src *float32, stride, step, n int)

//go:noescape
func squareSumsAVX2(a *sumArgs)

//go:noescape
func crossSumsAVX2(a *sumArgs)

//go:noescape
func gatedSumsAVX2(a *sumArgs)

//go:noescape
func affineXAVX2(a *affineArgs)

//go:noescape
func affineXAddAVX2(a *affineArgs)

//go:noescape
func affineXUAVX2(a *affineArgs)

//go:noescape
func affineXUGateAVX2(a *affineArgs)

//go:noescape
func affineUAVX2(a *affineArgs)

//go:noescape
func affineUGateAVX2(a *affineArgs)

//go:noescape
func reluAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func reluGradAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func reluGradSumAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func addAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func timesAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func addTimesAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func lerpAVX2(dst, a, b, c *float32, t float32, n int)

//go:noescape
func dotAVX2(sums *float64, a, b *float32, n int)

//go:noescape
func maxForwardAVX2(a *poolArgs)

//go:noescape
func maxBackwardAVX2(a *poolArgs)

//go:noescape
func chooseAVX2(a *chooseArgs)

//go:noescape
func giveAVX2(a *chooseArgs)

//go:noescape
func tileAVX512(t *tile)

//go:noescape
func tileTAVX512(t *tile)

//go:noescape
func transposeAVX512(dst *float32, dstStride, dstStep int, src *float32, stride, step, n int)

//go:noescape
func squareSumsAVX512(a *sumArgs)

//go:noescape
func crossSumsAVX512(a *sumArgs)

//go:noescape
func gatedSumsAVX512(a *sumArgs)

//go:noescape
func affineXAVX512(a *affineArgs)

//go:noescape
func affineXAddAVX512(a *affineArgs)

//go:noescape
func affineXUAVX512(a *affineArgs)

//go:noescape
func affineXUGateAVX512(a *affineArgs)

//go:noescape
func affineUAVX512(a *affineArgs)

//go:noescape
func affineUGateAVX512(a *affineArgs)

//go:noescape
func reluAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func reluGradAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func reluGradSumAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func addAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func timesAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func addTimesAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func lerpAVX512(dst, a, b, c *float32, t float32, n int)

//go:noescape
func dotAVX512(sums *float64, a, b *float32, n int)

//go:noescape
func maxForwardAVX512(a *poolArgs)

//go:noescape
func maxBackwardAVX512(a *poolArgs)

//go:noescape
func chooseAVX512(a *chooseArgs)

//go:noescape
func giveAVX512(a *chooseArgs)

//go:noescape
func descentAVX2(a *momentumArgs, n int)

//go:noescape
func momentumAVX2(a *momentumArgs, n int)

//go:noescape
func adamAVX2(a *adamArgs, n int)

//go:noescape
func descentAVX512(a *momentumArgs, n int)

//go:noescape
func momentumAVX512(a *momentumArgs, n int)

//go:noescape
func adamAVX512(a *adamArgs, n int)

//go:noescape
func expSumAVX2(sums *float64, x *float32, n int, center, scale float32)

//go:noescape
func rowMaxAVX2(most, x *float32, n int)

//go:noescape
func expSumAVX512(sums *float64, x *float32, n int, center, scale float32)

//go:noescape
func rowMaxAVX512(most, x *float32, n int)
