package method

import (
	"clr/internal/kernel"
	"clr/internal/model"
)

// A ring holds the newest of the rows that were put into it. The first ones are
// unit vectors of random directions.
type ring struct {
	rows kernel.Array // (K, P)
	head kernel.Array // its oldest row, which the next one replaces
}

// maxQueue keeps a ring's head exact as a float32 in the checkpoint.
const maxQueue = 1 << 24

func (s Setup) ring(k, p int) *ring {
	r := &ring{rows: s.array(k, p), head: kernel.New()}
	if s.draft == nil {
		random := model.Rand(s.Seed, "queue")
		for i := range r.rows.Data {
			r.rows.Data[i] = float32(random.NormFloat64())
		}
		kernel.NormalizeRows(r.rows.Data, r.rows.Data, k, p, 1e-12)
	}
	return r
}

// put replaces the oldest rows.
func (r *ring) put(rows []float32) { // (N, P)
	k, p, head := r.rows.Shape[0], r.rows.Shape[1], int(r.head.Data[0])
	for ; len(rows) > 0; rows = rows[p:] {
		copy(r.rows.Data[head*p:(head+1)*p], rows[:p])
		head = (head + 1) % k
	}
	r.head.Data[0] = float32(head)
}

func (r *ring) state(into map[string]kernel.Array) {
	into["queue"], into["queue_head"] = r.rows, r.head
}
