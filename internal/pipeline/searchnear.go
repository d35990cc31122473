package pipeline

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"clr/internal/embedding"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// A near is a row of an index beside a query.
type near struct {
	row        int
	similarity float64
	window     int // of the query, that is nearest to it; of equal ones the first
}

// before orders rows: the nearer first, of equal ones the one that stands first.
func (n near) before(o near) int {
	return cmp.Or(cmp.Compare(o.similarity, n.similarity), cmp.Compare(n.row, o.row))
}

// A ranking is the nearest rows so far. Since no two rows are equal in their order,
// it does not matter in which order they are offered.
type ranking struct {
	mu   sync.Mutex
	most int
	best []near // in order
}

// offer takes rows that may be among the nearest, in order.
func (r *ranking) offer(some []near) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range some {
		if len(r.best) == r.most && n.before(r.best[r.most-1]) > 0 {
			return
		}
		at, _ := slices.BinarySearchFunc(r.best, n, near.before)
		r.best = slices.Insert(r.best, at, n)
		r.best = r.best[:min(len(r.best), r.most)]
	}
}

// scored is the working memory of some rows.
type scored struct {
	products []float32 // (rows, windows)
	scratch  []float32
	near     []near
}

// windowsAtOnce bounds the products that are held, where a query has many windows.
const windowsAtOnce = 256

// nearest compares every row of an index with every window of the queries, and
// gives the most similar rows of each query. A row's similarity is its cosine with
// the nearest window; that of a row of zeros is 0.
func (q *queries) nearest(ctx context.Context, x *embedding.Index, most int) ([][]near, error) {
	rankings := make([]ranking, len(q.first)-1)
	for i := range rankings {
		rankings[i].most = min(most, x.N)
	}
	var memory sync.Pool
	err := x.Scan(ctx, func(first int, rows []float32) error {
		m, _ := memory.Get().(*scored)
		if m == nil {
			m = &scored{}
		}
		defer memory.Put(m)
		n := len(rows) / q.dim
		lengths := make([]float64, n)
		for i := range lengths {
			lengths[i] = math.Sqrt(kernel.SumSquares(rows[i*q.dim : (i+1)*q.dim]))
			if !isFinite(lengths[i]) {
				return fault.New(fault.Data, "see what made this row, or leave it out", "row %d holds what is no finite number", first+i)
			}
		}
		for k := range rankings {
			q.score(m, first, rows, lengths, q.first[k], q.first[k+1])
			slices.SortFunc(m.near, near.before)
			rankings[k].offer(m.near)
		}
		return nil
	})
	all := make([][]near, len(rankings))
	for k := range rankings {
		all[k] = rankings[k].best
	}
	return all, err
}

// score makes m.near, the rows beside the windows from one to another.
func (q *queries) score(m *scored, first int, rows []float32, lengths []float64, from, to int) {
	n := len(lengths)
	m.near = m.near[:0]
	for i := range n {
		m.near = append(m.near, near{first + i, math.Inf(-1), from})
	}
	for ; from < to; from += windowsAtOnce {
		w := min(windowsAtOnce, to-from)
		m.products = grown(m.products, n*w)
		m.scratch = grown(m.scratch, kernel.MatMulScratch(n, w, q.dim))
		kernel.MatMul(m.products, rows, q.x[from*q.dim:(from+w)*q.dim], n, w, q.dim, false, true, false, m.scratch)
		for i := range n {
			for j, v := range m.products[i*w : (i+1)*w] {
				similarity := 0.0
				if lengths[i] > 0 {
					similarity = float64(v) / lengths[i]
				}
				if similarity > m.near[i].similarity {
					m.near[i].similarity, m.near[i].window = similarity, from+j
				}
			}
		}
	}
}

// grown is memory for n values.
func grown(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}
