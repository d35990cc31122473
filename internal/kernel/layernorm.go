package kernel

import "math"

// A LayerNorm normalises each of N rows of D values by its own mean and variance
// (Ba, Kiros and Hinton 2016). It is plain Go: it comes once in a projector, and
// never over maps. Sums are float64, in the order of the values.
type LayerNorm struct {
	N, D int
	Eps  float64
}

// Apply computes y = gamma·x̂ + beta with x̂ = (x - mean)/√(variance + eps), the
// variance being the mean of (x - mean)²; gamma and beta are (D). y may be x.
func (l LayerNorm) Apply(y, x, gamma, beta []float32) {
	l.check("LayerNorm.Apply", y, x)
	share(&layerTasks, (l.N+rowsPerItem-1)/rowsPerItem, layerTask{LayerNorm: l, dst: y, x: x, gamma: gamma, beta: beta})
}

// Data computes dx from dy. With dŷ = gamma·dy it is
//
//	dx = (dŷ - mean(dŷ) - x̂·mean(dŷ·x̂)) / √(variance + eps)
//
// dx may be dy.
func (l LayerNorm) Data(dx, x, gamma, dy []float32) {
	l.check("LayerNorm.Data", dx, x, dy)
	share(&layerTasks, (l.N+rowsPerItem-1)/rowsPerItem, layerTask{LayerNorm: l, dst: dx, x: x, gamma: gamma, dy: dy})
}

// Sums computes dgamma and dbeta, the sums over rows of dy·x̂ and of dy: (2, D).
// scratch holds ScratchSize values.
func (l LayerNorm) Sums(sums, x, dy, scratch []float32) {
	l.check("LayerNorm.Sums", x, dy)
	check(len(sums) >= 2*l.D && len(scratch) >= l.ScratchSize(), "LayerNorm.Sums", "slice too short")
	share(&layerTasks, (l.N+rowsPerItem-1)/rowsPerItem, layerTask{LayerNorm: l, dst: scratch, x: x}) // x̂
	share(&layerSums, (l.D+Lanes-1)/Lanes, layerSum{LayerNorm: l, sums: sums, x: scratch, dy: dy})
}

// ScratchSize is the number of float32s that Sums needs.
func (l LayerNorm) ScratchSize() int { return l.N * l.D }

func (l LayerNorm) check(what string, arrays ...[]float32) {
	for _, a := range arrays {
		check(len(a) >= l.N*l.D, what, "slice too short")
	}
}

// A layerTask takes some rows: forward, and without gamma as far as x̂; or with dy
// backward.
type layerTask struct {
	LayerNorm
	dst, x, gamma, beta, dy []float32
}

var layerTasks stash[layerTask]

func (t *layerTask) Do(item int) {
	d := float64(t.D)
	for r := item * rowsPerItem; r < min(t.N, (item+1)*rowsPerItem); r++ {
		x, dst := t.x[r*t.D:][:t.D], t.dst[r*t.D:][:t.D]
		mean, variance := 0.0, 0.0
		for _, v := range x {
			mean += float64(v)
		}
		mean /= d
		for _, v := range x {
			diff := float64(v) - mean
			variance += float64(diff * diff)
		}
		inv := 1 / math.Sqrt(variance/d+t.Eps)
		hat := func(i int) float64 { return (float64(x[i]) - mean) * inv }
		switch {
		case t.gamma == nil:
			for i := range x {
				dst[i] = float32(hat(i))
			}
		case t.dy == nil:
			for i := range x {
				dst[i] = float32(float64(hat(i)*float64(t.gamma[i])) + float64(t.beta[i]))
			}
		default:
			dy := t.dy[r*t.D:][:t.D]
			all, along := 0.0, 0.0 // means of dŷ and dŷ·x̂
			for i, v := range dy {
				g := float64(v) * float64(t.gamma[i])
				all += g
				along += float64(g * hat(i))
			}
			all, along = all/d, along/d
			for i, v := range dy {
				g := float64(v) * float64(t.gamma[i])
				dst[i] = float32((float64(g-all) - float64(hat(i)*along)) * inv)
			}
		}
	}
}

// A layerSum takes sixteen columns, row by row.
type layerSum struct {
	LayerNorm
	sums, x, dy []float32
}

var layerSums stash[layerSum]

func (t *layerSum) Do(item int) {
	from := item * Lanes
	width := min(Lanes, t.D-from)
	var gamma, beta [Lanes]float64
	for r := range t.N {
		x, dy := t.x[r*t.D+from:][:width], t.dy[r*t.D+from:][:width]
		for i, v := range dy {
			gamma[i] += float64(float64(v) * float64(x[i]))
			beta[i] += float64(v)
		}
	}
	for i := range width {
		t.sums[from+i], t.sums[t.D+from+i] = float32(gamma[i]), float32(beta[i])
	}
}
