package op_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
)

type (
	node  = gorgonia.Node
	nodes = gorgonia.Nodes
)

// awkward batches: one, fewer than the lanes, one more than them.
var awkward = []int{1, 7, 17}

func TestGradients(t *testing.T) {
	var cases []gradientCase
	for _, n := range awkward {
		cases = append(cases, convCases(n)...)
		cases = append(cases, normCases(n)...)
		cases = append(cases, poolCases(n)...)
		cases = append(cases, layoutCases(n)...)
		cases = append(cases, pointCases(n)...)
		cases = append(cases, bendCases(n)...)
		cases = append(cases, encoderCases(n)...)
	}
	cases = append(cases, loneCases()...)
	for _, c := range cases {
		t.Run(c.name, c.check)
	}
}

// loneCases have arrays of one element, which stock ops take for scalars.
func loneCases() []gradientCase {
	return []gradientCase{trainCase(size{3, 1, 2, 2}, 1, true, true), {
		name:   "linear, bias and sum of one",
		shapes: [][]int{{1, 1}, {1, 1}, {1}},
		build: func(in nodes) (*node, error) {
			y, err := onRows(1, in[0], func(x *node) (*node, error) {
				y, err := op.Linear(x, in[1], 1)
				if err != nil {
					return nil, err
				}
				return op.Bias(y, in[2], 1, false)
			})
			if err != nil {
				return nil, err
			}
			return op.Add(y, in[0])
		},
		ref: func(in [][]float64) []float64 { return []float64{in[0][0]*in[1][0] + in[2][0] + in[0][0]} },
	}}
}

func convCases(n int) (cs []gradientCase) {
	for _, k := range []struct {
		s                             size
		co                            int
		kernel, stride, pad, dilation [2]int
	}{
		{size{n, 3, 5, 7}, 4, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1}},
		{size{n, 2, 7, 5}, 18, [2]int{3, 3}, [2]int{2, 2}, [2]int{1, 1}, [2]int{1, 1}},
		{size{n, 1, 9, 11}, 3, [2]int{7, 7}, [2]int{2, 2}, [2]int{3, 3}, [2]int{1, 1}},
		{size{n, 5, 4, 3}, 2, [2]int{1, 1}, [2]int{2, 2}, [2]int{0, 0}, [2]int{1, 1}},
		{size{n, 2, 6, 7}, 3, [2]int{3, 2}, [2]int{1, 2}, [2]int{2, 0}, [2]int{2, 1}},
	} {
		cs = append(cs, gradientCase{
			name:   fmt.Sprintf("conv %+v", k),
			shapes: [][]int{k.s.shape(), {k.co, k.s.c, k.kernel[0], k.kernel[1]}},
			build: func(in nodes) (*node, error) {
				return onMaps(n, in[0], func(x *node) (*node, error) {
					return op.Conv(x, in[1], n, op.ConvOptions{Stride: k.stride, Pad: k.pad, Dilation: k.dilation})
				})
			},
			ref: func(in [][]float64) []float64 {
				return refConv(in[0], in[1], k.s, k.co, k.kernel, k.stride, k.pad, k.dilation)
			},
		})
	}
	one := [2]int{1, 1}
	cs = append(cs, gradientCase{
		name:   fmt.Sprintf("linear of %d", n),
		shapes: [][]int{{n, 19}, {5, 19}},
		build: func(in nodes) (*node, error) {
			return onRows(n, in[0], func(x *node) (*node, error) { return op.Linear(x, in[1], n) })
		},
		ref: func(in [][]float64) []float64 {
			return refConv(in[0], in[1], size{n, 19, 1, 1}, 5, one, one, [2]int{}, one)
		},
	})
	return cs
}

