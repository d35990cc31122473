package audio

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	gofft "github.com/mjibson/go-dsp/fft"
)

// go-dsp's transform is the twin.
func TestRealFFTAgainstGoDSP(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 25, 32, 36, 64, 100, 128, 200, 255, 256, 320, 400, 512, 551, 1000, 1024, 1103, 2048, 4096} {
		f := newRealFFT(n)
		for _, nonzero := range []int{0, 1, n / 4, n / 3, (n + 1) / 2, n - n/4, n} {
			x := make([]float64, n)
			for i := range x[:nonzero] {
				x[i] = r.NormFloat64()
			}
			want := gofft.FFTReal(append([]float64(nil), x...))
			got := f.forward(x[:nonzero])
			if len(got) != n/2+1 {
				t.Fatalf("n=%d: %d values, want %d", n, len(got), n/2+1)
			}
			for k, v := range got {
				if cmplx.Abs(v-want[k]) > 1e-11*math.Sqrt(float64(n)) {
					t.Fatalf("n=%d nonzero=%d: X[%d] = %v, want %v", n, nonzero, k, v, want[k])
				}
			}
		}
	}
}

func TestRealFFTAllocatesNothing(t *testing.T) {
	for _, n := range []int{400, 551, 1024} {
		f, x := newRealFFT(n), make([]float64, n)
		if a := testing.AllocsPerRun(10, func() { f.forward(x) }); a != 0 {
			t.Errorf("n=%d: %v allocations", n, a)
		}
	}
}

func BenchmarkRealFFT(b *testing.B) {
	for _, c := range [][2]int{{400, 400}, {512, 400}, {1024, 400}, {1024, 1024}, {2048, 2048}} {
		b.Run(fmt.Sprintf("%d_of_%d", c[1], c[0]), func(b *testing.B) {
			f, x := newRealFFT(c[0]), make([]float64, c[1])
			for i := range x {
				x[i] = float64(i%17) - 8
			}
			for b.Loop() {
				f.forward(x)
			}
		})
	}
}
