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
	Frames    int    `yaml:"frames" doc:"length of a view; frames"`
	Normalize string `yaml:"normalize" doc:"none; corpus: by the training clips' mean and deviation; clip: by the view's own; band: each bin's mean over the view removed, then divided by the training clips' deviation"`
	Crop      string `yaml:"crop" doc:"which part of a longer clip: random or center"`
	Unit      string `yaml:"unit" doc:"what the feature's values are: ln (natural log of power) or db; turns options in dB into it"`
}

// DefaultView is where a config starts from.
var DefaultView = ViewOptions{Frames: 96, Normalize: "corpus", Crop: "random", Unit: "ln"}

// Check tells which option is out of its range.
func (o ViewOptions) Check() error {
	return first(in("view", "frames", float64(o.Frames), 1, 1e6),
		oneOf("view", "normalize", o.Normalize, "none", "corpus", "clip", "band"),
		oneOf("view", "crop", o.Crop, "random", "center"),
		oneOf("view", "unit", o.Unit, "ln", "db"))
}

// Views makes the encoder's input out of spectrograms: random views for
// training, evenly spaced windows for embedding, normalised alike. It keeps
// buffers, so each goroutine needs its own.
//
// A clip shorter than the view is padded on both sides. The padding is the
// clip's quietest value, as if the recording had gone on in silence, except
// under "band": there the mean is taken over the frames that are really there
// and the padding is 0 after it is removed. Were the padding part of the mean,
// the same frames would look different in a shorter clip, and its level would
// tell the channel that this normalisation is there to remove.
type Views struct {
	Options   ViewOptions
	Mean, Std float32 // of the training clips' values, all bins together
	Chain     []Spec  // applied in order, before normalisation

	work    audio.Spectrogram
	scratch scratch
}

// Draw makes one random view of s, which it leaves as it is, in dst (F, T').
// The window is cut larger than the view where a stretch in the chain needs
// more and the clip has it.
func (v *Views) Draw(dst []float32, s *audio.Spectrogram, d Draw) error {
	if err := v.fits(dst, s, 1); err != nil {
		return err
	}
	d.scratch, d.unit = &v.scratch, unit(v.Options.Unit == "db")
	want := v.Options.Frames
	n := min(s.Frames, int(math.Ceil(float64(want)*v.margin())))
	v.cut(s, v.start(s.Frames-n, d), n)
	for _, a := range v.Chain {
		if err := a.Spec(&v.work, d); err != nil {
			return err
		}
	}
	if v.work.Frames >= want {
		v.place(dst, v.start(v.work.Frames-want, d), 0)
	} else {
		v.place(dst, 0, v.start(want-v.work.Frames, d))
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
// at its end, and appends them to dst: (Count, F, T'). A short clip gives one,
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

// Window makes window i of those that Windows makes of s, in dst (F, T'): a
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
	v.place(dst, 0, (want-v.work.Frames)/2)
}

// fits refuses what cannot be made into n views.
func (v *Views) fits(dst []float32, s *audio.Spectrogram, n int) error {
	if s.Frames < 1 || s.Bins < 1 {
		return fault.New(fault.Data, "leave the clip out of the manifest, or shorten the feature's window", "the spectrogram is empty: %d bins, %d frames", s.Bins, s.Frames)
	}
	if len(dst) != n*s.Bins*v.Options.Frames {
		panic(fmt.Sprintf("augment: %d values for %d views of %d bins and %d frames", len(dst), n, s.Bins, v.Options.Frames))
	}
	if by := v.Options.Normalize; (by == "corpus" || by == "band") && !(v.Std > 0) {
		return fault.New(fault.Data, "check the training clips: all of them may be silent", "the training clips' deviation is %g, nothing can be divided by it", v.Std)
	}
	return nil
}

// cut copies n frames of s into work.
func (v *Views) cut(s *audio.Spectrogram, from, n int) {
	v.work.Resize(s.Bins, n)
	for b := range s.Bins {
		copy(v.work.Row(b), s.Row(b)[from:from+n])
	}
}

// place normalises frames from, from+1, ... of work into dst (F, T'), after
// before frames of padding, with more behind if they do not reach the end.
func (v *Views) place(dst []float32, from, before int) {
	w, want := &v.work, v.Options.Frames
	n := min(want-before, w.Frames-from)
	mean, scale := v.affine(from, n)
	band := v.Options.Normalize == "band"
	pad := float32(0)
	if n < want && !band {
		pad = w.Data[0]
		for _, x := range w.Data {
			pad = min(pad, x)
		}
		pad = (pad - mean) * scale
	}
	for b := range w.Bins {
		src, row := w.Row(b)[from:from+n], dst[b*want:(b+1)*want]
		if band {
			mean = meanOf(src)
		}
		fill(row[:before], pad)
		kernel.Rescale(row[before:before+n], src, mean, scale)
		fill(row[before+n:], pad)
	}
}

// affine is what is subtracted from the n frames of work that start at from,
// and what they are then multiplied with; the mean is not used for "band".
func (v *Views) affine(from, n int) (mean, scale float32) {
	switch v.Options.Normalize {
	case "corpus":
		return v.Mean, 1 / v.Std
	case "band":
		return 0, 1 / v.Std
	case "clip":
		var sum, squares float64
		for b := range v.work.Bins {
			for _, x := range v.work.Row(b)[from : from+n] {
				sum += float64(x)
				squares += float64(x) * float64(x)
			}
		}
		count := float64(v.work.Bins * n)
		m := sum / count
		// A silent view has no deviation; 1e-5 keeps it finite, and 0.
		return float32(m), float32(1 / max(math.Sqrt(max(squares/count-m*m, 0)), 1e-5))
	}
	return 0, 1
}