func normCases(n int) (cs []gradientCase) {
	s := size{n, 3, 3, 5}
	for _, relu := range []bool{false, true} {
		cs = append(cs, gradientCase{
			name:   fmt.Sprintf("bias of %d, relu %v", n, relu),
			shapes: [][]int{s.shape(), {3}},
			build: func(in nodes) (*node, error) {
				return onMaps(n, in[0], func(x *node) (*node, error) { return op.Bias(x, in[1], n, relu) })
			},
			ref: func(in [][]float64) []float64 { return refBias(in[0], in[1], s, relu) },
		})
		for _, residual := range []bool{false, true} {
			groups := []int{1}
			if n > 1 {
				groups = append(groups, n)
			}
			if n == 17 {
				groups = []int{1, 17}
			}
			for _, k := range groups {
				cs = append(cs, trainCase(s, k, relu, residual))
			}
			cs = append(cs, evalCase(s, relu, residual))
		}
	}
	for _, relu := range []bool{false, true} {
		cs = append(cs, normPoolCase(size{4, 2, 5, 7}, 2, relu, false), normPoolCase(size{17, 3, 4, 3}, 1, relu, false),
			normPoolCase(size{3, 3, 6, 5}, 1, relu, true))
	}
	return append(cs, trainCase(size{2 * n, 2, 1, 3}, 2, true, true), trainCase(size{2 * n, 18, 3, 1}, 2, true, false))
}

func trainCase(s size, groups int, relu, residual bool) gradientCase {
	c := gradientCase{
		name:   fmt.Sprintf("batch norm %+v groups %d relu %v residual %v", s, groups, relu, residual),
		shapes: [][]int{s.shape(), {s.c}, {s.c}},
		build: func(in nodes) (*node, error) {
			return onMaps(s.n, in[0], func(x *node) (*node, error) {
				r, err := lanesOrNil(in, 3, residual)
				if err != nil {
					return nil, err
				}
				y, _, err := op.BatchNorm(x, in[1], in[2], r, s.n, op.NormOptions{Groups: groups, ReLU: relu})
				return y, err
			})
		},
		ref: func(in [][]float64) []float64 {
			var r []float64
			if residual {
				r = in[3]
			}
			return refNorm(in[0], in[1], in[2], r, nil, nil, s, groups, relu)
		},
	}
	if residual {
		c.shapes = append(c.shapes, s.shape())
	}
	return c
}

// normPoolCase is a batch norm, by running statistics if frozen, and a pool.
func normPoolCase(s size, groups int, relu, frozen bool) gradientCase {
	mean, variance := []float64{0.5, -0.25, 0.125}, []float64{0.5, 2, 1}
	kernel, stride, pad := [2]int{3, 2}, [2]int{2, 1}, [2]int{1, 1}
	norm, pool := op.NormOptions{Groups: groups, ReLU: relu}, op.PoolOptions{Kernel: kernel, Stride: stride, Pad: pad}
	return gradientCase{
		name:   fmt.Sprintf("batch norm and pool %+v groups %d relu %v frozen %v", s, groups, relu, frozen),
		shapes: [][]int{s.shape(), {s.c}, {s.c}},
		build: func(in nodes) (*node, error) {
			return onMaps(s.n, in[0], func(x *node) (*node, error) {
				if !frozen {
					y, _, err := op.BatchNormPool(x, in[1], in[2], s.n, norm, pool)
					return y, err
				}
				m, err := bound(x.Graph(), "mean", mean)
				if err != nil {
					return nil, err
				}
				v, err := bound(x.Graph(), "variance", variance)
				if err != nil {
					return nil, err
				}
				return op.BatchNormPoolEval(x, m, v, in[1], in[2], s.n, norm, pool)
			})
		},
		ref: func(in [][]float64) []float64 {
			m, v := mean, variance
			if !frozen {
				m, v = nil, nil
			}
			return refPool(refNorm(in[0], in[1], in[2], nil, m, v, s, groups, relu), s, kernel, stride, pad, true)
		},
	}
}

