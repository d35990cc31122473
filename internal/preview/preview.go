// Package preview shows sounds and spectrograms to people: as pictures, as
// players, and as one page that needs nothing beside itself. Equal input gives
// equal bytes.
//
// It hides colours, scaling, axes, PNG, WAV and HTML. What is shown is the
// caller's business.
package preview

import (
	"math"
	"slices"

	"clr/internal/audio"
)

// A Range is which values get the first and the last colour. Values outside it
// get the nearer of the two.
type Range struct{ Low, High float64 }

// The colours leave out the lowest 1 % of the values and the highest 0.1 %: the
// floor under a logarithm, or one click, would leave too few to all the rest.
const lowest, highest = 0.01, 0.001

// enough values tell the range of however many.
const enough = 1_000_003

// RangeOf is the values of all the spectrograms together, but for a few at the
// ends; those of single bins are curves, which have room for their peaks. Pictures
// that are to be compared need one range.
func RangeOf(all ...audio.Spectrogram) Range {
	if len(all) > 0 && all[0].Bins == 1 {
		return between(0, 0, all)
	}
	return between(lowest, highest, all)
}

// between leaves out these parts of the values, at the bottom and at the top.
func between(lowest, highest float64, all []audio.Spectrogram) Range {
	total := 0
	for _, s := range all {
		total += len(s.Data)
	}
	var values []float32
	step := 1 + total/enough
	for _, s := range all {
		for i := 0; i < len(s.Data); i += step {
			if v := s.Data[i]; v-v == 0 { // no colour is right for NaN and the infinities
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		return Range{}
	}
	slices.Sort(values)
	last := float64(len(values) - 1)
	return Range{float64(values[int(lowest*last)]), float64(values[int(math.Ceil((1-highest)*last))])}
}

// Even brings each bin's values to 0..1 by the bin's own range in all the
// spectrograms, in copies: where bins are of different kinds, as cepstral
// coefficients are, one range would show the greatest alone.
func Even(all ...audio.Spectrogram) []audio.Spectrogram {
	even := make([]audio.Spectrogram, len(all))
	for i, s := range all {
		even[i].Resize(s.Bins, s.Frames)
	}
	for b := range all[0].Bins {
		var rows []audio.Spectrogram
		for _, s := range all {
			rows = append(rows, audio.Spectrogram{Bins: 1, Frames: s.Frames, Data: s.Row(b)})
		}
		r := between(lowest, highest, rows)
		for i, row := range rows {
			for t, v := range row.Data {
				even[i].Row(b)[t] = float32(r.of(float64(v)))
			}
		}
	}
	return even
}

// narrowest is how wide a range is at least, in parts of its greater end: what is
// narrower is rounding, which colours from end to end would make look like sound.
const narrowest = 1e-5

// of is where a value lies in the range, 0 to 1.
func (r Range) of(v float64) float64 {
	if !(r.High-r.Low > narrowest*max(math.Abs(r.Low), math.Abs(r.High))) || math.IsNaN(v) {
		return 0
	}
	return min(max((v-r.Low)/(r.High-r.Low), 0), 1)
}
