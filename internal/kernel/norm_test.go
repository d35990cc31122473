package kernel

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
)

type normCase struct {
	Norm
	residual, relu bool
}

func normCases() []normCase {
	var list []normCase
	maps := [][2]int{{1, 1}, {2, 3}, {5, 7}, {13, 11}}
	channels := []int{1, 3, 5, 16, 17, 40}
	for i, n := range []int{1, 7, 15, 16, 17, 33, 40} {
		for j, m := range maps {
			for _, groups := range []int{0, 2, 5} {
				if groups > n {
					continue
				}
				k := i*len(maps) + j + groups
				list = append(list, normCase{
					Norm:     Norm{N: n, C: channels[k%6], H: m[0], W: m[1], Groups: groups, Eps: 1e-5},
					residual: k%2 == 0, relu: k%3 != 0,
				})
			}
		}
	}
	return append(list, normCase{Norm: Norm{N: 20, C: 70, H: 9, W: 10, Groups: 2, Eps: 1e-5}, relu: true})
}

type normWant struct{ stats, y, sums, dx, eval []float64 }

// normLoops is the definition, over (N,C,HW) in float64, group by group. The
// gradient of x is the chain rule written out, not the shortened formula.
func normLoops(c normCase, x, res, dy, gamma, beta []float32) normWant {
	g, hw := c.groups(), c.H*c.W
	w := normWant{make([]float64, g*3*c.C), make([]float64, len(x)), make([]float64, g*2*c.C), make([]float64, len(x)), make([]float64, len(x))}
	for k := range g {
		for ch := range c.C {
			var at []int // indices of this group and channel
			for r := range c.N {
				if r*g/c.N == k {
					for p := range hw {
						at = append(at, (r*c.C+ch)*hw+p)
					}
				}
			}
			n := float64(len(at))
			var mean, variance float64
			for _, i := range at {
				mean += float64(x[i]) / n
			}
			for _, i := range at {
				variance += (float64(x[i]) - mean) * (float64(x[i]) - mean) / n
			}
			inv := 1 / math.Sqrt(variance+float64(c.Eps))
			w.stats[(k*3)*c.C+ch], w.stats[(k*3+1)*c.C+ch], w.stats[(k*3+2)*c.C+ch] = mean, variance, inv
			var dInv, dMean, sum, cross float64
			gated := make([]float64, len(at))
			for j, i := range at {
				xhat := (float64(x[i]) - mean) * inv
				v := xhat*float64(gamma[ch]) + float64(beta[ch])
				if c.residual {
					v += float64(res[i])
				}
				if c.relu && v < 0 {
					v = 0
				}
				w.y[i] = v
				if !c.relu || v > 0 {
					gated[j] = float64(dy[i])
				}
				sum += gated[j]
				cross += gated[j] * xhat
				dx := gated[j] * float64(gamma[ch])
				dInv += dx * (float64(x[i]) - mean)
				dMean -= dx * inv
			}
			w.sums[(k*2)*c.C+ch], w.sums[(k*2+1)*c.C+ch] = cross, sum
			dVar := dInv * -0.5 * inv * inv * inv
			for j, i := range at {
				w.eval[i] = gated[j] * float64(gamma[ch]) * inv
				w.dx[i] = w.eval[i] + dVar*2*(float64(x[i])-mean)/n + dMean/n
			}
		}
	}
	return w
}

type normGot struct{ stats, y, sums, dx, eval []float32 }