func evalCase(s size, relu, residual bool) gradientCase {
	mean, variance := []float64{0.5, -0.25, 0.125}, []float64{0.5, 2, 1}
	c := gradientCase{
		name:   fmt.Sprintf("batch norm eval %+v relu %v residual %v", s, relu, residual),
		shapes: [][]int{s.shape(), {s.c}, {s.c}},
		build: func(in nodes) (*node, error) {
			return onMaps(s.n, in[0], func(x *node) (*node, error) {
				r, err := lanesOrNil(in, 3, residual)
				if err != nil {
					return nil, err
				}
				m, err := bound(x.Graph(), "mean", mean)
				if err != nil {
					return nil, err
				}
				v, err := bound(x.Graph(), "variance", variance)
				if err != nil {
					return nil, err
				}
				return op.BatchNormEval(x, m, v, in[1], in[2], r, s.n, op.NormOptions{ReLU: relu})
			})
		},
		ref: func(in [][]float64) []float64 {
			var r []float64
			if residual {
				r = in[3]
			}
			return refNorm(in[0], in[1], in[2], r, mean, variance, s, 1, relu)
		},
	}
	if residual {
		c.shapes = append(c.shapes, s.shape())
	}
	return c
}

// lanesOrNil is input i in lanes, if there is to be one.
func lanesOrNil(in nodes, i int, yes bool) (*node, error) {
	if !yes {
		return nil, nil
	}
	return op.ToLanes(in[i])
}

func bound(g *gorgonia.ExprGraph, name string, values []float64) (*node, error) {
	data := make([]float32, len(values))
	for i, v := range values {
		data[i] = float32(v)
	}
	n, err := op.Input(g, name, len(data))
	if err != nil {
		return nil, err
	}
	return n, op.Bind(n, data)
}

func poolCases(n int) (cs []gradientCase) {
	for _, largest := range []bool{true, false} {
		pool, global := op.AvgPool, op.GlobalMean
		if largest {
			pool, global = op.MaxPool, op.GlobalMax
		}
		for _, k := range []struct {
			s                   size
			kernel, stride, pad [2]int
		}{
			{size{n, 2, 7, 9}, [2]int{3, 3}, [2]int{2, 2}, [2]int{1, 1}},
			{size{n, 3, 5, 4}, [2]int{2, 2}, [2]int{2, 2}, [2]int{0, 0}},
			{size{n, 1, 4, 5}, [2]int{3, 1}, [2]int{1, 1}, [2]int{1, 0}},
		} {
			cs = append(cs, gradientCase{
				name:   fmt.Sprintf("pool %+v largest %v", k, largest),
				shapes: [][]int{k.s.shape()},
				build: func(in nodes) (*node, error) {
					return onMaps(n, in[0], func(x *node) (*node, error) {
						return pool(x, n, op.PoolOptions{Kernel: k.kernel, Stride: k.stride, Pad: k.pad})
					})
				},
				ref: func(in [][]float64) []float64 { return refPool(in[0], k.s, k.kernel, k.stride, k.pad, largest) },
			})
		}
		for _, keep := range []bool{false, true} {
			s := size{n, 3, 4, 5}
			cs = append(cs, gradientCase{
				name:   fmt.Sprintf("global of %d largest %v keep rows %v", n, largest, keep),
				shapes: [][]int{s.shape()},
				build: func(in nodes) (*node, error) {
					return onRows(n, in[0], func(x *node) (*node, error) { return global(x, n, keep) })
				},
				ref: func(in [][]float64) []float64 { return refGlobal(in[0], s, keep, largest) },
			})
		}
	}
	return cs
}

