package loss

import "math"

// Sinkhorn turns the scores q (M, K) of M samples and K prototypes into assignments,
// in place (Caron et al. 2020, equations 3 to 5): the matrix exp(scores/ε) whose
// columns, then rows, are scaled to equal sums, so many times over. A sample's
// assignment, a row, adds up to 1, and all prototypes are used about equally. A
// queue's samples are further rows.
//
// The scaling is done on logarithms, so that scores of any finite size are safe.
func Sinkhorn(q []float32, m, k int, epsilon float64, iterations int, scratch []float32) {
	row, column := logs(scratch[:2*m]), logs(scratch[2*m:2*(m+k)]) // of the scales
	clear(row)
	clear(column)
	logit := func(i, j int) float64 { return float64(q[i*k+j])/epsilon + row.at(i) + column.at(j) }
	for range iterations {
		for j := range k { // divide each column by its sum
			column.set(j, column.at(j)-logSum(m, func(i int) float64 { return logit(i, j) }))
		}
		for i := range m {
			row.set(i, row.at(i)-logSum(k, func(j int) float64 { return logit(i, j) }))
		}
	}
	for i := range m {
		for j := range k {
			q[i*k+j] = float32(math.Exp(logit(i, j)))
		}
	}
}

// SinkhornScratch is the number of float32s that Sinkhorn needs.
func SinkhornScratch(m, k int) int { return 2 * (m + k) }

// logSum is log Σ exp(x(i)) over i < n, the largest taken out first.
func logSum(n int, x func(i int) float64) float64 {
	largest, sum := math.Inf(-1), 0.0
	for i := range n {
		largest = math.Max(largest, x(i))
	}
	for i := range n {
		sum += math.Exp(x(i) - largest)
	}
	return largest + math.Log(sum)
}

// logs are float64s in scratch, each the sum of two float32s: one alone would leave
// a logarithm of 20 an error of 1e-6.
type logs []float32

func (l logs) at(i int) float64 { return float64(l[2*i]) + float64(l[2*i+1]) }

func (l logs) set(i int, v float64) {
	l[2*i] = float32(v)
	l[2*i+1] = float32(v - float64(l[2*i]))
}