// runNorm does it with NaN in all padded lanes, so that none may count.
func runNorm(t *testing.T, c normCase, x, res, dy, gamma, beta []float32) normGot {
	t.Helper()
	nan := float32(math.NaN())
	lanes := func(v []float32) []float32 { return lanesOf(v, c.N, c.C, c.H, c.W, nan) }
	lx, ldy := lanes(x), lanes(dy)
	var lres []float32
	if c.residual {
		lres = lanes(res)
	}
	g := c.groups()
	stats, sums := guard(g*3*c.C), guard(g*2*c.C)
	y, dx, eval := guard(len(lx)), guard(len(lx)), guard(len(lx))
	c.Stats(stats.data, lx)
	c.Apply(y.data, lx, stats.data, gamma, beta, lres, c.relu)
	paddingIs(t, "y", y.data, c.N, 0)
	relu := c.relu
	if c.relu && c.residual { // dŷ is made once and for all
		ReLUGrad(ldy, y.data, ldy)
		fillPadding(ldy, c.N, nan)
		relu = false
	}
	c.Sums(sums.data, lx, stats.data, gamma, beta, ldy, relu)
	c.Data(dx.data, lx, stats.data, gamma, beta, sums.data, ldy, relu)
	c.DataEval(eval.data, lx, stats.data, gamma, beta, ldy, relu)
	paddingIs(t, "dx", dx.data, c.N, 0)
	paddingIs(t, "dx in eval mode", eval.data, c.N, 0)
	for name, b := range map[string]guarded{"stats": stats, "sums": sums, "y": y, "dx": dx, "eval": eval} {
		b.check(t, name)
	}
	// in place
	sameBytes(t, "Apply in place", applied(c, slices.Clone(lx), stats.data, gamma, beta, lres), y.data)
	over := slices.Clone(ldy)
	c.Data(over, lx, stats.data, gamma, beta, sums.data, over, relu)
	sameBytes(t, "Data in place", over, dx.data)
	over = slices.Clone(ldy)
	c.DataEval(over, lx, stats.data, gamma, beta, over, relu)
	sameBytes(t, "DataEval in place", over, eval.data)
	back := func(v []float32) []float32 { return fromLanes(v, c.N, c.C, c.H, c.W) }
	return normGot{stats.data, back(y.data), sums.data, back(dx.data), back(eval.data)}
}

func applied(c normCase, x, stats, gamma, beta, res []float32) []float32 {
	c.Apply(x, x, stats, gamma, beta, res, c.relu)
	return x
}

func normData(c normCase, seed uint64) (x, res, dy, gamma, beta []float32) {
	n := c.N * c.C * c.H * c.W
	x, res, dy = random(seed, n), random(seed+1, n), random(seed+2, n)
	for i := range x {
		x[i] = 2*x[i] + 3
	}
	return x, res, dy, random(seed+3, c.C), random(seed+4, c.C)
}

func TestNormLoops(t *testing.T) {
	for i, c := range normCases() {
		x, res, dy, gamma, beta := normData(c, uint64(i))
		want := normLoops(c, x, res, dy, gamma, beta)
		if c.count(0) == 1 || c.N*c.H*c.W < 4*c.groups() {
			continue // variance near 0: the loops' own rounding decides; TestNormConstant
		}
		for _, path := range paths() {
			t.Run(fmt.Sprintf("%+v/%s", c, isaNames[path]), func(t *testing.T) {
				use(t, path)
				got := runNorm(t, c, x, res, dy, gamma, beta)
				near(t, "stats", got.stats, want.stats, 1e-6)
				near(t, "y", got.y, want.y, 1e-6)
				near(t, "sums", got.sums, want.sums, 1e-5)
				near(t, "dx", got.dx, want.dx, 5e-6)
				near(t, "eval", got.eval, want.eval, 2e-6)
			})
		}
	}
}

func TestNormSameBytes(t *testing.T) {
	for _, c := range []normCase{
		{Norm: Norm{N: 40, C: 40, H: 13, W: 11, Groups: 3, Eps: 1e-5}, residual: true, relu: true},
		{Norm: Norm{N: 33, C: 64, H: 12, W: 24, Eps: 1e-5}, relu: true},
		{Norm: Norm{N: 64, C: 70, H: 1, W: 1, Groups: 2, Eps: 1e-5}},
	} {
		x, res, dy, gamma, beta := normData(c, 5)
		sameOnAll(t, fmt.Sprintf("%+v", c), 1e-6, func() []float32 {
			g := runNorm(t, c, x, res, dy, gamma, beta)
			return slices.Concat(g.stats, g.y, g.sums, g.dx, g.eval)
		})
	}
}

// The sums of a norm are cut alike for any number of threads: in float64, before
// rounding hides in which order they were added.
func TestNormSumsSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	old := machine
	defer func() { machine = old }()
	s := Norm{N: 40, C: 70, H: 31, W: 23, Groups: 3}
	x := random(7, Blocks(s.N)*Lanes*s.C*s.pixels())
	want := map[bool][]float64{} // plain Go's, and the others'
	for _, i := range paths() {
		machine.isa = i
		for _, procs := range crews {
			runtime.GOMAXPROCS(procs)
			got := s.laneSums(x, nil, nil, false)
			if want[i == generic] == nil {
				want[i == generic] = slices.Clone(got.data)
			}
			if !slices.Equal(got.data, want[i == generic]) {
				t.Errorf("%s with %d workers sums in another order", isaNames[i], procs)
			}
			doubles.put(got)
		}
	}
}