func layoutCases(n int) []gradientCase {
	return []gradientCase{{
		name:   fmt.Sprintf("rows of %d", n),
		shapes: [][]int{{n + 2, 2, 3}},
		build:  func(in nodes) (*node, error) { return op.Rows(in[0], 1, n+1) },
		ref:    func(in [][]float64) []float64 { return in[0][6 : 6+6*n] },
	}, {
		name:   fmt.Sprintf("all rows of %d, reshaped", n),
		shapes: [][]int{{n, 2, 3}},
		build: func(in nodes) (*node, error) {
			r, err := op.Rows(in[0], 0, n)
			if err != nil {
				return nil, err
			}
			return op.Reshape(r, 3, 2*n)
		},
		ref: func(in [][]float64) []float64 { return in[0] },
	}, {
		name:   fmt.Sprintf("concat of %d", n),
		shapes: [][]int{{n, 3}, {n, 5}},
		build:  func(in nodes) (*node, error) { return op.Concat(in[0], in[1]) },
		ref:    func(in [][]float64) []float64 { return refConcat(in[0], in[1], n) },
	}, {
		name:   fmt.Sprintf("stack of %d", n),
		shapes: [][]int{{n, 3}, {n + 2, 3}},
		build:  func(in nodes) (*node, error) { return op.Stack(in[0], in[1]) },
		ref:    func(in [][]float64) []float64 { return append(slices.Clone(in[0]), in[1]...) },
	}, {
		name:   fmt.Sprintf("x + its nearest rows, of %d", n),
		shapes: [][]int{{n, 19}, {33, 19}},
		frozen: 1,
		build: func(in nodes) (*node, error) {
			y, err := op.Nearest(in[0], in[1])
			if err != nil {
				return nil, err
			}
			return op.Add(in[0], y)
		},
		ref: func(in [][]float64) []float64 { return refAddNearest(in[0], in[1], 19) },
	}, {
		name:   fmt.Sprintf("layer norm of %d", n),
		shapes: [][]int{{n, 19}, {19}, {19}},
		build:  func(in nodes) (*node, error) { return op.LayerNorm(in[0], in[1], in[2], 1e-5) },
		ref: func(in [][]float64) []float64 {
			y := make([]float64, 19*n)
			for i := range n { // a row is a channel of one example
				copy(y[19*i:], refNorm(in[0][19*i:19*(i+1)], []float64{1}, []float64{0}, nil, nil, nil, size{1, 1, 1, 19}, 1, false))
			}
			for i := range y {
				y[i] = y[i]*in[1][i%19] + in[2][i%19]
			}
			return y
		},
	}, {
		name:   fmt.Sprintf("normalize %d", n),
		shapes: [][]int{{n, 13}},
		build:  func(in nodes) (*node, error) { return op.Normalize(in[0]) },
		ref:    func(in [][]float64) []float64 { return refNormalize(in[0], 13) },
	}, {
		name:   fmt.Sprintf("lanes and back of %d", n),
		shapes: [][]int{{n, 3, 2, 5}},
		build: func(in nodes) (*node, error) {
			return onMaps(n, in[0], func(x *node) (*node, error) { return x, nil })
		},
		ref: func(in [][]float64) []float64 { return in[0] },
	}}
}

// bendCases are the smooth activations, on maps, between functions that must not
// mind what the lanes without an example hold.
func bendCases(n int) (cs []gradientCase) {
	s := size{n, 3, 4, 5}
	for name, f := range map[string]struct {
		op  func(*node) (*node, error)
		ref func(float64) float64
	}{
		"sigmoid": {op.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }},
		"tanh":    {op.Tanh, math.Tanh},
		"gelu":    {op.GELU, func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }},
	} {
		one := [2]int{1, 1}
		cs = append(cs, gradientCase{
			name:   fmt.Sprintf("%s of %d between convolutions", name, n),
			shapes: [][]int{s.shape(), {2, 3, 2, 3}},
			build: func(in nodes) (*node, error) {
				return onMaps(n, in[0], func(x *node) (*node, error) {
					x, err := f.op(x)
					if err != nil {
						return nil, err
					}
					if x, err = op.Conv(x, in[1], n, op.ConvOptions{}); err != nil {
						return nil, err
					}
					return f.op(x)
				})
			},
			ref: func(in [][]float64) []float64 {
				each := func(x []float64) []float64 {
					y := make([]float64, len(x))
					for i, v := range x {
						y[i] = f.ref(v)
					}
					return y
				}
				return each(refConv(each(in[0]), in[1], s, 2, [2]int{2, 3}, one, [2]int{}, one))
			},
		})
	}
	return cs
}

