package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// lengths reach empty slices, tails of vectors and several work items.
var lengths = []int{0, 1, 7, 15, 16, 17, 33, 100, 2*pieceSize + 37}

func TestLanes(t *testing.T) {
	onAll(t, testLanes)
}

func testLanes(t *testing.T) {
	for i, s := range [][4]int{{1, 1, 1, 1}, {7, 3, 7, 6}, {15, 5, 13, 11}, {16, 16, 1, 16}, {17, 17, 7, 1}, {33, 40, 13, 6},
		{33, 1, 45, 60}, {48, 250, 1, 1}, {31, 31, 1, 1}, {32, 1, 1, 17}, {17, 3, 50, 30}} {
		n, c, h, w := s[0], s[1], s[2], s[3]
		x := random(uint64(i), n*c*h*w)
		dst, back := guard(Blocks(n)*Lanes*c*h*w), guard(len(x))
		ToLanes(dst.data, x, n, c, h, w)
		dst.check(t, "lanes")
		paddingIs(t, "lanes", dst.data, n, 0)
		for r := range n {
			for ch := range c {
				for p := range h * w {
					got := dst.data[((r/Lanes*h*w+p)*c+ch)*Lanes+r%Lanes]
					if want := x[(r*c+ch)*h*w+p]; got != want {
						t.Fatalf("row %d, channel %d, pixel %d: %v, want %v", r, ch, p, got, want)
					}
				}
			}
		}
		FromLanes(back.data, dst.data, n, c, h, w)
		back.check(t, "rows")
		sameBytes(t, "round trip", back.data, x)
	}
}

func TestPointwiseLoops(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, n := range lengths {
		onAll(t, func(t *testing.T) {
			a, b := random(1, n), random(2, n)
			for i := range a {
				if i%5 == 0 {
					a[i] = []float32{nan, inf, -inf, 0, float32(math.Copysign(0, -1))}[i/5%5]
				}
			}
			run := func(name string, f func(dst []float32), want func(i int) float64) {
				t.Helper()
				dst := guard(n)
				copy(dst.data, b)
				f(dst.data)
				dst.check(t, name)
				w := make([]float64, n)
				for i := range w {
					w[i] = want(i)
				}
				near(t, fmt.Sprint(name, " of ", n), dst.data, w, 3e-7)
			}
			A, B := func(i int) float64 { return float64(a[i]) }, func(i int) float64 { return float64(b[i]) }
			run("ReLU", func(d []float32) { ReLU(d, a) }, func(i int) float64 {
				if A(i) < 0 {
					return 0
				}
				return A(i)
			})
			run("ReLUGrad", func(d []float32) { ReLUGrad(d, a, b) }, func(i int) float64 {
				if A(i) <= 0 {
					return 0
				}
				return B(i)
			})
			run("Add", func(d []float32) { Add(d, a, b) }, func(i int) float64 { return A(i) + B(i) })
			e := random(3, n)
			run("ReLUGradSum", func(d []float32) { ReLUGradSum(d, a, b, e) }, func(i int) float64 {
				if A(i) <= 0 {
					return 0
				}
				return B(i) + float64(e[i])
			})
			run("Scale", func(d []float32) { Scale(d, a, 0.3) }, func(i int) float64 { return float64(float32(0.3)) * A(i) })
			run("Lerp", func(d []float32) { Lerp(d, a, 0.3) }, func(i int) float64 { return B(i) + float64(float32(0.3))*(A(i)-B(i)) })
		})
	}
}

func TestDot(t *testing.T) {
	for _, n := range lengths {
		a, b := random(1, n), random(2, n)
		var want, squares float64
		for i := range a {
			want += float64(a[i]) * float64(b[i])
			squares += float64(a[i]) * float64(a[i])
		}
		var first float64
		for i, path := range paths() {
			t.Run(isaNames[path], func(t *testing.T) {
				use(t, path)
				got := Dot(a, b)
				if i == 0 {
					first = got
				}
				if got != first {
					t.Errorf("%d: %v, the twin %v: products of float32s are exact in float64, so all must agree", n, got, first)
				}
				if math.Abs(got-want) > 1e-11*float64(n) || math.Abs(SumSquares(a)-squares) > 1e-11*float64(n) {
					t.Errorf("%d: %v and %v, want %v and %v", n, got, SumSquares(a), want, squares)
				}
			})
		}
	}
}

