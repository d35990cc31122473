package audio

import (
	"fmt"
	"math"
	"slices"
)

// A contrastBand is the bins from..to-1, of which the lowest and highest count
// ones are its valley and its peak.
type contrastBand struct{ from, to, count int }

// bands are librosa's: 0..f_min and octaves above it, both ends counted, with
// the bin below; the last is open. All but the last then leave out their highest
// bin, which still counts for how many are a quantile.
func (o Spectral) bands(rate int) []contrastBand {
	all := make([]contrastBand, o.NBands+1)
	bins := o.NFFT/2 + 1
	low := 0.0
	for i := range all {
		high := math.Ldexp(o.FMin, i)
		b := contrastBand{bins, 0, 0}
		for k := range bins {
			if f := float64(k) * float64(rate) / float64(o.NFFT); f >= low && f <= high {
				b.from, b.to = min(b.from, k), k+1
			}
		}
		if b.to == 0 { // empty
			b.from = 0
			all[i], low = b, high
			continue
		}
		if i > 0 {
			b.from--
		}
		if i == o.NBands {
			b.to = bins
		}
		b.count = max(1, int(math.RoundToEven(o.Quantile*float64(b.to-b.from))))
		if i < o.NBands {
			b.to--
		}
		b.count = min(b.count, b.to-b.from)
		all[i], low = b, high
	}
	return all
}

// checkContrast finds bands that have no bins.
func (o Spectral) checkContrast(rate int) error {
	last := math.Ldexp(o.FMin, o.NBands-1)
	if err := broken([]rule{{last < float64(rate)/2, "n_bands",
		fmt.Sprintf("is %d: the last octave begins at %v Hz, above half the sample rate, %v; set it or f_min lower", o.NBands, last, float64(rate)/2)}}); err != nil {
		return err
	}
	for i, b := range o.bands(rate) {
		if b.from >= b.to {
			return broken([]rule{{false, "n_fft", fmt.Sprintf("is %d: no bin lies in band %d of contrast; set it higher, or f_min", o.NFFT, i)}})
		}
	}
	return nil
}

// ends are the means of the lowest and the highest magnitudes of a band.
func (f *spectral) ends(b contrastBand) (peak, valley float64) {
	f.sorted = append(f.sorted[:0], f.magnitudes[b.from:b.to]...)
	slices.Sort(f.sorted)
	return meanOf(f.sorted[len(f.sorted)-b.count:]), meanOf(f.sorted[:b.count])
}

// inContrast makes peaks what they lie above the valleys, in dB.
func inContrast(peaks, valleys []float32) {
	compress(peaks, "db", 2, 0, contrastTopDB)
	compress(valleys, "db", 2, 0, contrastTopDB)
	for i, v := range valleys {
		peaks[i] -= v
	}
}

// contrastTopDB is how far below the clip's maximum librosa's power_to_db
// looks, with which contrast takes the logarithm of magnitudes too.
const contrastTopDB = 80

func meanOf(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
