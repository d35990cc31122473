package audio

import "math"

// A melBank is a set of triangular filters over the bins of a spectrum.
type melBank []melFilter

// A melFilter weighs the bins from first on; all others count nothing.
type melFilter struct {
	first   int
	weights []float64
}

// lanes is the bank for sixteen spectra at once.
func (m melBank) lanes() bank {
	first, weights := make([]int, len(m)), make([][]float64, len(m))
	for i, f := range m {
		first[i], weights[i] = f.first, f.weights
	}
	return newBank(len(m), first, weights)
}

// sparse makes a bank from weights(filter, bin), above 0 between two places on
// the axis of the bins alone.
func sparse(filters, bins int, between func(filter int) (low, high float64), weights func(filter, bin int) float64) melBank {
	bank := make(melBank, filters)
	for i := range bank {
		low, high := between(i)
		first, row := 0, []float64(nil)
		for k := max(0, int(low)-1); k < min(bins, int(high)+2); k++ { // one more for rounding
			w := weights(i, k)
			if w <= 0 {
				continue
			}
			if row == nil {
				first = k
			}
			for len(row) < k-first { // a hole, which rounding may leave
				row = append(row, 0)
			}
			row = append(row, w)
		}
		bank[i] = melFilter{first, row}
	}
	return bank
}

// melScale maps Hz to mel and back.
type melScale struct{ mel, hz func(float64) float64 }

// Slaney's scale (Auditory Toolbox, 1998) is linear up to 1 kHz and
// logarithmic above: 27 steps for a factor of 6.4.
const (
	slaneyHz   = 200.0 / 3 // per mel below the break
	slaneyFrom = 1000.0    // Hz, the break
	slaneyMel  = slaneyFrom / slaneyHz
)

var melScales = map[string]melScale{
	"htk": {
		mel: func(f float64) float64 { return 2595 * math.Log10(1+f/700) },
		hz:  func(m float64) float64 { return 700 * (math.Pow(10, m/2595) - 1) },
	},
	"slaney": {
		mel: func(f float64) float64 {
			if f < slaneyFrom {
				return f / slaneyHz
			}
			return slaneyMel + 27*math.Log(f/slaneyFrom)/math.Log(6.4)
		},
		hz: func(m float64) float64 {
			if m < slaneyMel {
				return m * slaneyHz
			}
			return slaneyFrom * math.Exp(math.Log(6.4)/27*(m-slaneyMel))
		},
	},
}

// newMelBank is torchaudio's melscale_fbanks and librosa's filters.mel:
// triangles in Hz between points equally far apart in mel. Slaney's norm gives
// each triangle the area 1.
func newMelBank(bins, mels int, rate, low, high float64, scale, norm string) melBank {
	s := melScales[scale]
	points := make([]float64, mels+2) // Hz
	from, to := s.mel(low), s.mel(high)
	for i := range points {
		points[i] = s.hz(from + (to-from)*float64(i)/float64(mels+1))
	}
	perHz := float64(bins-1) / (rate / 2)
	between := func(i int) (low, high float64) { return points[i] * perHz, points[i+2] * perHz }
	return sparse(mels, bins, between, func(i, k int) float64 {
		f := rate / 2 * float64(k) / float64(bins-1)
		up := (f - points[i]) / (points[i+1] - points[i])
		down := (points[i+2] - f) / (points[i+2] - points[i+1])
		w := max(0, min(up, down))
		if norm == "slaney" {
			w *= 2 / (points[i+2] - points[i])
		}
		return w
	})
}

// newKaldiBank is Kaldi's: the triangles are straight in mel, not in Hz, and
// the bin at half the rate belongs to none.
func newKaldiBank(fft, mels int, rate, low, high float64) melBank {
	mel := func(f float64) float64 { return 1127 * math.Log(1+f/700) }
	from := mel(low)
	step := (mel(high) - from) / float64(mels+1)
	between := func(i int) (low, high float64) {
		left := from + float64(i)*step
		bin := func(m float64) float64 { return 700 * math.Expm1(m/1127) * float64(fft) / rate }
		return bin(left), bin(left + 2*step)
	}
	return sparse(mels, fft/2, between, func(i, k int) float64 {
		left, m := from+float64(i)*step, mel(float64(k)*rate/float64(fft))
		return max(0, min((m-left)/step, (left+2*step-m)/step))
	})
}

// newDCT is the DCT-II with orthonormal rows: (coefficients, inputs).
func newDCT(coefficients, inputs int) [][]float64 {
	dct := make([][]float64, coefficients)
	for k := range dct {
		dct[k] = make([]float64, inputs)
		scale := math.Sqrt(2 / float64(inputs))
		if k == 0 {
			scale = math.Sqrt(1 / float64(inputs))
		}
		for n := range dct[k] {
			dct[k][n] = scale * math.Cos(math.Pi/float64(inputs)*(float64(n)+0.5)*float64(k))
		}
	}
	return dct
}

// denseBank is a bank of filters that weigh all rows.
func denseBank(weights [][]float64) bank {
	return newBank(len(weights), make([]int, len(weights)), weights)
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}