func TestVectorSameBytes(t *testing.T) {
	n := 5*pieceSize + 29
	a, b := random(1, n), random(2, n)
	sameOnAll(t, "vectors", 3e-7, func() []float32 {
		x, y, z := slices.Clone(a), slices.Clone(b), slices.Clone(b)
		ReLUGrad(x, b, a)
		ReLUGradSum(y, a, b, a)
		Lerp(z, a, 0.01)
		return slices.Concat(x, y, z, []float32{float32(Dot(a, b))})
	})
}

func TestMatMulLoops(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {7, 15, 3}, {16, 16, 16}, {17, 33, 40}, {40, 5, 17}, {33, 150, 70}, {2, 3, 20_000}, {3, 4, 0}}
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		a, b, c := random(1, m*k), random(2, k*n), random(3, m*n)
		for mode := range 8 {
			transA, transB, acc := mode&1 != 0, mode&2 != 0, mode&4 != 0
			want := make([]float64, m*n)
			for i := range m {
				for j := range n {
					if acc {
						want[i*n+j] = float64(c[i*n+j])
					}
					for q := range k {
						x, y := a[min(len(a)-1, i*k+q)], b[min(len(b)-1, q*n+j)]
						if transA {
							x = a[q*m+i]
						}
						if transB {
							y = b[j*k+q]
						}
						want[i*n+j] += float64(x) * float64(y)
					}
				}
			}
			onAll(t, func(t *testing.T) {
				dst, scratch := guard(m*n), guard(MatMulScratch(m, n, k))
				copy(dst.data, c)
				MatMul(dst.data, a, b, m, n, k, transA, transB, acc, scratch.data)
				dst.check(t, "c")
				scratch.check(t, "scratch")
				near(t, fmt.Sprint(s, mode), dst.data, want, 3e-6*math.Sqrt(max(1, float64(k)/1000))) // one float32 sum over k
			})
		}
	}
}

func TestMatMulSameBytes(t *testing.T) {
	const m, n, k = 50, 300, 129
	a, b := random(1, m*k), random(2, k*n)
	sameOnAll(t, "MatMul", 2e-6, func() []float32 {
		c := make([]float32, m*n)
		MatMul(c, a, b, m, n, k, true, false, false, make([]float32, MatMulScratch(m, n, k)))
		return c
	})
}

func TestNormalizeRows(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {5, 9}, {33, 128}, {17, 40}} {
		n, d := s[0], s[1]
		onAll(t, func(t *testing.T) {
			x, dy := random(1, n*d), random(2, n*d)
			clear(x[:d]) // a row without direction
			const eps = 1e-3
			want, wantDx := make([]float64, n*d), make([]float64, n*d)
			for r := range n {
				var norm, along float64
				for i := range d {
					norm += float64(x[r*d+i]) * float64(x[r*d+i])
					along += float64(x[r*d+i]) * float64(dy[r*d+i])
				}
				norm = math.Sqrt(norm)
				for i := r * d; i < (r+1)*d; i++ {
					want[i] = float64(x[i]) / math.Max(norm, eps)
					wantDx[i] = float64(dy[i]) / eps
					if norm >= eps {
						wantDx[i] = float64(dy[i])/norm - float64(x[i])*along/(norm*norm*norm)
					}
				}
			}
			y, dx := guard(n*d), guard(n*d)
			NormalizeRows(y.data, x, n, d, eps)
			NormalizeRowsGrad(dx.data, x, y.data, dy, n, d, eps)
			y.check(t, "y")
			dx.check(t, "dx")
			near(t, "y", y.data, want, 1e-6)
			near(t, "dx", dx.data, wantDx, 1e-6)
			over := slices.Clone(dy)
			NormalizeRowsGrad(over, x, y.data, over, n, d, eps)
			sameBytes(t, "in place", over, dx.data)
		})
	}
}
