package eval

import (
	"context"
	"errors"
	"math"
	"slices"

	"clr/internal/fault"
	"gonum.org/v1/gonum/optimize"
)

// A Logistic is multinomial logistic regression: p ∝ exp(W·x + b). A class
// without training clips is never predicted: its b is -Inf.
type Logistic struct {
	K, D int
	W    []float64 // (K, D)
	B    []float64 // (K), mean 0 over the classes trained on
}

// A Solver says when a fit ends.
type Solver struct {
	Tolerance     float64 // largest entry of the gradient of objective/(C·N)
	MaxIterations int
}

// An End says how a fit ended.
type End struct {
	Iterations int
	Gradient   float64 // largest entry of the gradient of objective/(C·N)
	Objective  float64 // C·Σ loss + ½‖W‖²
	Converged  bool    // Gradient <= Tolerance
}

// FitLogistic minimises scikit-learn's objective, C·Σ loss + ½‖W‖² with b not
// penalised, by L-BFGS (Nocedal & Wright, Numerical Optimization, 7.2) from
// start, or from zeros if it is nil. The objective is divided by C·N inside, so
// that one tolerance suits any C and N. The bytes of the result do not depend
// on the number of threads. The error is ctx's, or Diverged if the features
// are so large that the loss is not finite.
func FitLogistic(ctx context.Context, s Set, c float64, o Solver, start *Logistic) (*Logistic, End, error) {
	f := newObjective(s, c)
	theta := f.pack(start)
	end := End{}
	f.at(theta)
	if g := maxAbs(f.gradient); g > o.Tolerance && len(f.classes) > 1 {
		problem := optimize.Problem{
			Func: f.value,
			Grad: func(grad, x []float64) {
				f.at(x)
				copy(grad, f.gradient)
			},
			Status: func() (optimize.Status, error) {
				if err := ctx.Err(); err != nil {
					return optimize.Failure, err
				}
				return optimize.NotTerminated, nil
			},
		}
		settings := &optimize.Settings{GradientThreshold: o.Tolerance, MajorIterations: o.MaxIterations, Converger: optimize.NeverTerminate{}}
		method := &optimize.LBFGS{Linesearcher: &optimize.MoreThuente{DecreaseFactor: 1e-4, CurvatureFactor: 0.9}, Store: 20}
		result, err := optimize.Minimize(problem, theta, settings, method)
		if ctx.Err() != nil {
			return nil, End{}, ctx.Err()
		}
		// A line search that finds no lower point has met the limit of
		// float64: the best point so far is kept, and its gradient says
		// how good it is.
		if result == nil {
			return nil, End{}, err
		}
		if errors.Is(err, optimize.ErrZeroDimensional) {
			return nil, End{}, err
		}
		theta, end.Iterations = result.X, result.MajorIterations
		f.at(theta)
	}
	end.Gradient = maxAbs(f.gradient)
	end.Objective = f.loss * c * float64(s.N)
	end.Converged = end.Gradient <= o.Tolerance
	if math.IsNaN(end.Objective) || math.IsInf(end.Objective, 0) {
		return nil, End{}, fault.New(fault.Diverged, "standardize the features", "the logistic loss is not finite at C = %v", c)
	}
	return f.unpack(theta), end, nil
}

// LogProba gives each row's log-probabilities.
func (m *Logistic) LogProba(s Set) []float64 { // (N, D) → (N, K)
	out := make([]float64, s.N*m.K)
	each(s.N, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			z := out[i*m.K : (i+1)*m.K]
			logits(z, s.Row(i), m.W, m.B)
			logSoftmax(z)
		}
	})
	return out
}

// pack gives the starting point: W (K', D), then b (K'), of the K' classes
// that occur.
func (f *objective) pack(start *Logistic) []float64 {
	theta := make([]float64, len(f.gradient))
	if start == nil {
		return theta
	}
	for k, c := range f.classes {
		copy(theta[k*f.d:(k+1)*f.d], start.W[c*f.d:(c+1)*f.d])
		if b := start.B[c]; !math.IsInf(b, -1) {
			theta[len(f.classes)*f.d+k] = b
		}
	}
	return theta
}

func (f *objective) unpack(theta []float64) *Logistic {
	all := len(f.set.Classes)
	m := &Logistic{K: all, D: f.d, W: make([]float64, all*f.d), B: slices.Repeat([]float64{math.Inf(-1)}, all)}
	b := theta[len(f.classes)*f.d:]
	mean := 0.0
	for _, v := range b {
		mean += v / float64(len(b))
	}
	for k, c := range f.classes {
		copy(m.W[c*f.d:(c+1)*f.d], theta[k*f.d:(k+1)*f.d])
		m.B[c] = b[k] - mean
	}
	return m
}

func maxAbs(v []float64) float64 {
	m := 0.0
	for _, x := range v {
		m = math.Max(m, math.Abs(x)) // NaN stays
	}
	return m
}
