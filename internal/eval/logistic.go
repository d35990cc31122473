package eval

import (
	"context"
	"math"
	"slices"

	"clr/internal/fault"
	"gonum.org/v1/gonum/optimize"
)

// A Logistic is logistic regression over z = W·x + b. A class without training
// clips is never predicted: its b is -Inf. One that, by itself, all clips have is
// always predicted: its b is +Inf.
type Logistic struct {
	K, D int
	W    []float64 // (K, D)
	B    []float64 // (K), for Softmax of mean 0 over the classes trained on
	Link Link
}

// A Link makes probabilities of z.
type Link int

const (
	Softmax    Link = iota // p ∝ exp(z)
	Sigmoid                // p = σ(z), each class by itself
	Normalized             // p ∝ σ(z), as scikit-learn makes one class of several one-vs-rest answers
)

// A Solver says when a fit ends.
type Solver struct {
	Tolerance     float64 // length of the gradient of objective/(C·N)
	MaxIterations int
}

// An End says how a fit ended.
type End struct {
	Iterations int
	Gradient   float64 // length of the gradient of objective/(C·N)
	Objective  float64 // C·Σ loss + ½‖W‖²
	Converged  bool    // Gradient <= Tolerance
}

// FitLogistic is multinomial logistic regression with equal weights: Logit{}.Fit.
func FitLogistic(ctx context.Context, s Set, c float64, o Solver, start *Logistic) (*Logistic, End, error) {
	return Logit{}.Fit(ctx, s, c, o, start)
}

// Fit minimises scikit-learn's objective, C·Σ loss + ½‖W‖² with b not
// penalised, by L-BFGS (Nocedal & Wright, Numerical Optimization, 7.2) from
// start, or from zeros if it is nil. The objective is divided by C·N inside, so
// that one tolerance suits any C and N. The bytes of the result do not depend
// on the number of threads. The error is ctx's, or Diverged if the features
// are so large that the loss is not finite.
func (l Logit) Fit(ctx context.Context, s Set, c float64, o Solver, start *Logistic) (*Logistic, End, error) {
	return newRegression(s, l).fit(ctx, c, o, start)
}

// A regression fits one training set with several C.
type regression struct {
	*objective
	turned *rotation // nil if the objective is over the features as they are
	gram   []float64 // (D+1, D+1) of the objective's features
}

func newRegression(s Set, l Logit) *regression {
	r := &regression{}
	if s.D > s.N {
		q, lower := newRotation(s)
		r.turned, s = &q, lower
	}
	r.objective, r.gram = newObjective(s, l), gram(s)
	return r
}

func (r *regression) fit(ctx context.Context, c float64, o Solver, start *Logistic) (*Logistic, End, error) {
	r.penalize(c)
	if start != nil && r.turned != nil {
		start = &Logistic{K: start.K, D: r.turned.n, W: r.turned.turn(start.W), B: start.B}
	}
	theta := r.pack(start)
	r.at(theta)
	end := End{}
	if (r.binary || len(r.classes) > 1) && !(norm(r.gradient) <= o.Tolerance) {
		// A line search that finds nothing lower has met the limits of
		// float64, in the whitened variables first. Then the plain ones go
		// on, and what they reach is reported.
		m := r.set.D + 1
		for _, w := range []whitener{newWhitener(r.gram, m, r.doubt, r.penalty), {m: m}} {
			n, err := r.minimize(ctx, theta, w, o.Tolerance, o.MaxIterations-end.Iterations)
			if err != nil {
				return nil, End{}, err
			}
			end.Iterations += n
			r.at(theta)
			if norm(r.gradient) <= o.Tolerance || end.Iterations >= o.MaxIterations {
				break
			}
		}
	}
	end.Gradient = norm(r.gradient)
	end.Objective = r.loss * c * float64(r.set.N)
	end.Converged = end.Gradient <= o.Tolerance
	if math.IsNaN(end.Objective) || math.IsInf(end.Objective, 0) {
		return nil, End{}, fault.New(fault.Diverged, "standardize the features", "the logistic loss is not finite at C = %v", c)
	}
	model := r.unpack(theta)
	if r.turned != nil {
		model.D, model.W = r.turned.d, r.turned.back(model.W)
	}
	return model, end, nil
}

