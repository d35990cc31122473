package main

import (
	"fmt"
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A matrix maps inputs (columns) to outputs (rows).
type matrix [][]float64

func (m matrix) transposed() matrix {
	t := make(matrix, len(m[0]))
	for i := range t {
		for _, row := range m {
			t[i] = append(t[i], row[i])
		}
	}
	return t
}

// An axis is minimal filtering with three taps along one side of a map: outputs
// y = at·((g·w) ∘ (bt·x)), see kernel.axis, which has the same matrices.
type axis struct {
	name      string
	bt, at, g matrix
}

// toomCook makes the algorithm for as many outputs as there are points, less
// one, from finite points and infinity (Winograd 1980; Lavin and Gray 2015).
func toomCook(name string, points ...float64) axis {
	n := len(points) + 1
	a := axis{name: name, at: make(matrix, n-2)}
	full := []float64{1}
	for i, p := range points {
		full = times(full, p)
		others, scale := []float64{1}, 1.0
		for j, q := range points {
			if j != i {
				others, scale = times(others, q), scale*(p-q)
			}
		}
		a.bt = append(a.bt, append(others, 0))
		a.g = append(a.g, []float64{1 / scale, p / scale, p * p / scale})
		for k := range a.at {
			a.at[k] = append(a.at[k], math.Pow(p, float64(k)))
		}
	}
	a.bt = append(a.bt, full)
	a.g = append(a.g, []float64{0, 0, 1})
	for k := range a.at {
		a.at[k] = append(a.at[k], 0)
	}
	a.at[n-3][n-1] = 1
	return a
}

// times is the polynomial c times (x - p).
func times(c []float64, p float64) []float64 {
	r := make([]float64, len(c)+1)
	for i, v := range c {
		r[i] -= p * v
		r[i+1] += v
	}
	return r
}

// The axes. Points of ±3/4 and ±3/2 round half as much as ±1 and ±2.
var (
	four  = toomCook("4", 0, 0.75, -0.75, 1.5, -1.5)
	three = toomCook("3", 0, 1, -1, 2)
	// two is a whole side of two pixels with zeros on both ends, where three
	// products do (Karatsuba and Ofman 1962).
	two = axis{
		name: "2",
		bt:   matrix{{1, 1}, {0, 1}, {1, 0}},
		at:   matrix{{1, 1, 0}, {1, 0, 1}},
		g:    matrix{{0, 1, 0}, {0, -1, 1}, {1, -1, 0}},
	}
)

// winograd writes the five transforms of each pair of axes, the first of which
// runs along columns: input and gradient of the output to points, points to
// output, weights to points, points to gradient of the weights.
func (v vectors) winograd() {
	for _, p := range [][2]axis{{four, four}, {four, three}, {two, three}, {two, two}} {
		a, b, name := p[0], p[1], p[0].name+p[1].name
		v.transform("winoInput"+name, a.bt, b.bt, true)
		v.transform("winoOutput"+name, a.at, b.at, false)
		v.transform("winoOutputGrad"+name, a.at.transposed(), b.at.transposed(), true)
		v.transform("winoWeights"+name, a.g, b.g, true)
		v.transform("winoWeightsGrad"+name, a.g.transposed(), b.g.transposed(), false)
	}
}

// Offsets in kernel.transformArgs.
const (
	winoSrc, winoDst, winoScratch = 0, 24, 48
	winoPlane, winoStep, winoN    = 72, 80, 88
	winoPlaces                    = 96
	together                      = 8 // vectors that pass the columns before the rows
)

// transform: dst = m · src · nᵀ for each of a number of vectors of sixteen
// lanes, where src and dst are grids of vectors. One of them is points, plane
// apart and step from vector to vector; the other is pixels, or taps, whose
// places are in a table and whose vectors are one after the other.
//
// Eight vectors go down one column after the other, then along the rows: so
// only six streams are read at a time. Pixels of 64 or 128 channels are 4 or 8
// KiB apart, and the 36 of a tile would fight for twelve places in the cache.
func (v vectors) transform(name string, m, n matrix, toPoints bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	src, dst, left := field(p, winoSrc), field(p, winoDst), field(p, winoN)
	columns := len(n[0])
	middle := func(mid reg.GPVirtual, i, j int) Mem { return Mem{Base: mid, Disp: (i*columns + j) * together * 64} }
	c := v.numbersOf(m, n)
	pixels := func(base reg.GPVirtual, indices []int) []reg.GPVirtual {
		var r []reg.GPVirtual
		for _, i := range indices {
			at := field(p, winoPlaces+8*i)
			LEAQ(Mem{Base: base, Index: at, Scale: 4}, at)
			r = append(r, at)
		}
		return r
	}
	points := func(base reg.GPVirtual, indices []int) []reg.GPVirtual {
		var r []reg.GPVirtual
		for _, i := range indices {
			at := bytesField(p, winoPlane)
			IMUL3Q(U8(i), at, at)
			ADDQ(base, at)
			r = append(r, at)
		}
		return r
	}
	from, to := pixels, points
	if !toPoints {
		from, to = points, pixels
	}
	// each goes over the vectors; its body is given their offsets in src or dst,
	// in whose step they are counted, and in the middle.
	each := func(l string, base reg.GPVirtual, inPoints, last bool, body func(off, mid reg.GPVirtual)) {
		off, mid, count := GP64(), field(p, winoScratch), GP64()
		MOVQ(U32(together), count)
		CMPQ(left, count)
		CMOVQLT(left, count)
		XORQ(off, off)
		Label(l)
		body(off, mid)
		ADDQ(U8(64), mid)
		if inPoints {
			step := bytesField(p, winoStep)
			ADDQ(step, off)
		} else {
			ADDQ(U8(64), off)
		}
		DECQ(count)
		JNZ(LabelRef(l))
		if last {
			ADDQ(off, base)
		}
	}
	at := func(base, off reg.GPVirtual) Mem { return Mem{Base: base, Index: off, Scale: 1} }
	Label("block")
	for j := range columns {
		var indices []int
		for i := range m[0] {
			indices = append(indices, i*columns+j)
		}
		places := from(src, indices)
		each(fmt.Sprint("column", j), src, !toPoints, j == columns-1, func(off, mid reg.GPVirtual) {
			for part := range v.per() {
				d := make([]reg.VecVirtual, len(places))
				for i, r := range places {
					d[i] = v.register()
					VMOVUPS(v.part(at(r, off), part), d[i])
				}
				for i, r := range c.combine(m, d) {
					VMOVUPS(r, v.part(middle(mid, i, j), part))
				}
			}
		})
	}
	for i := range m {
		var indices []int
		for j := range n {
			indices = append(indices, i*len(n)+j)
		}
		places := to(dst, indices)
		each(fmt.Sprint("row", i), dst, toPoints, i == len(m)-1, func(off, mid reg.GPVirtual) {
			for part := range v.per() {
				d := make([]reg.VecVirtual, columns)
				for j := range d {
					d[j] = v.register()
					VMOVUPS(v.part(middle(mid, i, j), part), d[j])
				}
				for j, r := range c.combine(n, d) {
					VMOVUPS(r, v.part(at(places[j], off), part))
				}
			}
			if toPoints { // fetch where the next eight will go
				for _, r := range places {
					m := at(r, off)
					m.Disp = together * 64
					PREFETCHT0(m)
				}
			}
		})
	}
	SUBQ(U8(together), left)
	JG(LabelRef("block"))
	ret()
}

// A calculator writes sums of products with constants. With AVX-512 the
// constants stay in registers; AVX2 has too few and reads them from memory.
type calculator struct {
	vectors
	numbers map[float32]Op
	dry     bool // writes nothing, only notes the numbers
}

// numbersOf is a calculator ready for products with m and n.
func (v vectors) numbersOf(m, n matrix) *calculator {
	c := &calculator{vectors: v, numbers: map[float32]Op{}, dry: true}
	c.combine(m, make([]reg.VecVirtual, len(m[0])))
	c.combine(n, make([]reg.VecVirtual, len(n[0])))
	c.dry = false
	var order []float32
	for f := range c.numbers {
		order = append(order, f)
	}
	slices.Sort(order)
	for _, f := range order {
		if c.numbers[f] = constant(f); v.wide() {
			r := v.register()
			VBROADCASTSS(c.numbers[f].(Mem), r)
			c.numbers[f] = r
		}
	}
	return c
}

// combine gives m·d. Two inputs whose coefficients differ by signs only become
// sum and difference; two outputs that share their even and odd parts share
// those.
func (c *calculator) combine(m matrix, d []reg.VecVirtual) []reg.VecVirtual {
	m, d = c.pairInputs(m, d)
	out := make([]reg.VecVirtual, 0, len(m))
	for i := 0; i < len(m); i++ {
		if i+1 < len(m) {
			even, odd := make([]float64, len(d)), make([]float64, len(d))
			for k := range d {
				even[k], odd[k] = (m[i][k]+m[i+1][k])/2, (m[i][k]-m[i+1][k])/2
			}
			if terms(even)+terms(odd) < terms(m[i])+terms(m[i+1]) && terms(even) > 0 && terms(odd) > 0 {
				e := c.sum(even, d)
				f := last(odd)
				for k := range odd {
					odd[k] /= f
				}
				o := c.sum(odd, d)
				out = append(out, c.add(e, f, o), c.add(e, -f, o))
				i++
				continue
			}
		}
		out = append(out, c.sum(m[i], d))
	}
	return out
}

// pairInputs replaces neighbouring inputs whose coefficients have equal sizes in
// every row by their sum and difference.
func (c *calculator) pairInputs(m matrix, d []reg.VecVirtual) (matrix, []reg.VecVirtual) {
	r := make(matrix, len(m))
	for i := range m {
		r[i] = slices.Clone(m[i])
	}
	d = slices.Clone(d)
	for k := 0; k+1 < len(d); k++ {
		equal, both := true, 0
		for _, row := range m {
			equal = equal && math.Abs(row[k]) == math.Abs(row[k+1])
			if row[k] != 0 {
				both++
			}
		}
		if !equal || both < 2 {
			continue
		}
		d[k], d[k+1] = c.add(d[k], 1, d[k+1]), c.add(d[k], -1, d[k+1])
		for i, row := range m {
			r[i][k], r[i][k+1] = (row[k]+row[k+1])/2, (row[k]-row[k+1])/2
		}
		k++
	}
	return r, d
}

func terms(c []float64) int {
	n := 0
	for _, v := range c {
		if v != 0 {
			n++
		}
	}
	return n
}

func last(c []float64) float64 {
	for k := len(c) - 1; ; k-- {
		if c[k] != 0 {
			return c[k]
		}
	}
}

// sum is Σ by·d, last terms first; one with the factor 1 begins, if there is one.
func (c *calculator) sum(by []float64, d []reg.VecVirtual) reg.VecVirtual {
	first := len(by) - 1
	for first > 0 && by[first] == 0 {
		first--
	}
	for k := len(by) - 1; k >= 0; k-- {
		if by[k] == 1 {
			first = k
			break
		}
	}
	r := d[first]
	if by[first] != 1 {
		r = c.times(by[first], r)
	}
	for k := len(by) - 1; k >= 0; k-- {
		if k != first && by[k] != 0 {
			r = c.add(r, by[k], d[k])
		}
	}
	return r
}

// times is by·x in a register of its own.
func (c *calculator) times(by float64, x reg.VecVirtual) reg.VecVirtual {
	n := c.number(by)
	if c.dry {
		return nil
	}
	r := c.register()
	VMULPS(n, x, r)
	return r
}

// add is x + by·y in a register of its own.
func (c *calculator) add(x reg.VecVirtual, by float64, y reg.VecVirtual) reg.VecVirtual {
	plain := by == 1 || by == -1
	var n Op
	if !plain {
		n = c.number(math.Abs(by))
	}
	if c.dry {
		return nil
	}
	r := c.register()
	switch {
	case by == 1:
		VADDPS(y, x, r)
	case by == -1:
		VSUBPS(y, x, r)
	case by > 0:
		VMOVAPS(x, r)
		VFMADD231PS(n, y, r)
	default:
		VMOVAPS(x, r)
		VFNMADD231PS(n, y, r)
	}
	return r
}

func (c *calculator) number(f float64) Op {
	if c.dry {
		c.numbers[float32(f)] = nil
	}
	return c.numbers[float32(f)]
}
