package audio

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Back and forth is where it began, and a spectrum made by hand is the cosines
// that it says.
func TestFourier(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 2; n <= 4096; n *= 2 {
		f, x, got := NewFourier(n), make([]float64, n), make([]float64, n)
		if f.Len() != n {
			t.Errorf("Len is %d, want %d", f.Len(), n)
		}
		for i := range x {
			x[i] = r.NormFloat64()
		}
		f.Inverse(got, f.Forward(x))
		for i, v := range got {
			if math.Abs(v-x[i]) > 1e-13*math.Sqrt(float64(n)) {
				t.Fatalf("n=%d: sample %d is %v, was %v", n, i, v, x[i])
			}
		}
		spectrum := make([]complex128, n/2+1)
		for k := range spectrum {
			spectrum[k] = complex(r.NormFloat64(), r.NormFloat64())
		}
		f.Inverse(got, spectrum)
		for i := 0; i < n; i += max(1, n/16) {
			want := real(spectrum[0]) + real(spectrum[n/2])*math.Cos(math.Pi*float64(i))
			for k := 1; k < n/2; k++ {
				sin, cos := math.Sincos(2 * math.Pi * float64(k*i%n) / float64(n))
				want += 2 * (real(spectrum[k])*cos - imag(spectrum[k])*sin)
			}
			if want /= float64(n); math.Abs(got[i]-want) > 1e-12 {
				t.Fatalf("n=%d: sample %d is %v, want %v", n, i, got[i], want)
			}
		}
		if a := testing.AllocsPerRun(3, func() { f.Inverse(got, f.Forward(x)) }); a != 0 {
			t.Errorf("n=%d: %v allocations", n, a)
		}
	}
}

func TestFourierOfNoSize(t *testing.T) {
	for _, wrong := range []func(){
		func() { NewFourier(12) },
		func() { NewFourier(1) },
		func() { NewFourier(8).Inverse(make([]float64, 8), make([]complex128, 8)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			wrong()
		}()
	}
}
