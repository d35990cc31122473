package exec

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// No two blocks that live at the same time may overlap, each begins at a cache
// line, and the whole is no smaller than what lives at the fullest step.
func TestPlace(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var blocks []*block
		full := make([]int, 40)
		for range 1 + r.IntN(60) {
			b := &block{size: 1 + r.IntN(100), first: r.IntN(40)}
			if b.last = b.first + r.IntN(8); r.IntN(10) == 0 {
				b.last = forever
			}
			blocks = append(blocks, b)
			for i := b.first; i < len(full) && i <= b.last; i++ {
				full[i] += aligned(b.size)
			}
		}
		total, sum, least := place(blocks, true), 0, 0
		for i, b := range blocks {
			sum += aligned(b.size)
			if b.offset%align != 0 || b.offset < 0 || b.offset+b.size > total {
				t.Fatalf("seed %d: block %+v of %d", seed, *b, total)
			}
			for _, c := range blocks[:i] {
				if b.meets(c) && b.offset < c.offset+c.size && c.offset < b.offset+b.size {
					t.Fatalf("seed %d: %+v and %+v overlap", seed, *b, *c)
				}
			}
		}
		for _, f := range full {
			least = max(least, f)
		}
		if total < least || total > sum {
			t.Fatalf("seed %d: %d planned, between %d and %d was expected", seed, total, least, sum)
		}
		if plain := place(blocks, false); plain != sum {
			t.Fatalf("seed %d: %d without reuse, not %d", seed, plain, sum)
		}
	}
}

func TestAllocate(t *testing.T) {
	for n := range 40 {
		m := allocate(n)
		if len(m) != n || cap(m) != n {
			t.Fatalf("%d of %d, not %d", len(m), cap(m), n)
		}
		if n > 0 && uintptr(unsafe.Pointer(&m[0]))%64 != 0 {
			t.Fatalf("memory of %d is not aligned", n)
		}
	}
}
