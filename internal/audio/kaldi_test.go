package audio

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"
)

// definedKaldi is Kaldi's fbank (feature-window.cc, feature-fbank.cc) in loops:
// the mel bins of each frame, and its energy.
func definedKaldi(o KaldiFbank, c Clip) (mels [][]float64, energy []float64) {
	size, hop, n := int(float64(c.Rate)*o.FrameLength/1000), int(float64(c.Rate)*o.FrameShift/1000), len(c.Samples)
	fft := size
	for o.RoundToPowerOfTwo && fft&(fft-1) != 0 {
		fft++
	}
	frames := 1 + (n-size)/hop
	if !o.SnipEdges {
		frames = (n + hop/2) / hop
	}
	window := func(i int) float64 {
		x := 2 * math.Pi * float64(i) / float64(size-1)
		return map[string]float64{"povey": math.Pow(0.5-0.5*math.Cos(x), 0.85), "hanning": 0.5 - 0.5*math.Cos(x), "hamming": 0.54 - 0.46*math.Cos(x),
			"blackman": 0.42 - 0.5*math.Cos(x) + 0.08*math.Cos(2*x), "rectangular": 1}[o.WindowType]
	}
	logEnergy := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += v * v
		}
		return max(math.Log(max(sum, 1.1920928955078125e-07)), math.Log(o.EnergyFloor)) // no floor: ln 0
	}
	high := o.HighFreq
	if high <= 0 {
		high += float64(c.Rate) / 2
	}
	mel := func(hz float64) float64 { return 1127 * math.Log(1+hz/700) }
	step := (mel(high) - mel(o.LowFreq)) / float64(o.NumMelBins+1)
	mels = make([][]float64, o.NumMelBins)
	for t := range frames {
		from := t * hop
		if !o.SnipEdges {
			from = t*hop + hop/2 - size/2
		}
		x, mean := make([]float64, size), 0.0
		for i := range x {
			at := from + i
			for at < 0 || at >= n {
				if at < 0 {
					at = -1 - at
				} else {
					at = 2*n - 1 - at
				}
			}
			x[i] = o.Scale * float64(c.Samples[at])
			mean += x[i] / float64(size)
		}
		for i := range x {
			if o.RemoveDCOffset {
				x[i] -= mean
			}
		}
		e := logEnergy(x)
		for i := size - 1; i >= 0; i-- {
			x[i] = (x[i] - o.Preemphasis*x[max(i-1, 0)]) * window(i)
		}
		if !o.RawEnergy {
			e = logEnergy(x)
		}
		energy = append(energy, e)
		for b := range mels {
			mels[b] = append(mels[b], 0)
		}
		for k := range fft / 2 {
			z := complex(0, 0)
			for i, v := range x {
				z += cmplx.Rect(v, -2*math.Pi*float64(k*i%fft)/float64(fft))
			}
			power := real(z)*real(z) + imag(z)*imag(z)
			if !o.UsePower {
				power = math.Sqrt(power)
			}
			at := (mel(float64(k)*float64(c.Rate)/float64(fft)) - mel(o.LowFreq)) / step
			for b := range mels {
				mels[b][t] += power * max(0, 1-math.Abs(at-float64(b+1)))
			}
		}
		for b := range mels {
			mels[b][t] = math.Log(max(mels[b][t], 1.1920928955078125e-07))
		}
	}
	return mels, energy
}

// withoutMeans takes off each row's mean.
func withoutMeans(x [][]float64) {
	for _, row := range x {
		mean := 0.0
		for _, v := range row {
			mean += v / float64(len(row))
		}
		for i := range row {
			row[i] -= mean
		}
	}
}

// What the reference arrays leave at its default: scale, energies, offsets,
// windows that do not begin at 0, cepstra without a lifter.
func TestKaldiAgainstDefinition(t *testing.T) {
	c := tone(700, 1400)
	for i := range c.Samples {
		c.Samples[i] += 0.2 // an offset
		if i >= 700 {
			c.Samples[i] /= 100
		}
	}
	with := func(change func(*KaldiFbank)) KaldiFbank { o := kaldiDefaults; change(&o); return o }
	for i, o := range []KaldiFbank{
		kaldiDefaults,
		with(func(o *KaldiFbank) { o.SnipEdges, o.WindowType, o.UseEnergy, o.EnergyFloor = false, "hamming", true, 0 }),
		with(func(o *KaldiFbank) {
			o.WindowType, o.UseEnergy, o.RawEnergy, o.RemoveDCOffset, o.Preemphasis = "rectangular", true, false, false, 0.5
		}),
		with(func(o *KaldiFbank) { o.UseEnergy, o.EnergyFloor, o.Scale, o.SubtractMean = true, 1000, 100, true }),
		with(func(o *KaldiFbank) {
			o.UsePower, o.RoundToPowerOfTwo, o.WindowType, o.LowFreq, o.HighFreq, o.NumMelBins = false, false, "blackman", 100, -500, 15
		}),
	} {
		mels, energy := definedKaldi(o, c)
		want := mels
		if o.UseEnergy {
			want = append([][]float64{energy}, mels...)
		}
		if o.SubtractMean {
			withoutMeans(want)
		}
		near(t, fmt.Sprint("fbank ", i), extract(t, o, c), want, 1e-5)

		if !o.UsePower {
			continue
		}
		for _, lifter := range []float64{0, 22} {
			mels, energy := definedKaldi(o, c)
			want := make([][]float64, 13)
			for q := range want {
				scale := math.Sqrt(2 / float64(o.NumMelBins))
				if q == 0 {
					scale = math.Sqrt(1 / float64(o.NumMelBins))
				}
				if lifter > 0 {
					scale *= 1 + lifter/2*math.Sin(math.Pi*float64(q)/lifter)
				}
				for t := range energy {
					sum := 0.0
					for b := range mels {
						sum += scale * mels[b][t] * math.Cos(math.Pi*float64(q)*(float64(b)+0.5)/float64(o.NumMelBins))
					}
					want[q] = append(want[q], sum)
				}
			}
			if o.UseEnergy {
				want[0] = energy
			}
			if o.SubtractMean {
				withoutMeans(want)
			}
			near(t, fmt.Sprintf("mfcc %d, lifter %v", i, lifter), extract(t, KaldiMFCC{NumCeps: 13, CepstralLifter: lifter, Fbank: o}, c), want, 1e-4)
		}
	}
}