// encoderCases are what encoders of sounds and of frames are made of besides.
func encoderCases(n int) []gradientCase {
	s := size{n, 3, 4, 5}
	const rate, key = 0.25, 99
	step := []float64{3, 1}
	mask := make([]float32, 6*n)
	for i := range mask {
		mask[i] = 1
	}
	kernel.Dropout(mask, mask, rate, key, 3+1<<24)
	one := [2]int{1, 1}
	return []gradientCase{{
		name:   fmt.Sprintf("fold of %d, and a linear layer over frames", n),
		shapes: [][]int{s.shape(), {7, 12}},
		build: func(in nodes) (*node, error) {
			return onMaps(n, in[0], func(x *node) (*node, error) {
				x, err := op.Fold(x, n)
				if err != nil {
					return nil, err
				}
				return op.Linear(x, in[1], n)
			})
		},
		ref: func(in [][]float64) []float64 {
			f := size{n, 12, 1, 5}
			folded := make([]float64, len(in[0]))
			for e := range n {
				for c := range 3 {
					for h := range 4 {
						for w := range 5 {
							folded[f.at(e, h*3+c, 0, w)] = in[0][s.at(e, c, h, w)]
						}
					}
				}
			}
			return refConv(folded, in[1], f, 7, one, one, [2]int{}, one)
		},
	}, {
		name:   fmt.Sprintf("softmax of %d", n),
		shapes: [][]int{{n, 17}},
		build:  func(in nodes) (*node, error) { return op.Softmax(in[0]) },
		ref: func(in [][]float64) []float64 {
			y := make([]float64, len(in[0]))
			for r := 0; r < len(y); r += 17 {
				sum := 0.0
				for _, v := range in[0][r : r+17] {
					sum += math.Exp(v)
				}
				for i := r; i < r+17; i++ {
					y[i] = math.Exp(in[0][i]) / sum
				}
			}
			return y
		},
	}, {
		name:   fmt.Sprintf("dropout of %d", n),
		shapes: [][]int{{n, 6}},
		build: func(in nodes) (*node, error) {
			at, err := bound(in[0].Graph(), "step", step)
			if err != nil {
				return nil, err
			}
			return op.Dropout(in[0], at, rate, key)
		},
		ref: func(in [][]float64) []float64 {
			y := make([]float64, len(in[0]))
			for i, v := range in[0] {
				y[i] = v * float64(mask[i])
			}
			return y
		},
	}}
}

func pointCases(n int) []gradientCase {
	s := size{n, 2, 3, 3}
	return []gradientCase{{
		name:   fmt.Sprintf("relu of %d", n),
		shapes: [][]int{s.shape()},
		build: func(in nodes) (*node, error) {
			return onMaps(n, in[0], op.ReLU)
		},
		ref: func(in [][]float64) []float64 { return refBias(in[0], make([]float64, 2), s, true) },
	}, {
		name:   fmt.Sprintf("times -0.75 of %d", n),
		shapes: [][]int{{n, 6}},
		build:  func(in nodes) (*node, error) { return op.Times(in[0], -0.75) },
		ref: func(in [][]float64) []float64 {
			y := make([]float64, 6*n)
			for i, x := range in[0] {
				y[i] = -0.75 * x
			}
			return y
		},
	}, {
		name:   fmt.Sprintf("x + relu(x) + 2x + stop(y) of %d", n),
		shapes: [][]int{{n, 6}, {n, 6}},
		frozen: 1,
		build: func(in nodes) (*node, error) {
			r, err := op.ReLU(in[0])
			if err != nil {
				return nil, err
			}
			if r, err = op.Add(in[0], r); err != nil {
				return nil, err
			}
			two, err := op.Add(in[0], in[0])
			if err != nil {
				return nil, err
			}
			if r, err = op.Add(r, two); err != nil {
				return nil, err
			}
			stop, err := op.StopGradient(in[1])
			if err != nil {
				return nil, err
			}
			return op.Add(r, stop)
		},
		ref: func(in [][]float64) []float64 {
			y := make([]float64, 6*n)
			for i, x := range in[0] {
				y[i] = 3*x + max(x, 0) + in[1][i]
			}
			return y
		},
	}}
}
