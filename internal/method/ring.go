package method

import (
	"clr/internal/kernel"
	"clr/internal/model"
)

// A ring is a queue of unit rows that earlier batches left, which turns: new rows
// replace the oldest. It begins as random ones. A ring may be of several parts, each
// with rows of its own.
type ring struct {
	rows  kernel.Array // (A·K, P), a part after the other
	head  kernel.Array // each part's oldest row, which the next one replaces
	parts int
}

// ring makes one of A parts with K rows of P values.
func (s Setup) ring(parts, k, p int) *ring {
	r := &ring{rows: s.array(parts*k, p), head: kernel.New(), parts: parts}
	if s.draft == nil {
		random := model.Rand(s.Seed, "queue")
		for i := range r.rows.Data {
			r.rows.Data[i] = float32(random.NormFloat64())
		}
		kernel.NormalizeRows(r.rows.Data, r.rows.Data, parts*k, p, 1e-12)
	}
	return r
}

// size is how many rows a part has.
func (r *ring) size() int { return r.rows.Shape[0] / r.parts }

// push takes as many rows for each part, a part after the other.
func (r *ring) push(rows kernel.Array) {
	k, d, n := r.size(), r.rows.Shape[1], rows.Shape[0]/r.parts
	head := int(r.head.Data[0])
	for i := range n {
		for a := range r.parts {
			copy(r.rows.Data[(a*k+head)*d:][:d], rows.Data[(a*n+i)*d:])
		}
		head = (head + 1) % k
	}
	r.head.Data[0] = float32(head)
}

func (r *ring) state(into map[string]kernel.Array) {
	into["queue"], into["queue_head"] = r.rows, r.head
}

// queued is a siamese with a ring that the tower which learns fills.
type queued struct{ *siamese }

// Queue implements Queuer.
func (m queued) Queue(float64) (rows int, momentum float64) { return m.queue.size(), 1 }

// maxQueue keeps a ring's head exact as a float32 in the checkpoint.
const maxQueue = 1 << 24
