package augment

import "clr/internal/audio"

// fills are what can be put where something is wiped out.
var fills = []string{"mean", "min", "noise"}

// A wipe fills rectangles of a spectrogram. What it fills them with is measured
// once, before the first, so that more rectangles do not change it.
type wipe struct {
	s     *audio.Spectrogram
	fill  string // one of fills
	d     Draw
	means []float32 // of the bins, once they are measured
	known bool      // the next two are
	value float32
	noise float32 // deviation around value
}

// box fills bins top to bottom and frames left to right, ends not included. With
// "mean" a bin takes its own mean as long as some of its frames stay; where
// whole bins go their level must go too, and they take the window's.
func (w *wipe) box(top, bottom, left, right int) {
	if top >= bottom || left >= right {
		return
	}
	own := w.fill == "mean" && right-left < w.s.Frames
	w.measure(own)
	for b := top; b < bottom; b++ {
		row := w.s.Row(b)
		switch {
		case own:
			fill(row[left:right], w.means[b])
		case w.fill == "noise":
			for t := left; t < right; t++ {
				row[t] = w.value + w.noise*float32(w.d.Rand.NormFloat64())
			}
		default:
			fill(row[left:right], w.value)
		}
	}
}

// measure measures each bin by itself, or the window.
func (w *wipe) measure(bins bool) {
	if bins && w.means == nil {
		w.means = w.d.memory().floats(w.s.Bins)
		for b := range w.means {
			w.means[b] = meanOf(w.s.Row(b))
		}
	}
	if bins || w.known {
		return
	}
	w.known = true
	if w.fill == "min" {
		w.value = least(w.s.Data)
		return
	}
	w.value = meanOf(w.s.Data)
	if w.fill == "noise" {
		w.noise = deviationOf(w.s.Data, w.value)
	}
}
