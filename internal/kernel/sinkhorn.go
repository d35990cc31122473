package kernel

import "math"

// Sinkhorn turns the scores q (M, K) of M samples and K prototypes into assignments,
// in place (Caron et al. 2020, equations 3 to 5): the matrix exp(scores/ε) whose
// columns, then rows, are scaled to equal sums, so many times over. A sample's
// assignment, a row, adds up to 1, and all prototypes are used about equally. A
// queue's samples are further rows.
//
// The scaling is done on logarithms, so that scores of any finite size are safe. It is
// shared out by columns and rows, each of which is added up by one worker, in order.
func Sinkhorn(q []float32, m, k int, epsilon float64, iterations int, scratch []float32) {
	check(len(q) >= m*k && len(scratch) >= SinkhornScratch(m, k), "Sinkhorn", "slice too short")
	b := balance{q: q, m: m, k: k, epsilon: epsilon, row: logs(scratch[:2*m]), column: logs(scratch[2*m : 2*(m+k)])}
	clear(b.row)
	clear(b.column)
	for range iterations {
		b.share(scaleColumns, k)
		b.share(scaleRows, m)
	}
	b.share(assignRows, m)
}

// A balance is Sinkhorn's scaling under way.
type balance struct {
	q           []float32
	m, k        int
	epsilon     float64
	row, column logs // of the scales
	pass        balancePass
}

var balances stash[balance]

// A balancePass goes over all columns, or over all rows.
type balancePass int

const (
	scaleColumns balancePass = iota // each is divided by its sum
	scaleRows                       // each is divided by its sum
	assignRows                      // from logarithms to assignments
)

// share goes over n columns or rows, rowsPerItem side by side: of columns these are one
// line of the cache.
func (b *balance) share(p balancePass, n int) {
	b.pass = p
	share(&balances, (n+rowsPerItem-1)/rowsPerItem, *b)
}

func (b *balance) Do(item int) {
	from := item * rowsPerItem
	switch b.pass {
	case scaleColumns:
		for j := from; j < min(b.k, from+rowsPerItem); j++ {
			b.column.set(j, b.column.at(j)-logSum(b.m, func(i int) float64 { return b.logit(i, j) }))
		}
	case scaleRows:
		for i := from; i < min(b.m, from+rowsPerItem); i++ {
			b.row.set(i, b.row.at(i)-logSum(b.k, func(j int) float64 { return b.logit(i, j) }))
		}
	case assignRows:
		for i := from; i < min(b.m, from+rowsPerItem); i++ {
			for j := range b.k {
				b.q[i*b.k+j] = float32(math.Exp(b.logit(i, j)))
			}
		}
	}
}

func (b *balance) logit(i, j int) float64 {
	return float64(b.q[i*b.k+j])/b.epsilon + b.row.at(i) + b.column.at(j)
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
