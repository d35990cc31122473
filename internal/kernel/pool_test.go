package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// poolLoops is PyTorch's rule over (N·C,H,W): a value wins if it is larger than
// the best so far or NaN.
func poolLoops(s Pool, oh, ow int, x, dy []float32) (top, avg, dTop, dAvg []float64) {
	top, avg = make([]float64, len(dy)), make([]float64, len(dy))
	dTop, dAvg = make([]float64, len(x)), make([]float64, len(x))
	area := float64(s.Kernel[0] * s.Kernel[1])
	for m := range s.N * s.C {
		for i := range oh {
			for j := range ow {
				out := (m*oh+i)*ow + j
				best, at := math.Inf(-1), -1
				for a := range s.Kernel[0] {
					for b := range s.Kernel[1] {
						h, w := i*s.Stride[0]-s.Pad[0]+a, j*s.Stride[1]-s.Pad[1]+b
						if h < 0 || h >= s.H || w < 0 || w >= s.W {
							continue
						}
						in := (m*s.H+h)*s.W + w
						v := float64(x[in])
						if at < 0 || v > best || math.IsNaN(v) {
							best, at = v, in
						}
						avg[out] += v / area
						dAvg[in] += float64(dy[out]) / area
					}
				}
				top[out] = best
				dTop[at] += float64(dy[out])
			}
		}
	}
	return top, avg, dTop, dAvg
}

func TestPoolLoops(t *testing.T) {
	kinds := []Pool{
		{Kernel: square(3), Stride: square(2), Pad: square(1)},
		{Kernel: square(2), Stride: square(2)},
		{Kernel: square(1), Stride: square(1)},
		{Kernel: [2]int{1, 4}, Stride: [2]int{1, 3}, Pad: [2]int{0, 2}},
		{Kernel: square(3), Stride: square(1), Pad: square(1)},
		{Kernel: square(11), Stride: square(7), Pad: square(5)}, // whole maps
	}
	channels := []int{1, 3, 5, 16, 17, 40}
	special := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	for i, n := range []int{1, 7, 16, 17, 33} {
		for j, m := range [][2]int{{1, 1}, {2, 3}, {5, 7}, {13, 11}, {1, 83}} {
			for k, s := range kinds {
				s.N, s.C, s.H, s.W = n, channels[(i+j+k)%6], m[0], m[1]
				if m[0]+2*s.Pad[0] < s.Kernel[0] || m[1]+2*s.Pad[1] < s.Kernel[1] {
					continue
				}
				for _, path := range paths() {
					t.Run(fmt.Sprintf("%+v/%s", s, isaNames[path]), func(t *testing.T) {
						use(t, path)
						oh, ow := s.Out()
						x, dy := random(uint64(i), n*s.C*s.H*s.W), random(uint64(j), n*s.C*oh*ow)
						for q := range x { // ties, NaN, infinities
							switch {
							case q%3 == 0:
								x[q] = 1
							case q%29 == 0:
								x[q] = special[q/29%3]
							}
						}
						top, avg, dTop, dAvg := poolLoops(s, oh, ow, x, dy)
						nan := float32(math.NaN())
						lx, ldy := lanesOf(x, n, s.C, s.H, s.W, nan), lanesOf(dy, n, s.C, oh, ow, nan)
						y, dx := guard(len(ldy)), guard(len(lx))
						s.MaxForward(y.data, lx)
						near(t, "max", fromLanes(y.data, n, s.C, oh, ow), top, 0)
						s.MaxBackward(dx.data, lx, ldy)
						near(t, "dx of max", fromLanes(dx.data, n, s.C, s.H, s.W), dTop, 1e-6)
						s.AvgForward(y.data, lx)
						near(t, "mean", fromLanes(y.data, n, s.C, oh, ow), avg, 1e-6)
						s.AvgBackward(dx.data, ldy)
						near(t, "dx of mean", fromLanes(dx.data, n, s.C, s.H, s.W), dAvg, 1e-6)
						y.check(t, "y")
						dx.check(t, "dx")
					})
				}
			}
		}
	}
}

func TestPoolRefusesEmptyWindows(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("padding as wide as the kernel: no panic")
		}
	}()
	Pool{N: 1, C: 1, H: 2, W: 2, Kernel: square(1), Stride: square(1), Pad: square(1)}.MaxForward(make([]float32, 256), make([]float32, 64))
}

func TestGlobalLoops(t *testing.T) {
	for i, n := range []int{1, 15, 16, 33} {
		for _, m := range [][2]int{{1, 1}, {2, 3}, {5, 7}} {
			for _, keep := range []bool{false, true} {
				onAll(t, func(t *testing.T) {
					g := Global{N: n, C: []int{1, 5, 17, 250}[i], H: m[0], W: m[1], KeepRows: keep}
					x, dy := random(1, n*g.C*g.H*g.W), random(2, n*g.Features())
					for q := range x {
						if q%7 == 0 {
							x[q] = 2
						}
					}
					x[0] = float32(math.NaN())
					each := len(x) / len(dy) // pixels of a feature; (N,C,H,W) has them side by side
					mean, top := make([]float64, len(dy)), make([]float64, len(dy))
					dMean, dTop := make([]float64, len(x)), make([]float64, len(x))
					for f, d := range dy {
						best := f * each
						for p := f * each; p < (f+1)*each; p++ {
							mean[f] += float64(x[p]) / float64(each)
							dMean[p] = float64(d) / float64(each)
							if x[p] > x[best] {
								best = p
							}
						}
						top[f], dTop[best] = float64(x[best]), float64(d)
					}
					lx, ldy := lanesOf(x, n, g.C, g.H, g.W, 9), lanesOf(dy, n, g.Features(), 1, 1, 9)
					y, dx := guard(len(ldy)), guard(len(lx))
					g.Mean(y.data, lx)
					near(t, "mean", fromLanes(y.data, n, g.Features(), 1, 1), mean, 1e-6)
					g.Max(y.data, lx)
					near(t, "max", fromLanes(y.data, n, g.Features(), 1, 1), top, 0)
					g.MeanGrad(dx.data, ldy)
					near(t, "dx of mean", fromLanes(dx.data, n, g.C, g.H, g.W), dMean, 1e-6)
					g.MaxGrad(dx.data, lx, ldy)
					near(t, "dx of max", fromLanes(dx.data, n, g.C, g.H, g.W), dTop, 0)
					y.check(t, "y")
					dx.check(t, "dx")
				})
			}
		}
	}
}

func TestPoolSameBytes(t *testing.T) {
	s := Pool{N: 33, C: 40, H: 13, W: 11, Kernel: square(3), Stride: square(2), Pad: square(1)}
	g := Global{N: 33, C: 40, H: 13, W: 11}
	oh, ow := s.Out()
	x, dy := lanesOf(random(1, 33*40*143), 33, 40, 13, 11, 0), lanesOf(random(2, 33*40*oh*ow), 33, 40, oh, ow, 0)
	sameOnAll(t, "pools", 0, func() []float32 {
		y, dx, avg, davg := make([]float32, len(dy)), make([]float32, len(x)), make([]float32, len(dy)), make([]float32, len(x))
		m, dm := make([]float32, 48*40), make([]float32, len(x))
		s.MaxForward(y, x)
		s.MaxBackward(dx, x, dy)
		s.AvgForward(avg, x)
		s.AvgBackward(davg, dy)
		g.Mean(m, x)
		g.MaxGrad(dm, x, m)
		return slices.Concat(y, dx, avg, davg, m, dm)
	})
}
