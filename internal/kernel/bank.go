package kernel

// A Bank is a set of filters over the rows of a spectrum, or any weighted sums
// of rows. It does not change.
type Bank struct {
	filters []bankFilter
	weights []float32 // of all filters, one after the other
}

// A bankFilter weighs count rows, at least one, from first on.
type bankFilter struct{ first, count int32 }

// NewBank makes a bank of filters that weigh the rows from first[i] on.
func NewBank(first []int, weights [][]float64) *Bank {
	b := &Bank{filters: make([]bankFilter, 0, len(weights))}
	total := 0
	for _, row := range weights {
		total += max(1, len(row))
	}
	b.weights = make([]float32, 0, total)
	for i, row := range weights {
		if len(row) == 0 {
			row = []float64{0}
		}
		b.filters = append(b.filters, bankFilter{int32(first[i]), int32(len(row))})
		for _, w := range row {
			b.weights = append(b.weights, float32(w))
		}
	}
	return b
}

// Rows is how many rows Apply reads.
func (b *Bank) Rows() int {
	rows := 0
	for _, f := range b.filters {
		rows = max(rows, int(f.first+f.count))
	}
	return rows
}

// Apply sums rows of sixteen columns, srcStride apart, under each filter into
// one row of dst, dstStride apart. Sums go from the first row to the last and
// nothing is fused: every machine gives the same bytes.
func (b *Bank) Apply(dst []float32, dstStride int, src []float32, srcStride int) {
	if len(b.filters) == 0 {
		return
	}
	check(dstStride >= 0 && len(dst) >= (len(b.filters)-1)*dstStride+Lanes, "Bank.Apply", "result too short")
	check(srcStride >= 0 && len(src) >= (b.Rows()-1)*srcStride+Lanes, "Bank.Apply", "rows too short")
	runBank(dst, dstStride, src, srcStride, b)
}

func bankTwin(dst []float32, dstStride int, src []float32, srcStride int, b *Bank) {
	weights := b.weights
	for i, f := range b.filters {
		var sums lane
		for k := range int(f.count) {
			row := (*lane)(src[(int(f.first)+k)*srcStride:])
			for l, v := range row {
				sums[l] += float32(weights[k] * v)
			}
		}
		weights = weights[f.count:]
		*(*lane)(dst[i*dstStride:]) = sums
	}
}
