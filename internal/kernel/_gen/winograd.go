package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
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
	for _, p := range [][2]axis{{four, four}, {four, three}, {two, three}} {
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
)

// transform: dst = m · src · nᵀ for each of n vectors of sixteen lanes, where
// src and dst are grids of vectors. One of them is points, plane apart and step
// from vector to vector; the other is pixels, or taps, whose places are in a
// table and whose vectors are one after the other.
func (v vectors) transform(name string, m, n matrix, toPoints bool) {
	v.text(name, "func(a *byte)")
	p := Load(Param("a"), GP64())
	src, dst, scratch := field(p, winoSrc), field(p, winoDst), field(p, winoScratch)
	plane, step, left := bytesField(p, winoPlane), bytesField(p, winoStep), field(p, winoN)
	plane3, plane5 := GP64(), GP64()
	LEAQ(Mem{Base: plane, Index: plane, Scale: 2}, plane3)
	LEAQ(Mem{Base: plane, Index: plane, Scale: 4}, plane5)

	pixel := func(base reg.GPVirtual, i, part int) Mem {
		off := GP64()
		MOVQ(Mem{Base: p, Disp: winoPlaces + 8*i}, off)
		return v.part(Mem{Base: base, Index: off, Scale: 4}, part)
	}
	// point (i, j) of a grid with width columns; at is base + i·width·plane
	point := func(at reg.GPVirtual, j, part int) Mem {
		m := Mem{Base: at}
		switch j {
		case 1, 2, 4:
			m.Index, m.Scale = plane, uint8(j)
		case 3:
			m.Index, m.Scale = plane3, 1
		case 5:
			m.Index, m.Scale = plane5, 1
		}
		return v.part(m, part)
	}
	nextRow := func(at reg.GPVirtual, width int) {
		switch width {
		case 3:
			ADDQ(plane3, at)
		case 5:
			ADDQ(plane5, at)
		case 6:
			ADDQ(plane5, at)
			ADDQ(plane, at)
		default:
			panic(width)
		}
	}
	rowsIn, columnsIn := len(m[0]), len(n[0])
	rowsOut, columnsOut := len(m), len(n)
	Label("vector")
	for part := range v.per() {
		mid := func(i, j int) Mem { return Mem{Base: scratch, Disp: (i*columnsIn + j) * v.width * 4} }
		// down the columns
		held := make([][]reg.VecVirtual, rowsOut)
		var rows []reg.GPVirtual
		if !toPoints { // a pointer to each row of points
			for i := range rowsIn {
				r := GP64()
				if i == 0 {
					MOVQ(src, r)
				} else {
					MOVQ(rows[i-1], r)
					nextRow(r, columnsIn)
				}
				rows = append(rows, r)
			}
		}
		for j := range columnsIn {
			d := make([]reg.VecVirtual, rowsIn)
			for i := range d {
				d[i] = v.register()
				if toPoints {
					VMOVUPS(pixel(src, i*columnsIn+j, part), d[i])
				} else {
					VMOVUPS(point(rows[i], j, part), d[i])
				}
			}
			for i, r := range v.combine(m, d) {
				if i < v.holds(m) {
					held[i] = append(held[i], r)
				} else {
					VMOVUPS(r, mid(i, j))
				}
			}
		}
		// along the rows
		at := GP64()
		MOVQ(dst, at)
		for i := range rowsOut {
			d := held[i]
			if d == nil {
				d = make([]reg.VecVirtual, columnsIn)
				for j := range d {
					d[j] = v.register()
					VMOVUPS(mid(i, j), d[j])
				}
			}
			for j, r := range v.combine(n, d) {
				if toPoints {
					VMOVUPS(r, point(at, j, part))
				} else {
					VMOVUPS(r, pixel(dst, i*columnsOut+j, part))
				}
			}
			if toPoints && i+1 < rowsOut {
				nextRow(at, columnsOut)
			}
		}
	}
	if toPoints {
		ADDQ(U8(64), src)
		ADDQ(step, dst)
	} else {
		ADDQ(step, src)
		ADDQ(U8(64), dst)
	}
	DECQ(left)
	JNZ(LabelRef("vector"))
	ret()
}

// holds is how many rows of the middle stay in registers.
func (v vectors) holds(m matrix) int {
	if !v.wide() {
		return 0
	}
	return min(len(m), 2)
}

// combine gives m·d. Two inputs whose coefficients differ by signs only become
// sum and difference; two outputs that share their even and odd parts share
// those.
func (v vectors) combine(m matrix, d []reg.VecVirtual) []reg.VecVirtual {
	m, d = v.pairInputs(m, d)
	out := make([]reg.VecVirtual, 0, len(m))
	for i := 0; i < len(m); i++ {
		if i+1 < len(m) {
			even, odd := make([]float64, len(d)), make([]float64, len(d))
			for k := range d {
				even[k], odd[k] = (m[i][k]+m[i+1][k])/2, (m[i][k]-m[i+1][k])/2
			}
			if terms(even)+terms(odd) < terms(m[i])+terms(m[i+1]) && terms(even) > 0 && terms(odd) > 0 {
				e := v.sum(even, d)
				f := last(odd)
				for k := range odd {
					odd[k] /= f
				}
				o := v.sum(odd, d)
				out = append(out, v.add(e, f, o), v.add(e, -f, o))
				i++
				continue
			}
		}
		out = append(out, v.sum(m[i], d))
	}
	return out
}

// pairInputs replaces neighbouring inputs whose coefficients have equal sizes in
// every row by their sum and difference.
func (v vectors) pairInputs(m matrix, d []reg.VecVirtual) (matrix, []reg.VecVirtual) {
	r := make(matrix, len(m))
	for i := range m {
		r[i] = append([]float64(nil), m[i]...)
	}
	d = append([]reg.VecVirtual(nil), d...)
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
		sum, difference := v.add(d[k], 1, d[k+1]), v.add(d[k], -1, d[k+1])
		d[k], d[k+1] = sum, difference
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

// sum is Σ c·d: a term of coefficient 1 begins, if there is one.
func (v vectors) sum(c []float64, d []reg.VecVirtual) reg.VecVirtual {
	first := -1
	for k := len(c) - 1; k >= 0; k-- {
		if c[k] == 1 {
			first = k
			break
		}
	}
	var r reg.VecVirtual
	if first >= 0 {
		r = d[first]
	}
	for k := len(c) - 1; k >= 0; k-- {
		switch {
		case k == first || c[k] == 0:
		case r == nil:
			r = v.register()
			if v.wide() {
				VMULPS_BCST(number(c[k]), d[k], r)
			} else {
				VMULPS(number(c[k]), d[k], r)
			}
		default:
			r = v.add(r, c[k], d[k])
		}
	}
	return r
}

// add is x + c·y in a register of its own.
func (v vectors) add(x reg.VecVirtual, c float64, y reg.VecVirtual) reg.VecVirtual {
	r := v.register()
	switch c {
	case 1:
		VADDPS(y, x, r)
		return r
	case -1:
		VSUBPS(y, x, r)
		return r
	}
	VMOVAPS(x, r)
	if v.wide() {
		VFMADD231PS_BCST(number(c), y, r)
	} else {
		VFMADD231PS(number(c), y, r)
	}
	return r
}

var numbers = map[float32]Mem{}

// number is eight copies of a constant.
func number(f float64) Mem {
	c := float32(f)
	m, ok := numbers[c]
	if !ok {
		bits := math.Float32bits(c)
		m = GLOBL(fmt.Sprintf("number%08x", bits), attr.RODATA|attr.NOPTR)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		numbers[c] = m
	}
	return m
}
