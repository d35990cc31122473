package eval

import "math"

// calibrationBins is Guo et al.'s number (2017, On Calibration of Modern Neural
// Networks, section 4).
const calibrationBins = 15

// A belief is a probability that a head gave, and whether it came true.
type belief struct {
	p    float64
	bin  uint8 // of calibrationBins equal ones: ((bin)/15, (bin+1)/15]
	came bool
}

func newBelief(p float64, came bool) belief {
	bin := math.Ceil(p*calibrationBins) - 1
	return belief{p, uint8(min(max(bin, 0), calibrationBins-1)), came}
}

// calibrationError is the expected calibration error (Naeini et al. 2015): how far
// the mean probability of each bin is from the share that came true, weighted by
// how many are in the bin. There are equally many beliefs about each of n clips;
// times is how often each clip counts, nil for once.
func calibrationError(all []belief, n int, times []int32) float64 {
	var claimed [calibrationBins]float64
	var came [calibrationBins]int
	each, total := len(all)/n, 0
	for i, b := range all {
		count := 1
		if times != nil {
			count = int(times[i/each])
		}
		total += count
		claimed[b.bin] += float64(float64(count) * b.p)
		if b.came {
			came[b.bin] += count
		}
	}
	apart := 0.0
	for b := range claimed {
		apart += math.Abs(claimed[b] - float64(came[b]))
	}
	return apart / float64(total)
}
