package kernel

import (
	"fmt"
	"math"
	"testing"
)

// Every machine gives the bytes of the loops, of sizes that are no multiples of
// tiles, and writes nothing else; sums may go on in another call.
func TestDoubleProduct(t *testing.T) {
	doubles := func(seed uint64, n int) []float64 {
		x := make([]float64, n)
		for i, v := range random(seed, n) {
			x[i] = float64(v) * (1 + 1e-9*float64(i))
		}
		return x
	}
	for _, s := range []struct{ m, n, k int }{{1, 1, 1}, {8, 8, 1}, {8, 8, 37}, {16, 24, 5}, {17, 9, 12}, {7, 31, 3}, {40, 8, 64}, {9, 8, 2}} {
		for _, turned := range []bool{false, true} {
			p := DoubleProduct{M: s.m, N: s.n, K: s.k, CRow: s.n + 3, ARow: s.k + 2, AStep: 1, BRow: s.n + 1}
			if turned {
				p.ARow, p.AStep = 1, s.m+5
			}
			a, b := doubles(1, s.m*p.ARow+s.k*p.AStep), doubles(2, s.k*p.BRow)
			start := doubles(3, s.m*p.CRow)
			want := append([]float64(nil), start...)
			for i := range s.m {
				for j := range s.n {
					for k := range s.k {
						want[i*p.CRow+j] += float64(a[i*p.ARow+k*p.AStep] * b[k*p.BRow+j])
					}
				}
			}
			onAll(t, func(t *testing.T) {
				got := append([]float64(nil), start...)
				first := p
				if first.K = s.k / 2; first.K > 0 {
					first.Add(got, a, b)
				}
				rest := p
				rest.K = s.k - first.K
				rest.Add(got[:(s.m-1)*p.CRow+s.n], a[first.K*p.AStep:], b[first.K*p.BRow:])
				for i, v := range got {
					if math.Float64bits(v) != math.Float64bits(want[i]) {
						t.Fatalf("%+v: value %d is %v, want %v", p, i, v, want[i])
					}
				}
			})
		}
	}
	onAll(t, func(t *testing.T) { // an infinity stays in its row
		c := make([]float64, 64)
		a := make([]float64, 64)
		a[3] = math.Inf(1)
		DoubleProduct{M: 8, N: 8, K: 8, CRow: 8, ARow: 8, AStep: 1, BRow: 8}.Add(c, a, doubles(1, 64))
		for i, v := range c {
			if math.IsInf(v, 0) != (i < 8) {
				t.Fatalf("value %d is %v", i, v)
			}
		}
	})
}

func BenchmarkDoubleProduct(b *testing.B) {
	for _, k := range []int{64, 512} {
		p := DoubleProduct{M: 64, N: 40, K: k, CRow: 40, ARow: k, AStep: 1, BRow: 40}
		c, x, y := make([]float64, 64*40), make([]float64, 64*k), make([]float64, k*40)
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			for b.Loop() {
				p.Add(c, x, y)
			}
			b.ReportMetric(2*64*40*float64(k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