// minimize moves theta, in w's variables, until the gradient (by the
// plain ones) is no longer than the tolerance, for at most limit steps, or until the
// line search fails. It returns the steps made, and ctx's error.
func (r *regression) minimize(ctx context.Context, theta []float64, w whitener, tolerance float64, limit int) (int, error) {
	var last []float64
	plain := make([]float64, len(theta))
	at := func(u []float64) {
		if !slices.Equal(last, u) {
			last = append(last[:0], u...)
			copy(plain, u)
			w.weights(plain)
		}
		r.at(plain)
	}
	problem := optimize.Problem{
		Func: func(u []float64) float64 {
			at(u)
			return r.loss
		},
		Grad: func(g, u []float64) {
			at(u)
			copy(g, r.objective.gradient)
			w.gradient(g)
		},
		Status: func() (optimize.Status, error) {
			if err := ctx.Err(); err != nil {
				return optimize.Failure, err
			}
			return optimize.NotTerminated, nil
		},
	}
	settings := &optimize.Settings{MajorIterations: limit, Converger: flat(func(u []float64) bool {
		at(u)
		return norm(r.objective.gradient) <= tolerance
	})}
	method := &optimize.LBFGS{Linesearcher: &optimize.MoreThuente{DecreaseFactor: 1e-4, CurvatureFactor: 0.9}, Store: 20}
	u := slices.Clone(theta)
	w.whiten(u)
	result, _ := optimize.Minimize(problem, u, settings, method)
	if ctx.Err() != nil || result == nil {
		return 0, ctx.Err()
	}
	copy(theta, result.X)
	w.weights(theta)
	return result.MajorIterations, nil
}

// flat is an optimize.Converger by a condition on the point.
type flat func(u []float64) bool

func (flat) Init(int) {}

func (f flat) Converged(l *optimize.Location) optimize.Status {
	if f(l.X) {
		return optimize.GradientThreshold
	}
	return optimize.NotTerminated
}

// LogProba gives each row's log-probabilities.
func (m *Logistic) LogProba(s Set) []float64 { // (N, D) → (N, K)
	out := make([]float64, s.N*m.K)
	var tiled packed
	tiled.pack(m.K, m.D, func(k int) ([]float64, float64) { return m.W[k*m.D : (k+1)*m.D], m.B[k] })
	share((s.N+blockRows-1)/blockRows, s.N*m.K*m.D, func(block int) {
		lo := block * blockRows
		rows := min(blockRows, s.N-lo)
		wide := make([]float64, rows*tiled.k)
		tiled.logits(wide, s.X[lo*m.D:(lo+rows)*m.D], rows)
		for i := range rows {
			z := out[(lo+i)*m.K : (lo+i+1)*m.K]
			copy(z, wide[i*tiled.k:])
			if m.Link != Softmax {
				logSigmoid(z)
			}
			if m.Link != Sigmoid {
				logSoftmax(z)
			}
		}
	})
	return out
}

// pack gives the starting point, rows (w, b) of the classes that occur.
func (f *objective) pack(start *Logistic) []float64 { // (K', D+1)
	d := f.set.D
	theta := make([]float64, len(f.gradient))
	if start == nil {
		return theta
	}
	for k, c := range f.classes {
		row := theta[k*(d+1) : (k+1)*(d+1)]
		copy(row, start.W[c*d:(c+1)*d])
		if b := start.B[c]; !math.IsInf(b, 0) {
			row[d] = b
		}
	}
	return theta
}

func (f *objective) unpack(theta []float64) *Logistic { // (K', D+1)
	all, d := len(f.set.Classes), f.set.D
	m := &Logistic{K: all, D: d, W: make([]float64, all*d), B: slices.Repeat([]float64{math.Inf(-1)}, all), Link: f.link()}
	mean := 0.0
	if f.binary {
		for i := range f.set.N {
			for _, c := range f.set.Of(i) {
				m.B[c] = math.Inf(1) // of those that are not learnt
			}
		}
	} else {
		for k := range f.classes {
			mean += theta[k*(d+1)+d] / float64(len(f.classes))
		}
	}
	for k, c := range f.classes {
		row := theta[k*(d+1) : (k+1)*(d+1)]
		copy(m.W[c*d:(c+1)*d], row[:d])
		m.B[c] = row[d] - mean
	}
	return m
}

func (f *objective) link() Link {
	switch {
	case f.set.Multi():
		return Sigmoid
	case f.binary:
		return Normalized
	}
	return Softmax
}

// norm is the length of a vector.
func norm(v []float64) float64 { return math.Sqrt(dense.Ddot(len(v), v, 1, v, 1)) }
