// Package audio takes sound from files to spectrograms: manifests, decoding,
// resampling, features and the store that keeps them. It knows no learning.
package audio

// A Clip is one recording, mono, in memory; full scale is -1..1.
type Clip struct {
	Rate    int
	Samples []float32
}

// A Spectrogram is Bins rows of Frames values, row-major: (F, T).
type Spectrogram struct {
	Bins, Frames int
	Data         []float32
}

// Resize makes s hold bins × frames values, reusing its memory where it can.
// What the values are afterwards is not defined.
func (s *Spectrogram) Resize(bins, frames int) {
	n := bins * frames
	if cap(s.Data) < n {
		s.Data = make([]float32, n)
	}
	s.Bins, s.Frames, s.Data = bins, frames, s.Data[:n]
}

// Row is bin b over time.
func (s *Spectrogram) Row(b int) []float32 { return s.Data[b*s.Frames : (b+1)*s.Frames] }

// A Feature turns clips of one rate into spectrograms. It keeps buffers, so
// each goroutine needs its own.
type Feature interface {
	Shape(samples int) (bins, frames int)
	Extract(dst *Spectrogram, c Clip) error
}

// FeatureOptions are a feature's settings; New readies its window and
// filterbank for clips of one rate.
type FeatureOptions interface {
	Doc() string // one line for clr list
	Check(rate int) error
	New(rate int) (Feature, error)
	// Unit is what the values are. Of ln, log10 and db, the logarithms of a power,
	// the level can be moved by adding; others have the field's word, such as power
	// or radians, or none where the bins differ.
	Unit() string
}

// SilenceIsZero tells whether a feature's values lie on both sides of 0, which
// is what silence has; others are lowest there.
func SilenceIsZero(o FeatureOptions) bool {
	return o.Unit() == unitSamples || o.Unit() == unitRadians
}

const (
	unitSamples = "samples"
	unitRadians = "radians"
)
