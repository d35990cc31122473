package augment

import (
	"fmt"
	"math"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// ViewOptions say what a view looks like to the encoder, in training and in
// probing alike.
type ViewOptions struct {
	Frames    int     `yaml:"frames" doc:"length of a view; frames"`
	Normalize string  `yaml:"normalize" doc:"none; corpus: by the training clips' mean and deviation; corpus_band: by each bin's; clip: by the view's own; band: each bin's mean over the view removed, then divided by the training clips' deviation; band_std: divided by the bin's own deviation over the view; running: each bin's running mean removed, then divided by the training clips' deviation"`
	Running   float64 `yaml:"running" doc:"running: time constant of the mean, which knows the past only; frames"`
	Pair      string  `yaml:"pair" doc:"what the two views of a clip are: augmented (both, each from a window of its own); original: the first is left as it is; window: two windows, neither augmented; label: the second is of another training clip of the same label"`
	Crop      string  `yaml:"crop" doc:"which part of a longer clip: random or center"`
	Unit      string  `yaml:"unit" doc:"what the feature's values are, where they are logarithms of a power: ln (natural), log10 or db; turns options in dB into it"`
}

// DefaultView is where a config starts from.
var DefaultView = ViewOptions{Frames: 96, Pair: "augmented", Normalize: "corpus", Running: 40, Crop: "random", Unit: "ln"}

// Augmented tells whether a view of a pair, 0 or 1, is changed by the chain; what
// further views there are is changed where the second is.
func (o ViewOptions) Augmented(view int) bool {
	return o.Pair != "window" && (o.Pair != "original" || view > 0)
}

// Check tells which option is out of its range.
func (o ViewOptions) Check() error {
	return first(in("view", "frames", float64(o.Frames), 1, 1e6),
		oneOf("view", "normalize", o.Normalize, "none", "corpus", "corpus_band", "clip", "band", "band_std", "running"),
		oneOf("view", "pair", o.Pair, "augmented", "original", "window", "label"),
		oneOf("view", "crop", o.Crop, "random", "center"),
		oneOf("view", "unit", o.Unit, "ln", "log10", "db"),
		in("view", "running", o.Running, 1, 1e6))
}

// Views makes the encoder's input out of spectrograms: random views for
// training, evenly spaced windows for embedding, normalised alike. It keeps
// buffers, so each goroutine needs its own.
//
// A clip shorter than the view is padded on both sides. The padding is the
// clip's quietest value, or 0 where that is silence, as if the recording had
// gone on in silence, except under "band", "band_std" and "running": there the
// mean is taken over the frames that are really there and the padding is 0 after
// it is removed. Were the padding part of the mean, the same frames would look
// different in a shorter clip, and its level would tell the channel that these
// normalisations are there to remove.
//
// The running mean of "running" is m[t] = m[t-1] + a·(x[t] - m[t-1]) with
// a = 1 - e^(-1/running): of logarithms, that is the automatic gain control of
// PCEN (Wang et al. 2017) before its root. It begins at the view's first frame,
// as if that had always sounded, so that a view depends on nothing outside it.
//
// A spectrogram may have several channels, one below the other: (C·F, T). Each
// is changed by the same draws, and normalised and padded by itself.
type Views struct {
	Options         ViewOptions
	Channels        []Channel // (C)
	BinMean, BinStd []float32 // (C·F) of each bin, for "corpus_band"
	Chain           []Spec    // applied in order, before normalisation

	work    []audio.Spectrogram // (C)
	scratch scratch
}

// A Channel is what Views knows of the values in a channel.
type Channel struct {
	Mean, Std float32 // of the training clips' values, all bins together
	Zero      bool    // silence is 0: waveforms, phases
}

// Draw makes one random view of s, which it leaves as it is, in dst (C, F, T').
// The window is cut larger than the view where a stretch in the chain needs
// more and the clip has it.
func (v *Views) Draw(dst []float32, s *audio.Spectrogram, d Draw) error {
	if err := v.fits(dst, s, 1); err != nil {
		return err
	}
	d.scratch, d.unit = &v.scratch, unit(v.Options.Unit)
	want := v.Options.Frames
	n := min(s.Frames, int(math.Ceil(float64(want)*v.margin())))
	v.cut(s, v.start(s.Frames-n, d), n)
	for _, a := range v.Chain {
		if err := v.apply(a, d); err != nil {
			return err
		}
	}
	if frames := v.work[0].Frames; frames >= want {
		v.place(dst, v.start(frames-want, d), 0)
	} else {
		v.place(dst, 0, v.start(want-frames, d))
	}
	return nil
}

// apply changes each channel alike: the generator goes back to where it was.
func (v *Views) apply(a Spec, d Draw) error {
	if len(v.work) == 1 {
		return a.Spec(&v.work[0], d)
	}
	before, other := *d.Source, d.OtherSpec
	for c := range v.work {
		*d.Source = before
		if other != nil {
			d.OtherSpec = func() (audio.Spectrogram, error) {
				o, err := other()
				if err != nil || o.Bins%len(v.work) != 0 {
					return o, err
				}
				return o.Channel(c, len(v.work)), nil
			}
		}
		if err := a.Spec(&v.work[c], d); err != nil {
			return err
		}
	}
	return nil
}

// margin is how many frames the chain may need for each that must come out.
func (v *Views) margin() float64 {
	m := 1.0
	for _, a := range v.Chain {
		if a, ok := a.(interface{ margin() float64 }); ok {
			m *= a.margin()
		}
	}
	return m
}

// start chooses one of the places 0..room.
func (v *Views) start(room int, d Draw) int {
	if v.Options.Crop == "center" {
		return room / 2
	}
	return d.Rand.IntN(room + 1)
}

// Count is how many windows Windows makes of a clip of so many frames: enough
// for starts that are at most hop frames apart. A hop of 0 is a view's length.
func (v *Views) Count(frames, hop int) int {
	if hop <= 0 {
		hop = v.Options.Frames
	}
	room := max(frames-v.Options.Frames, 0)
	return 1 + (room+hop-1)/hop
}

// Windows covers s with evenly spaced windows, the first at its start, the last
// at its end, and appends them to dst: (Count, C, F, T'). A short clip gives one,
// in the middle of its padding. Nothing is random, and the chain is not applied.
func (v *Views) Windows(dst []float32, s *audio.Spectrogram, hop int) ([]float32, error) {
	count := v.Count(s.Frames, hop)
	size := s.Bins * v.Options.Frames
	at := len(dst)
	for range count * size {
		dst = append(dst, 0)
	}
	if err := v.fits(dst[at:], s, count); err != nil {
		return dst[:at], err
	}
	for i := range count {
		v.window(dst[at+i*size:at+(i+1)*size], s, count, i)
	}
	return dst, nil
}

// Window makes window i of those that Windows makes of s, in dst (C, F, T'): a
// long clip's are too many to hold at once.
func (v *Views) Window(dst []float32, s *audio.Spectrogram, hop, i int) error {
	if err := v.fits(dst, s, 1); err != nil {
		return err
	}
	v.window(dst, s, v.Count(s.Frames, hop), i)
	return nil
}

func (v *Views) window(dst []float32, s *audio.Spectrogram, count, i int) {
	want := v.Options.Frames
	room := max(s.Frames-want, 0)
	from := room / 2
	if count > 1 {
		from = (i*room + (count-1)/2) / (count - 1)
	}
	v.cut(s, from, min(want, s.Frames))
	v.place(dst, 0, (want-v.work[0].Frames)/2)
}

// fits refuses what cannot be made into n views.
func (v *Views) fits(dst []float32, s *audio.Spectrogram, n int) error {
	if s.Frames < 1 || s.Bins < 1 {
		return fault.New(fault.Data, "leave the clip out of the manifest, or shorten the feature's window", "the spectrogram is empty: %d bins, %d frames", s.Bins, s.Frames)
	}
	if len(dst) != n*s.Bins*v.Options.Frames {
		panic(fmt.Sprintf("augment: %d values for %d views of %d bins and %d frames", len(dst), n, s.Bins, v.Options.Frames))
	}
	if s.Bins%len(v.Channels) != 0 {
		panic(fmt.Sprintf("augment: %d bins in %d channels", s.Bins, len(v.Channels)))
	}
	switch v.Options.Normalize {
	case "corpus", "band", "running":
		for i, c := range v.Channels {
			if !(c.Std > 0) {
				return fault.New(fault.Data, "check the training clips: all of them may be silent",
					"the training clips' deviation is %g in channel %d, nothing can be divided by it", c.Std, i)
			}
		}
	case "corpus_band":
		if len(v.BinMean) != s.Bins || len(v.BinStd) != s.Bins {
			return fault.New(fault.Data, "normalise by the moments of the same feature", "there are means and deviations of %d and %d bins, the spectrogram has %d", len(v.BinMean), len(v.BinStd), s.Bins)
		}
		for b, std := range v.BinStd {
			if !(std > 0) {
				return fault.New(fault.Data, "check the training clips", "the training clips' deviation in bin %d is %g, nothing can be divided by it", b, std)
			}
		}
	}
	return nil
}

// cut copies n frames of s into work.
func (v *Views) cut(s *audio.Spectrogram, from, n int) {
	if v.work == nil {
		v.work = make([]audio.Spectrogram, len(v.Channels))
	}
	for c := range v.work {
		part, w := s.Channel(c, len(v.work)), &v.work[c]
		w.Resize(part.Bins, n)
		for b := range w.Bins {
			copy(w.Row(b), part.Row(b)[from:from+n])
		}
	}
}

// place normalises frames from, from+1, ... of work into dst (C, F, T'), after
// before frames of padding, with more behind if they do not reach the end.
func (v *Views) place(dst []float32, from, before int) {
	size := len(dst) / len(v.work)
	for c := range v.work {
		v.placeChannel(dst[c*size:(c+1)*size], c, from, before)
	}
}

func (v *Views) placeChannel(dst []float32, c, from, before int) {
	w, channel, want := &v.work[c], v.Channels[c], v.Options.Frames
	n := min(want-before, w.Frames-from)
	quiet, mean, scale := float32(0), float32(0), float32(1)
	if n < want && !channel.Zero {
		quiet = least(w.Data)
	}
	if v.Options.Normalize == "clip" {
		mean, scale = moments(w, from, n, 0, w.Bins)
	}
	for b := range w.Bins {
		src, row := w.Row(b)[from:from+n], dst[b*want:(b+1)*want]
		to, pad := row[before:before+n], float32(0)
		switch v.Options.Normalize {
		case "corpus":
			mean, scale = channel.Mean, 1/channel.Std
		case "corpus_band":
			mean, scale = v.BinMean[c*w.Bins+b], 1/v.BinStd[c*w.Bins+b]
		case "band":
			mean, scale = meanOf(src), 1/channel.Std
		case "band_std":
			mean, scale = moments(w, from, n, b, b+1)
		}
		switch v.Options.Normalize {
		case "running":
			runningMean(to, src, v.Options.Running, channel.Std)
		case "band", "band_std":
			kernel.Rescale(to, src, mean, scale)
		default:
			kernel.Rescale(to, src, mean, scale)
			pad = (quiet - mean) * scale
		}
		fill(row[:before], pad)
		fill(row[before+n:], pad)
	}
}

// moments is the mean of bins low to high-1 of the n frames of w that start at
// from, and what their deviation has to be multiplied with to be 1.
func moments(w *audio.Spectrogram, from, n, low, high int) (mean, scale float32) {
	var sum, squares float64
	for b := low; b < high; b++ {
		for _, x := range w.Row(b)[from : from+n] {
			sum += float64(x)
			squares += float64(float64(x) * float64(x))
		}
	}
	count := float64((high - low) * n)
	m := sum / count
	return float32(m), float32(1 / max(math.Sqrt(max(squares/count-m*m, 0)), leastDeviation))
}

// leastDeviation keeps what is silent finite, and 0.
const leastDeviation = 1e-5

// runningMean removes the running mean of a bin and divides by the deviation.
func runningMean(dst, x []float32, frames float64, std float32) {
	a := -math.Expm1(-1 / frames)
	m := float64(x[0])
	for t, value := range x {
		m += float64(a * (float64(value) - m))
		dst[t] = float32((float64(value) - m) / float64(std))
	}
}
