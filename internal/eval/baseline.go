package eval

import (
	"context"
	"math"
)

// FeatureStats is the embedding without any learning: the mean and the
// deviation over time of each bin of a spectrogram, means first.
func FeatureStats(dst []float64, spectrogram []float32, bins, frames int) { // (F, T) → (2F)
	if len(dst) != 2*bins || len(spectrogram) != bins*frames || frames < 1 {
		panic("eval: FeatureStats: sizes disagree")
	}
	for b := range bins {
		row := spectrogram[b*frames : (b+1)*frames] // (T)
		var mean, square float64
		for _, v := range row {
			mean += float64(v)
		}
		mean /= float64(frames)
		for _, v := range row {
			square += (float64(v) - mean) * (float64(v) - mean)
		}
		dst[b] = mean
		dst[bins+b] = math.Sqrt(square / float64(frames))
	}
}

// Majority is the probe that never listens: every clip gets the training
// clips' class frequencies, hence the commonest class, or, of several labels,
// those that more than half of the clips have.
type Majority struct{}

// Doc says in one line what this is.
func (Majority) Doc() string { return "the commonest training class, whatever the clip" }

// Check accepts; there are no settings.
func (Majority) Check() error { return nil }

// Repeats gives one head a split.
func (Majority) Repeats() []uint64 { return []uint64{0} }

// Fit counts the training and validation clips.
func (Majority) Fit(_ context.Context, t Training) (Head, error) {
	all := join(t.Train, t.Valid)
	p := make(prior, len(all.Classes))
	for i := range all.N {
		for _, y := range all.Of(i) {
			p[y]++
		}
	}
	for k := range p {
		p[k] = math.Log(p[k] / float64(all.N))
	}
	return p, nil
}

// A prior gives every clip the same log-probabilities (K).
type prior []float64

func (p prior) LogProba(s Set) []float64 {
	out := make([]float64, 0, s.N*len(p))
	for range s.N {
		out = append(out, p...)
	}
	return out // (N, K)
}

func (p prior) Choice() Choice { return Choice{} }
