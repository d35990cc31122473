package audio

import (
	"fmt"

	"clr/internal/fault"
)

// Deltas appends to a feature its slopes over time, as further bins: all of the
// first order, then all of the second. A slope is that of the regression line
// over win_length = 2n+1 frames, Σ j·x[t+j] / Σ j² for j from -n to n. The
// conventions differ at the clip's ends alone: torchaudio.functional.compute_deltas
// takes the second order from the first, its ends repeated; Kaldi's add-deltas
// takes each from the feature itself, its ends repeated.
type Deltas struct {
	Of         FeatureOptions `yaml:"of" doc:"the feature that they are of"`
	Order      int            `yaml:"order" doc:"1: slopes (deltas); 2: theirs too (delta-deltas)"`
	WinLength  int            `yaml:"win_length" doc:"frames that a slope is taken over, an odd number; Kaldi's delta-window of 2 is 5"`
	Convention string         `yaml:"convention" doc:"torchaudio or kaldi: how the clip's ends are continued for order 2"`
}

// Doc describes the feature in one line.
func (o Deltas) Doc() string { return "another feature with its slopes over time, as further bins" }

// Unit implements FeatureOptions.
func (o Deltas) Unit() string { return "" }

// Check finds settings that make no feature of clips at a rate.
func (o Deltas) Check(rate int) error {
	if err := o.Of.Check(rate); err != nil {
		return fmt.Errorf("in feature.of: %w", err)
	}
	if n := len(Channels(o.Of)); n > 1 {
		return fault.New(fault.Usage, "stack the deltas of each: {name: stack, of: [{name: deltas, ...}, ...]}", "feature.of has %d channels", n)
	}
	return broken([]rule{
		{o.Order == 1 || o.Order == 2, "order", fmt.Sprintf("is %d, set it to 1 or 2", o.Order)},
		{o.WinLength >= 3 && o.WinLength <= 1001 && o.WinLength%2 == 1, "win_length", fmt.Sprintf("is %d, set it to an odd number from 3 to 1001", o.WinLength)},
		oneOf("convention", o.Convention, "torchaudio", "kaldi"),
	})
}

// New readies the feature for clips of a rate.
func (o Deltas) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	of, err := o.Of.New(rate)
	if err != nil {
		return nil, err
	}
	f := &deltas{of: of, order: o.Order, again: o.Convention == "torchaudio"}
	f.slopes = append(f.slopes, slope(o.WinLength/2))
	if o.Order == 2 && !f.again {
		f.slopes = append(f.slopes, convolved(f.slopes[0], f.slopes[0]))
	}
	return f, nil
}

type deltas struct {
	of     Feature
	order  int
	again  bool        // each order is made from the one below
	slopes [][]float64 // weights, the same for all orders or one for each
	plain  Spectrogram
}

func (f *deltas) Shape(samples int) (bins, frames int) {
	bins, frames = f.of.Shape(samples)
	return bins * (1 + f.order), frames
}

func (f *deltas) Extract(dst *Spectrogram, c Clip) error {
	if err := f.of.Extract(&f.plain, c); err != nil {
		return err
	}
	bins := f.plain.Bins
	dst.Resize(bins*(1+f.order), f.plain.Frames)
	copy(dst.Data, f.plain.Data)
	for b := range bins {
		for order := 1; order <= f.order; order++ {
			from, weights := b, f.slopes[0]
			if f.again {
				from += (order - 1) * bins
			} else {
				weights = f.slopes[order-1]
			}
			weigh(dst.Row(b+order*bins), dst.Row(from), weights)
		}
	}
	return nil
}

// slope is the weights that make the slope of 2n+1 values.
func slope(n int) []float64 {
	sum := 0.0
	for j := -n; j <= n; j++ {
		sum += float64(j * j)
	}
	w := make([]float64, 2*n+1)
	for i := range w {
		w[i] = float64(i-n) / sum
	}
	return w
}

// convolved is the weights of b after a.
func convolved(a, b []float64) []float64 {
	w := make([]float64, len(a)+len(b)-1)
	for i, x := range a {
		for j, y := range b {
			w[i+j] += float64(x * y)
		}
	}
	return w
}

// weigh computes the weighted sums around each value of x, its ends repeated.
func weigh(dst, x []float32, weights []float64) {
	n := len(weights) / 2
	for t := range dst {
		sum := 0.0
		for i, w := range weights {
			at := min(max(t+i-n, 0), len(x)-1)
			sum += float64(w * float64(x[at]))
		}
		dst[t] = float32(sum)
	}
}
