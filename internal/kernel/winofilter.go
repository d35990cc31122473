package kernel

import "math"

// A matrix maps inputs (columns) to outputs (rows).
type matrix [][]float64

// An axis is minimal filtering with three taps along one side of a map:
//
//	y = at · ((g·w) ∘ (bt·x))
//
// makes some outputs from their inputs with one product a point (Winograd 1980;
// Lavin and Gray 2015, "Fast algorithms for convolutional neural networks").
type axis struct {
	bt, at, g matrix // (points, inputs), (outputs, points), (points, 3)
	whole     bool   // the outputs are a whole side, padded by one: the zeros are no inputs
}

func (a *axis) inputs() int  { return len(a.bt[0]) }
func (a *axis) outputs() int { return len(a.at) }
func (a *axis) points() int  { return len(a.bt) }

// The axes. Points of ±3/4 and ±3/2 round half as much as ±1 and ±2. The last
// is the product of two polynomials in three multiplications (Karatsuba and
// Ofman 1962).
var (
	axisFour  = toomCook(0, 0.75, -0.75, 1.5, -1.5)
	axisThree = toomCook(0, 1, -1, 2)
	axisTwo   = &axis{
		bt:    matrix{{1, 1}, {0, 1}, {1, 0}},
		at:    matrix{{1, 1, 0}, {1, 0, 1}},
		g:     matrix{{0, 1, 0}, {0, -1, 1}, {1, -1, 0}},
		whole: true,
	}
)

// toomCook makes as many outputs as there are points, less one, from finite
// points and infinity.
func toomCook(points ...float64) *axis {
	outputs := len(points) - 1
	a := &axis{at: make(matrix, outputs)}
	all := []float64{1}
	for i, p := range points {
		all = timesRoot(all, p)
		others, scale := []float64{1}, 1.0
		for j, q := range points {
			if j != i {
				others, scale = timesRoot(others, q), scale*(p-q)
			}
		}
		a.bt = append(a.bt, append(others, 0))
		a.g = append(a.g, []float64{1 / scale, p / scale, p * p / scale})
		for k := range a.at {
			a.at[k] = append(a.at[k], math.Pow(p, float64(k)))
		}
	}
	a.bt = append(a.bt, all)
	a.g = append(a.g, []float64{0, 0, 1})
	for k := range a.at {
		a.at[k] = append(a.at[k], 0)
	}
	a.at[outputs-1][len(points)] = 1
	return a
}

// timesRoot is the polynomial c, lowest power first, times (x - p).
func timesRoot(c []float64, p float64) []float64 {
	r := make([]float64, len(c)+1)
	for i, v := range c {
		r[i] -= p * v
		r[i+1] += v
	}
	return r
}

func (m matrix) transposed() matrix {
	t := make(matrix, len(m[0]))
	for i := range t {
		for _, row := range m {
			t[i] = append(t[i], row[i])
		}
	}
	return t
}

// A filter is an axis for the columns of a map and one for its rows.
type filter struct {
	v, h *axis
	id   int // of its transforms, in the order of the generator
	// what each transform multiplies with from the left and, transposed, from
	// the right
	matrices [transforms][2]matrix
}

var filters = [...]filter{
	newFilter(0, axisFour, axisFour),
	newFilter(1, axisFour, axisThree),
	newFilter(2, axisTwo, axisThree),
	newFilter(3, axisTwo, axisTwo),
}

func newFilter(id int, v, h *axis) filter {
	return filter{v, h, id, [transforms][2]matrix{
		toInput:       {v.bt, h.bt},
		toOutput:      {v.at, h.at},
		toOutputGrad:  {v.at.transposed(), h.at.transposed()},
		toWeights:     {v.g, h.g},
		toWeightsGrad: {v.g.transposed(), h.g.transposed()},
	}}
}

func (f *filter) points() int { return f.v.points() * f.h.points() }

// A transform is one of a filter's five.
type transform int

const (
	toInput       transform = iota // pixels of the input to points
	toOutput                       // points to pixels of the output
	toOutputGrad                   // pixels of the output's gradient to points
	toWeights                      // taps to points
	toWeightsGrad                  // points to the gradient of the taps
	transforms
)

// toPoints tells a transform's direction.
func (t transform) toPoints() bool { return t != toOutput && t != toWeightsGrad }

// mostPoints is the largest number of points of a filter.
const mostPoints = 36

// transformArgs is the argument of the transforms: n vectors of sixteen lanes
// each go from a grid of src to a grid of dst. One of the grids is points,
// plane apart and step from vector to vector; the other is pixels, or taps, at
// places, vectors one after the other. Counts are of float32s. The assembly
// reads it field by field.
type transformArgs struct {
	src, dst       []float32
	scratch        []float32 // winoMiddle
	plane, step, n int
	places         [mostPoints]int
}

// winoMiddle is room for eight vectors between columns and rows, and to spare:
// so much memory begins at a multiple of 64 bytes.
const winoMiddle = 2 * 8 * mostPoints * Lanes

// nowhere is the place of a pixel past the edge: zero to read, and not written.
const nowhere = -1 << 62

// transformTwin is the plain form.
func transformTwin(f *filter, kind transform, a *transformArgs) {
	m, n := f.matrices[kind][0], f.matrices[kind][1]
	var src, mid, dst [mostPoints]lane
	rows, columns := len(m[0]), len(n[0])
	for v := range a.n {
		for i := range rows * columns {
			if kind.toPoints() {
				src[i] = lane{}
				if p := a.places[i]; p != nowhere {
					src[i] = *at(a.src[p+v*Lanes:], 0)
				}
			} else {
				src[i] = *at(a.src[i*a.plane+v*a.step:], 0)
			}
		}
		for i, row := range m {
			for j := range columns {
				var sum lane
				for k, c := range row {
					if c == 0 {
						continue // 0·∞ is NaN
					}
					for l, x := range src[k*columns+j] {
						sum[l] += float32(c) * x
					}
				}
				mid[i*columns+j] = sum
			}
		}
		for i := range m {
			for j, row := range n {
				var sum lane
				for k, c := range row {
					if c == 0 {
						continue
					}
					for l, x := range mid[i*columns+k] {
						sum[l] += float32(c) * x
					}
				}
				dst[i*len(n)+j] = sum
			}
		}
		for i := range len(m) * len(n) {
			if kind.toPoints() {
				*at(a.dst[i*a.plane+v*a.step:], 0) = dst[i]
			} else if p := a.places[i]; p != nowhere {
				*at(a.dst[p+v*Lanes:], 0) = dst[i]
			}
		}
	}
}
