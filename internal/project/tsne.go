package project

import (
	"context"
	"math"
	"math/rand/v2"
)

// TSNE lays points out so that those which are neighbours in many dimensions are
// neighbours in two: t-distributed stochastic neighbour embedding, van der Maaten
// & Hinton 2008, "Visualizing data using t-SNE", with every pair counted. It takes
// time and memory by the square of the number of points.
type TSNE struct {
	Perplexity float64 // how many neighbours a point has, softly; less where there are not three times as many others
	Steps      int     // of gradient descent
	Seed       uint64  // of where the points begin
}

// DefaultTSNE has the paper's values (§3.4).
var DefaultTSNE = TSNE{Perplexity: 30, Steps: 1000, Seed: 1}

// What the paper (§3.4) and the author's code keep fixed: neighbours are drawn
// together more strongly at first, and the momentum is less.
const (
	exaggeration    = 4
	exaggeratedFor  = 100
	calm, lively    = 0.5, 0.8
	calmFor         = 250
	rate            = 100.0
	firstDeviation  = 1e-2 // the paper's variance of 1e-4
	gainUp, gainCut = 0.2, 0.8
	leastGain       = 0.01
	leastP          = 1e-12 // so that a logarithm has something
)

// Of is the perplexity for n points.
func (t TSNE) Of(n int) float64 { return min(t.Perplexity, float64(n-1)/3) }

// Layout gives each of n points of d dimensions, rows of x, a place in two. at is
// told of each step that is done. The error is the context's.
func (t TSNE) Layout(ctx context.Context, x []float64, n, d int, at func(step int)) ([]float64, error) { // (n, 2)
	check("TSNE", x, n, d)
	y, move, gain, slope := make([]float64, 2*n), make([]float64, 2*n), make([]float64, 2*n), make([]float64, 2*n)
	if n < 2 {
		return y, nil
	}
	p := affinities(distances(x, n, d), n, t.Of(n))
	r := rand.New(rand.NewPCG(t.Seed, 0))
	for i := range y {
		y[i], gain[i] = firstDeviation*r.NormFloat64(), 1
	}
	for step := range t.Steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pull, momentum := 1.0, lively
		if step < exaggeratedFor {
			pull = exaggeration
		}
		if step < calmFor {
			momentum = calm
		}
		gradient(slope, p, y, pull)
		for i, g := range slope {
			if (g > 0) != (move[i] > 0) { // Jacobs 1988: go on faster where the direction stays
				gain[i] += gainUp
			} else {
				gain[i] = max(leastGain, gain[i]*gainCut)
			}
			move[i] = float64(momentum*move[i]) - float64(rate*gain[i]*g)
			y[i] += move[i]
		}
		y = centred(y, n, 2)
		at(step + 1)
	}
	return y, nil
}

// distances are squared, between all pairs of rows.
func distances(x []float64, n, d int) []float64 { // (n, n)
	out := make([]float64, n*n)
	for i := range n {
		a := x[i*d : (i+1)*d]
		for j := range i {
			sum := 0.0
			for k, v := range x[j*d : (j+1)*d] {
				sum += float64((v - a[k]) * (v - a[k]))
			}
			out[i*n+j], out[j*n+i] = sum, sum
		}
	}
	return out
}

// affinities are how likely two points are neighbours, 1 in sum over all pairs:
// by Gaussians around each point, so wide that its row has the perplexity (§2, §3.1).
func affinities(square []float64, n int, perplexity float64) []float64 { // (n, n)
	p := make([]float64, n*n)
	for i := range n {
		neighbours(p[i*n:(i+1)*n], square[i*n:(i+1)*n], i, math.Log(perplexity))
	}
	for i := range n {
		for j := range i {
			v := max((p[i*n+j]+p[j*n+i])/float64(2*n), leastP)
			p[i*n+j], p[j*n+i] = v, v
		}
	}
	return p
}

// neighbours fills point i's row: the precision is searched by halves until the
// entropy is the one that is wanted.
func neighbours(row, square []float64, i int, entropy float64) {
	nearest := math.Inf(1)
	for j, v := range square {
		if j != i {
			nearest = min(nearest, v)
		}
	}
	mean := 0.0
	for _, v := range square {
		mean += v / float64(len(square))
	}
	low, high, precision := 0.0, math.Inf(1), 1.0
	if mean > 0 {
		precision = 1 / mean
	}
	for range 200 { // more than the bits of a float64's exponent and mantissa take from the mean
		sum, spread := 0.0, 0.0
		for j, v := range square {
			row[j] = 0
			if j != i {
				row[j] = math.Exp(-float64(precision * (v - nearest)))
				sum += row[j]
				spread += float64(row[j] * (v - nearest))
			}
		}
		for j := range row {
			row[j] /= sum
		}
		off := math.Log(sum) + float64(precision*spread/sum) - entropy
		if math.Abs(off) < 1e-10 {
			return
		}
		if off > 0 {
			low = precision
		} else {
			high = precision
		}
		switch {
		case math.IsInf(high, 1):
			precision *= 2
		default:
			precision = (low + high) / 2
		}
		if math.IsInf(precision, 1) || precision == 0 { // so many points in one place have that entropy whatever the width
			return
		}
	}
}

// gradient is that of the cost (§3.3, equation 5), with p pull times as much. In
// equation 5 the sum over all pairs, which q is divided by, is known only behind
// the last pair; so what draws together and what drives apart are added up alone.
func gradient(slope, p, y []float64, pull float64) { // (n, 2)
	n := len(y) / 2
	apart := make([]float64, 2*n)
	clear(slope)
	total := 0.0
	for i := range n {
		xi, yi := y[2*i], y[2*i+1]
		row := p[i*n : (i+1)*n]
		var together, away [2]float64
		for j := range i {
			dx, dy := xi-y[2*j], yi-y[2*j+1]
			q := 1 / (1 + float64(dx*dx) + float64(dy*dy))
			total += 2 * q
			near, far := float64(pull*row[j]*q), float64(q*q)
			nx, ny, fx, fy := float64(near*dx), float64(near*dy), float64(far*dx), float64(far*dy)
			together[0], together[1] = together[0]+nx, together[1]+ny
			away[0], away[1] = away[0]+fx, away[1]+fy
			slope[2*j], slope[2*j+1] = slope[2*j]-nx, slope[2*j+1]-ny
			apart[2*j], apart[2*j+1] = apart[2*j]-fx, apart[2*j+1]-fy
		}
		for k := range 2 {
			slope[2*i+k] += together[k]
			apart[2*i+k] += away[k]
		}
	}
	for i := range slope {
		slope[i] = 4 * (slope[i] - apart[i]/total)
	}
}
