package loss

import (
	"math"

	"clr/internal/kernel"
)

// Statistics of columns over a batch. Sixteen columns go side by side, which reads
// the rows in order; each column's sums are float64, from the first row to the last.

// center computes x = z - mean for each column of z (N, D).
func center(x, z []float32, n, d int) {
	for at := 0; at < d; at += kernel.Lanes {
		width := min(kernel.Lanes, d-at)
		var mean [kernel.Lanes]float64
		for i := range n {
			for l, v := range z[i*d+at:][:width] {
				mean[l] += float64(v) / float64(n)
			}
		}
		for i := range n {
			for l, v := range z[i*d+at:][:width] {
				x[i*d+at+l] = float32(float64(v) - mean[l])
			}
		}
	}
}

// standardize computes u = (z - mean) · inv for each column of z (N, D), with
// inv = 1/√(variance + eps), the variance being the mean of (z - mean)².
func standardize(u, inv, z []float32, n, d int, eps float64) {
	center(u, z, n, d)
	for at := 0; at < d; at += kernel.Lanes {
		width := min(kernel.Lanes, d-at)
		var variance [kernel.Lanes]float64
		for i := range n {
			for l, v := range u[i*d+at:][:width] {
				variance[l] += float64(float64(v)*float64(v)) / float64(n)
			}
		}
		for l := range width {
			inv[at+l] = float32(1 / math.Sqrt(variance[l]+eps))
		}
		for i := range n {
			for l := range width {
				u[i*d+at+l] *= inv[at+l]
			}
		}
	}
}

// standardizeGrad turns the gradient du by u into that by z, in place:
//
//	dz = inv · (du - mean(du) - u · mean(du u))
func standardizeGrad(du, u, inv []float32, n, d int) {
	for at := 0; at < d; at += kernel.Lanes {
		width := min(kernel.Lanes, d-at)
		var mean, along [kernel.Lanes]float64
		for i := range n {
			for l, v := range du[i*d+at:][:width] {
				mean[l] += float64(v) / float64(n)
				along[l] += float64(float64(v)*float64(u[i*d+at+l])) / float64(n)
			}
		}
		for i := range n {
			for l, v := range du[i*d+at:][:width] {
				out := float64(v) - mean[l] - float64(float64(u[i*d+at+l])*along[l])
				du[i*d+at+l] = float32(out * float64(inv[at+l]))
			}
		}
	}
}
