package audio

import (
	"math"

	"github.com/mjibson/go-dsp/window"
)

// windows make the symmetric windows of a size, as Kaldi has them.
var windows = map[string]func(n int) []float64{
	"hanning": window.Hann, "hamming": window.Hamming, "blackman": window.Blackman, "rectangular": window.Rectangular,
	"povey": func(n int) []float64 {
		w := window.Hann(n)
		for i, v := range w {
			w[i] = math.Pow(v, 0.85)
		}
		return w
	},
}

// periodic is a window for spectra that are to be added up again, as torch and
// librosa have it: the symmetric one of n+1 without its last value.
func periodic(name string, n int) []float64 {
	if name == "hann" { // Kaldi alone calls it hanning
		name = "hanning"
	}
	return windows[name](n + 1)[:n]
}

func windowRule(name string) rule {
	return oneOf("window", name, "hann", "hamming", "blackman", "rectangular", "povey")
}
