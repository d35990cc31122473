package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestLayerNorm(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {5, 24}, {33, 128}, {17, 40}, {40, 3}} {
		l := LayerNorm{N: s[0], D: s[1], Eps: 1e-5}
		x, dy, gamma, beta := random(1, l.N*l.D), random(2, l.N*l.D), random(3, l.D), random(4, l.D)
		for i := range l.D {
			x[i] = 3 // a row without deviation
		}
		wantY, wantDx, wantSums := layerNormLoops(l, x, dy, gamma, beta)
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v on %d", s, threads), func(t *testing.T) {
				procs(t, threads)
				y, dx, sums, scratch := guard(l.N*l.D), guard(l.N*l.D), guard(2*l.D), guard(l.ScratchSize())
				l.Apply(y.data, x, gamma, beta)
				l.Data(dx.data, x, gamma, dy)
				l.Sums(sums.data, x, dy, scratch.data)
				for _, g := range []guarded{y, dx, sums, scratch} {
					g.check(t, "layer norm")
				}
				near(t, "y", y.data, wantY, 1e-6)
				near(t, "dx", dx.data, wantDx, 1e-6)
				near(t, "sums", sums.data, wantSums, 1e-6)
				over, under := slices.Clone(x), slices.Clone(dy)
				l.Apply(over, over, gamma, beta)
				l.Data(under, x, gamma, under)
				sameBytes(t, "y in place", over, y.data)
				sameBytes(t, "dx in place", under, dx.data)
				noAllocs(t, "LayerNorm", func() {
					l.Apply(y.data, x, gamma, beta)
					l.Data(dx.data, x, gamma, dy)
					l.Sums(sums.data, x, dy, scratch.data)
				})
			})
		}
	}
}

// layerNormLoops differentiates Σ y·dy by the chain rule, one step at a time.
func layerNormLoops(l LayerNorm, x, dy, gamma, beta []float32) (y, dx, sums []float64) {
	y, dx, sums = make([]float64, l.N*l.D), make([]float64, l.N*l.D), make([]float64, 2*l.D)
	d := float64(l.D)
	for r := 0; r < l.N*l.D; r += l.D {
		mean, variance := 0.0, 0.0
		for i := range l.D {
			mean += float64(x[r+i]) / d
		}
		for i := range l.D {
			variance += math.Pow(float64(x[r+i])-mean, 2) / d
		}
		dev := math.Sqrt(variance + l.Eps)
		dvariance, dmean := 0.0, 0.0
		for i := range l.D {
			centred, dhat := float64(x[r+i])-mean, float64(dy[r+i])*float64(gamma[i])
			y[r+i] = centred/dev*float64(gamma[i]) + float64(beta[i])
			sums[i] += float64(dy[r+i]) * centred / dev
			sums[l.D+i] += float64(dy[r+i])
			dvariance -= dhat * centred / (2 * dev * dev * dev)
			dmean -= dhat / dev
		}
		for i := range l.D {
			dx[r+i] = float64(dy[r+i])*float64(gamma[i])/dev + dvariance*2*(float64(x[r+i])-mean)/d + dmean/d
		}
	}
	return y, dx, sums
}

func TestReferenceLayerNorm(t *testing.T) {
	eachReference(t, "layernorm", func(t *testing.T, c referenceCase) {
		x, gamma, beta, dy := c.must("x"), c.must("gamma"), c.must("beta"), c.must("dy")
		l := LayerNorm{N: x.Shape[0], D: x.Shape[1], Eps: 1e-5}
		y, dx, sums := make([]float32, len(x.Data)), make([]float32, len(x.Data)), make([]float32, 2*l.D)
		l.Apply(y, x.Data, gamma.Data, beta.Data)
		l.Data(dx, x.Data, gamma.Data, dy.Data)
		l.Sums(sums, x.Data, dy.Data, make([]float32, l.ScratchSize()))
		c.matches("y", y)
		c.matches("d_x", dx)
		c.matches("d_gamma", sums[:l.D])
		c.matches("d_beta", sums[l.D:])
	})
}
