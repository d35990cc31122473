// Package project lays points of many dimensions out in two, for people to look
// at. Equal input gives equal bytes, on any number of threads.
//
// It hides how: what comes out has no unit, and of t-SNE only which points lie
// close to each other means anything.
package project

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// PCA gives each of n points of d dimensions, rows of x, its k coordinates along
// the directions in which the points differ most, and what share of all variance
// each direction has, at most 1 in sum. Where there are fewer directions than k the
// rest is 0. The coordinate of largest absolute value of each direction is positive,
// for the sign of a direction means nothing (Pearson 1901).
func PCA(x []float64, n, d, k int) (y, share []float64) { // (n, k), (k)
	check("PCA", x, n, d)
	y, share = make([]float64, n*k), make([]float64, k)
	if n < 2 || d == 0 {
		return y, share
	}
	c := centred(x, n, d)
	rows := func(i, j int) float64 { return dot(c[i*d:(i+1)*d], c[j*d:(j+1)*d]) }
	side := n
	if d < n { // the smaller of the two matrices has the same eigenvalues
		t := transposed(c, n, d)
		rows = func(i, j int) float64 { return dot(t[i*n:(i+1)*n], t[j*n:(j+1)*n]) }
		side = d
	}
	gram, trace := mat.NewSymDense(side, nil), 0.0
	for i := range side {
		for j := i; j < side; j++ {
			gram.SetSym(i, j, rows(i, j))
		}
		trace += gram.At(i, i)
	}
	var eigen mat.EigenSym
	if trace == 0 || !eigen.Factorize(gram, true) { // all points are one; of finite values the factors are found
		return y, share
	}
	values, vectors := eigen.Values(nil), mat.NewDense(side, side, nil)
	eigen.VectorsTo(vectors)
	for q := range min(k, side) {
		at := side - 1 - q // they rise
		value := max(0, values[at])
		share[q] = value / trace
		largest := 0.0
		for i := range n {
			v := vectors.At(min(i, side-1), at) * math.Sqrt(value) // of the rows' matrix it is the coordinate
			if d < n {
				v = 0
				for j := range d {
					v += float64(c[i*d+j] * vectors.At(j, at))
				}
			}
			y[i*k+q] = v
			if math.Abs(v) > math.Abs(largest) {
				largest = v
			}
		}
		for i := range n {
			if largest < 0 {
				y[i*k+q] = -y[i*k+q]
			}
		}
	}
	return y, share
}

// check panics on a caller's mistake.
func check(what string, x []float64, n, d int) {
	if n < 0 || d < 0 || len(x) != n*d {
		panic(fmt.Sprintf("project: %s: %d values for %d points of %d dimensions", what, len(x), n, d))
	}
}

// centred is the points with their mean taken away.
func centred(x []float64, n, d int) []float64 { // (n, d)
	c, mean := make([]float64, n*d), make([]float64, d)
	for i, v := range x {
		mean[i%d] += v
	}
	for i, v := range x {
		c[i] = v - mean[i%d]/float64(n)
	}
	return c
}

func transposed(x []float64, n, d int) []float64 { // (n, d) → (d, n)
	t := make([]float64, n*d)
	for i := range n {
		for j := range d {
			t[j*n+i] = x[i*d+j]
		}
	}
	return t
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}
