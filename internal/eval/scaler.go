package eval

import "math"

// A scaler brings features to mean 0 and deviation 1, as measured on the
// clips it was made from. The zero value changes nothing.
type scaler struct{ mean, factor []float64 } // (D)

// newScaler measures a set. A feature that is constant but for rounding
// (deviation under mean·2⁻⁵²·N, as scikit-learn judges) is only centred.
func newScaler(s Set) scaler {
	out := scaler{make([]float64, s.D), make([]float64, s.D)}
	n := float64(s.N)
	for i := range s.N {
		for j, v := range s.Row(i) {
			out.mean[j] += v / n
		}
	}
	for i := range s.N {
		for j, v := range s.Row(i) {
			out.factor[j] += (v - out.mean[j]) * (v - out.mean[j]) / n
		}
	}
	for j, variance := range out.factor {
		std := math.Sqrt(variance)
		out.factor[j] = 1
		if std > n*0x1p-52*math.Abs(out.mean[j]) {
			out.factor[j] = 1 / std
		}
	}
	return out
}

// apply gives the scaled copy of a set and its windows, or the set itself for a
// zero scaler.
func (c scaler) apply(s Set) Set {
	if c.mean == nil {
		return s
	}
	s.X = c.rows(s.X)
	windows := s.Windows
	s.Windows = nil
	for _, w := range windows {
		s.Windows = append(s.Windows, c.rows(w))
	}
	return s
}

func (c scaler) rows(x []float64) []float64 { // (N, D)
	out := make([]float64, len(x))
	for i, v := range x {
		j := i % len(c.mean)
		out[i] = (v - c.mean[j]) * c.factor[j]
	}
	return out
}
