package augment

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

func TestRandAddresses(t *testing.T) {
	first := map[uint64][4]int{}
	for seed := range 6 {
		for epoch := -1; epoch < 10; epoch++ {
			for clip := -1; clip < 100; clip++ {
				for view := -1; view < 3; view++ {
					at := [4]int{seed, epoch, clip, view}
					v := Rand(uint64(seed), epoch, clip, view).Uint64()
					if was, ok := first[v]; ok {
						t.Fatalf("%v and %v start alike", was, at)
					}
					first[v] = at
				}
			}
		}
	}
}

func TestReseedIsRand(t *testing.T) {
	p := new(rand.PCG)
	r := rand.New(p)
	for clip := range 10 {
		Reseed(p, 1, 2, clip, 3)
		if a, b := r.Uint64(), Rand(1, 2, clip, 3).Uint64(); a != b {
			t.Errorf("clip %d: %x and %x", clip, a, b)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Reseed(p, 1, 2, 3, 4) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// The streams of neighbouring addresses must look like one long random stream:
// uniform, uncorrelated, half of the bits different.
func TestNeighboursAreUnrelated(t *testing.T) {
	for name, at := range map[string]func(i int) *rand.Rand{
		"seed":  func(i int) *rand.Rand { return Rand(uint64(i), 0, 0, 0) },
		"epoch": func(i int) *rand.Rand { return Rand(0, i, 0, 0) },
		"clip":  func(i int) *rand.Rand { return Rand(0, 0, i, 0) },
		"view":  func(i int) *rand.Rand { return Rand(0, 0, 0, i) },
	} {
		const n = 20000
		for draw := range 3 { // the first numbers are where bad seeding shows
			var sum, product, different float64
			cells := make([]int, 64)
			var last float64
			var lastBits uint64
			for i := range n {
				r := at(i)
				for range draw {
					r.Uint64()
				}
				b := r.Uint64()
				u := float64(b>>11) / (1 << 53)
				sum += u
				cells[b>>58]++
				if i > 0 {
					product += (u - 0.5) * (last - 0.5)
					different += float64(bits.OnesCount64(b ^ lastBits))
				}
				last, lastBits = u, b
			}
			chi := 0.0
			for _, c := range cells {
				chi += (float64(c) - n/64.0) * (float64(c) - n/64.0) / (n / 64.0)
			}
			// 4.5 standard deviations each.
			if math.Abs(sum/n-0.5) > 4.5/math.Sqrt(12*n) || math.Abs(product/n)*12 > 4.5/math.Sqrt(n) ||
				math.Abs(different/n-32) > 4.5*4/math.Sqrt(n)+32.0/n || math.Abs(chi-63) > 4.5*math.Sqrt(2*63) {
				t.Errorf("%s, draw %d: mean %g, correlation %g, %g bits differ, χ² %g of 63", name, draw, sum/n, product/n*12, different/n, chi)
			}
		}
	}
}
