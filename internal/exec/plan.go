package exec

import (
	"fmt"
	"slices"
)

// A Plan says how a machine's memory was planned.
type Plan struct {
	Bytes        int // planned, gradients and scratch included
	WithoutReuse int // if every value had memory of its own
	Pinned       int // of outputs, which nothing may write over
	Steps        int // functions run
	Pruned       int // nodes of the graph that no output needs
}

func (p Plan) String() string {
	return fmt.Sprintf("%d steps in %.1f MiB (%.1f without reuse, %.1f pinned), %d nodes not needed",
		p.Steps, mib(p.Bytes), mib(p.WithoutReuse), mib(p.Pinned), p.Pruned)
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// A block is memory from the step that first writes it to the last that reads it.
type block struct {
	size        int // float32s
	first, last int // steps, both included
	offset      int // float32s from the start of the memory, a multiple of align
}

// forever is the last step of a block that outlives the run.
const forever = int(^uint(0) >> 1)

// align is 64 bytes: a cache line, and the widest vector.
const align = 16

func aligned(n int) int { return (n + align - 1) / align * align }

func (b *block) meets(c *block) bool { return b.first <= c.last && c.first <= b.last }

// place gives every block an offset such that no two that live at the same time
// overlap: the largest first, each at the lowest gap that takes it (greedy by size,
// Pisarchyk and Lee 2020). It returns the float32s needed.
func place(blocks []*block, reuse bool) int {
	total := 0
	if !reuse {
		for _, b := range blocks {
			b.offset = total
			total += aligned(b.size)
		}
		return total
	}
	order := slices.Clone(blocks)
	slices.SortStableFunc(order, func(a, b *block) int { return b.size - a.size })
	var placed []*block // by offset
	for _, b := range order {
		at := 0
		for _, p := range placed {
			if !p.meets(b) {
				continue
			}
			if at+b.size <= p.offset {
				break
			}
			at = max(at, p.offset+aligned(p.size))
		}
		b.offset = at
		total = max(total, at+aligned(b.size))
		i, _ := slices.BinarySearchFunc(placed, at, func(p *block, at int) int { return p.offset - at })
		placed = slices.Insert(placed, i, b)
	}
	return total
}