// Equal values have variance 0: the result is beta, the gradient 0.
func TestNormConstant(t *testing.T) {
	onAll(t, func(t *testing.T) {
		s := Norm{N: 3, C: 2, H: 4, W: 5, Eps: 1e-5}
		x := make([]float32, Lanes*s.C*20)
		for i := range x {
			x[i] = 1e4 + 0.125
		}
		stats, y := make([]float32, 6), make([]float32, len(x))
		s.Stats(stats, x)
		if stats[0] != x[0] || stats[2] != 0 || math.Abs(float64(stats[4])-1/math.Sqrt(1e-5)) > 1e-4 {
			t.Errorf("stats %v", stats)
		}
		s.Apply(y, x, stats, []float32{5, 5}, []float32{0.5, -0.5}, nil, false)
		if y[0] != 0.5 || y[Lanes] != -0.5 {
			t.Errorf("y %v, %v, want beta", y[0], y[Lanes])
		}
	})
}

// A mean far from zero costs no digits of the variance.
func TestNormOffset(t *testing.T) {
	onAll(t, func(t *testing.T) {
		s := Norm{N: 16, C: 1, H: 16, W: 16}
		x := random(1, 16*256)
		var mean, variance float64
		for i := range x {
			x[i] += 1000
			mean += float64(x[i]) / 4096
		}
		for _, v := range x {
			variance += (float64(v) - mean) * (float64(v) - mean) / 4096
		}
		stats := make([]float32, 3)
		s.Stats(stats, lanesOf(x, 16, 1, 16, 16, 0))
		near(t, "stats", stats, []float64{mean, variance, 1 / math.Sqrt(variance)}, 1e-7)
	})
}

// Groups of equal size are the same as batches alone, to the byte.
func TestNormGroups(t *testing.T) {
	onAll(t, func(t *testing.T) {
		const n, c, h, w = 24, 5, 3, 4
		x := random(3, 2*n*c*h*w)
		both, one := make([]float32, 6*c), make([]float32, 3*c)
		Norm{N: 2 * n, C: c, H: h, W: w, Groups: 2, Eps: 1e-5}.Stats(both, lanesOf(x, 2*n, c, h, w, 0))
		for g := range 2 {
			Norm{N: n, C: c, H: h, W: w, Eps: 1e-5}.Stats(one, lanesOf(x[g*n*c*h*w:][:n*c*h*w], n, c, h, w, 0))
			want := make([]float64, len(one))
			for i, v := range one {
				want[i] = float64(v)
			}
			near(t, "group", both[g*3*c:][:3*c], want, 1e-7)
		}
	})
}

func TestBias(t *testing.T) {
	for _, s := range []Norm{{N: 1, C: 1, H: 1, W: 1}, {N: 17, C: 5, H: 2, W: 3}, {N: 33, C: 40, H: 5, W: 7}} {
		onAll(t, func(t *testing.T) {
			n := s.N * s.C * s.H * s.W
			x, dy, b := random(1, n), random(2, n), random(3, s.C)
			want, db := make([]float64, n), make([]float64, s.C)
			for i := range x {
				c := i / (s.H * s.W) % s.C
				want[i] = math.Max(0, float64(x[i])+float64(b[c]))
				db[c] += float64(dy[i])
			}
			nan := float32(math.NaN())
			y, got := guard(Blocks(s.N)*Lanes*s.C*s.H*s.W), guard(s.C)
			AddBias(y.data, lanesOf(x, s.N, s.C, s.H, s.W, nan), b, s.N, s.C, s.H*s.W, true)
			BiasGrad(got.data, lanesOf(dy, s.N, s.C, s.H, s.W, nan), s.N, s.C, s.H*s.W)
			y.check(t, "y")
			got.check(t, "db")
			paddingIs(t, "y", y.data, s.N, 0)
			near(t, "y", fromLanes(y.data, s.N, s.C, s.H, s.W), want, 1e-6)
			near(t, "db", got.data, db, 1e-6)
		})
	}
}
