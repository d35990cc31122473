package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func normPoolCases() []NormPool {
	kinds := []NormPool{
		{Kernel: square(3), Stride: square(2), Pad: square(1)},
		{Kernel: square(2), Stride: square(2)},
		{Kernel: square(1), Stride: square(3)},
		{Kernel: [2]int{1, 4}, Stride: [2]int{1, 3}, Pad: [2]int{0, 2}},
		{Kernel: square(3), Stride: square(1), Pad: square(1)},
	}
	channels := []int{1, 7, 15, 16, 17, 31}
	var list []NormPool
	for i, n := range []int{1, 7, 16, 17, 31} {
		for j, m := range [][2]int{{1, 1}, {2, 3}, {5, 7}, {13, 11}, {35, 41}, {1, 83}} {
			for k, s := range kinds {
				if m[0]+2*s.Pad[0] < s.Kernel[0] || m[1]+2*s.Pad[1] < s.Kernel[1] {
					continue
				}
				s.Norm = Norm{N: n, C: channels[(i+2*j+k)%6], H: m[0], W: m[1], Groups: 1 + (i+j+k)%2*min(n-1, 2), Eps: 1e-5}
				s.ReLU = (i+j)%3 != 0
				list = append(list, s)
			}
		}
	}
	return append(list, NormPool{Norm: Norm{N: 2, C: 250, H: 9, W: 6, Eps: 1e-5}, Kernel: square(3), Stride: square(2), Pad: square(1), ReLU: true})
}

type normPoolGot struct{ y, sums, dx, eval []float32 }

// run goes through the fused routines, with NaN in all padded lanes.
func (s NormPool) try(t *testing.T, x, dy, stats, gamma, beta []float32) normPoolGot {
	t.Helper()
	p := s.Pooled()
	nan := float32(math.NaN())
	lx, ldy := lanesOf(x, s.N, s.C, s.H, s.W, nan), lanesOf(dy, s.N, s.C, p.H, p.W, nan)
	chosen, y := guard(len(ldy)), guard(len(ldy))
	sums, dx, eval := guard(s.groups()*2*s.C), guard(len(lx)), guard(len(lx))
	s.Choose(chosen.data, lx, stats, gamma, beta)
	p.Apply(y.data, chosen.data, stats, gamma, beta, nil, s.ReLU)
	p.Sums(sums.data, chosen.data, stats, gamma, beta, ldy, s.ReLU)
	s.Data(dx.data, lx, stats, gamma, beta, sums.data, ldy)
	s.DataEval(eval.data, lx, stats, gamma, beta, ldy)
	for name, b := range map[string]guarded{"chosen": chosen, "y": y, "sums": sums, "dx": dx, "eval": eval} {
		b.check(t, name)
	}
	paddingIs(t, "y", y.data, s.N, 0)
	paddingIs(t, "dx", dx.data, s.N, 0)
	paddingIs(t, "dx in eval mode", eval.data, s.N, 0)
	return normPoolGot{y.data, sums.data, dx.data, eval.data}
}

// chain is the same by a norm and a pool, with the map between them.
func (s NormPool) chain(x, dy, stats, gamma, beta []float32) normPoolGot {
	p := s.pool()
	oh, ow := p.Out()
	lx, ldy := lanesOf(x, s.N, s.C, s.H, s.W, 0), lanesOf(dy, s.N, s.C, oh, ow, 0)
	between, back := make([]float32, len(lx)), make([]float32, len(lx))
	g := normPoolGot{make([]float32, len(ldy)), make([]float32, s.groups()*2*s.C), make([]float32, len(lx)), make([]float32, len(lx))}
	s.Apply(between, lx, stats, gamma, beta, nil, s.ReLU)
	p.MaxForward(g.y, between)
	p.MaxBackward(back, between, ldy)
	s.Sums(g.sums, lx, stats, gamma, beta, back, s.ReLU)
	s.Norm.Data(g.dx, lx, stats, gamma, beta, g.sums, back, s.ReLU)
	s.Norm.DataEval(g.eval, lx, stats, gamma, beta, back, s.ReLU)
	return g
}

func (s NormPool) data(seed uint64, special ...float32) (x, dy, stats, gamma, beta []float32) {
	p := s.Pooled()
	x, dy = random(seed, s.N*s.C*s.H*s.W), random(seed+1, s.N*s.C*p.H*p.W)
	for i := range x {
		if i%3 == 0 {
			x[i] = 1 // ties
		}
	}
	stats, gamma, beta = make([]float32, s.groups()*3*s.C), random(seed+2, s.C), random(seed+3, s.C)
	gamma[0] = 0
	s.Stats(stats, lanesOf(x, s.N, s.C, s.H, s.W, 0))
	for i, v := range special {
		for j := i * 29; j < len(x); j += 29 * len(special) {
			x[j] = v
		}
	}
	return x, dy, stats, gamma, beta
}

// The fused norm and pool is the chain of the two: the same result to the byte,
// the same winners, hence gradients that differ by rounding only.
func TestNormPoolIsTheChain(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	wide := func(x []float32) []float64 {
		w := make([]float64, len(x))
		for i, v := range x {
			w[i] = float64(v)
		}
		return w
	}
	for i, s := range normPoolCases() {
		for _, special := range [][]float32{nil, {nan, inf, -inf}} {
			for _, path := range paths() {
				t.Run(fmt.Sprintf("%+v/%v/%s", s, special, isaNames[path]), func(t *testing.T) {
					use(t, path)
					x, dy, stats, gamma, beta := s.data(uint64(i), special...)
					got, want := s.try(t, x, dy, stats, gamma, beta), s.chain(x, dy, stats, gamma, beta)
					near(t, "y", got.y, wide(want.y), 0)
					near(t, "eval", got.eval, wide(want.eval), 1e-6)
					if special == nil { // else sums and dx are NaN or not in different orders
						near(t, "sums", got.sums, wide(want.sums), 2e-6)
						near(t, "dx", got.dx, wide(want.dx), 2e-6)
					}
				})
			}
		}
	}
}

func TestNormPoolSameBytes(t *testing.T) {
	s := NormPool{Norm: Norm{N: 40, C: 40, H: 37, W: 23, Groups: 3, Eps: 1e-5}, Kernel: square(3), Stride: square(2), Pad: square(1), ReLU: true}
	x, dy, stats, gamma, beta := s.data(3)
	sameOnAll(t, "norm and pool", 1e-6, func() []float32 {
		g := s.try(t, x, dy, stats, gamma, beta)
		return slices.Concat(g.y, g.sums, g.dx, g.eval)
	})
}
