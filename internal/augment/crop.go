package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// Crop keeps a random rectangle where it is and wipes out the rest, so that the
// window keeps its size. (That a view is itself a random crop in time, of a
// longer clip, is view.crop.)
type Crop struct {
	P    float64    `yaml:"p" doc:"probability"`
	Freq [2]float64 `yaml:"freq" doc:"height of the rectangle, in heights of the window"`
	Time [2]float64 `yaml:"time" doc:"length of the rectangle, in lengths of the window"`
	Fill string     `yaml:"fill" doc:"what is there instead of the rest: mean (before and after, each bin's over the window; above and below, the window's), min (the window's least) or noise (Gaussian, of the window's mean and deviation)"`
}

// Doc implements Augmentation.
func (Crop) Doc() string { return "random rectangle kept, the rest wiped out" }

// Check implements Augmentation.
func (a Crop) Check() error {
	return first(probability("crop", a.P), span("crop", "freq", a.Freq, 0.01, 1), span("crop", "time", a.Time, 0.01, 1),
		oneOf("crop", "fill", a.Fill, fills...))
}

// Spec implements Spec.
func (a Crop) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	bins, top := rectangle(s.Bins, a.Freq, 1, d)
	frames, left := rectangle(s.Frames, a.Time, 1, d)
	w := wipe{s: s, fill: a.Fill, d: d}
	w.box(0, top, 0, s.Frames)
	w.box(top+bins, s.Bins, 0, s.Frames)
	w.box(top, top+bins, 0, left)
	w.box(top, top+bins, left+frames, s.Frames)
	return nil
}

// ResizedCrop cuts a random rectangle out of a canvas around the window and
// resizes it to the window's shape (BYOL-A, Niizumi et al. 2021, section
// III-B). The canvas outside the window holds the window's mean, as there.
type ResizedCrop struct {
	P             float64    `yaml:"p" doc:"probability"`
	Freq          [2]float64 `yaml:"freq" doc:"height of the rectangle, in heights of the window"`
	Time          [2]float64 `yaml:"time" doc:"length of the rectangle, in lengths of the window"`
	Canvas        [2]float64 `yaml:"canvas" doc:"height and length of the canvas, in those of the window; bounds the rectangle"`
	Interpolation string     `yaml:"interpolation" doc:"bilinear or bicubic"`
}

// Doc implements Augmentation.
func (ResizedCrop) Doc() string { return "random rectangle resized to the whole: pitch and speed" }

// Check implements Augmentation.
func (a ResizedCrop) Check() error {
	return first(probability("resized_crop", a.P), oneOf("resized_crop", "interpolation", a.Interpolation, "bilinear", "bicubic"),
		span("resized_crop", "freq", a.Freq, 0.01, 10), span("resized_crop", "time", a.Time, 0.01, 10),
		in("resized_crop", "canvas[0]", a.Canvas[0], 1, 10), in("resized_crop", "canvas[1]", a.Canvas[1], 1, 10))
}

// Spec implements Spec.
func (a ResizedCrop) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	bins, top := rectangle(s.Bins, a.Freq, a.Canvas[0], d)
	frames, left := rectangle(s.Frames, a.Time, a.Canvas[1], d)
	m := d.memory()
	mean := meanOf(s.Data)
	m.next.Resize(s.Bins, s.Frames)
	// Along time into next, out of a row that goes on with the mean.
	kernels := a.kernels(m, s.Frames, frames, left)
	first, end := kernels[0].from, kernels[len(kernels)-1].from+4
	wide := m.floats(end - first)
	fill(wide, mean)
	from := max(first, 0)
	to := max(min(end, s.Frames), from)
	for b := range s.Bins {
		if from < to {
			copy(wide[from-first:], s.Row(b)[from:to])
		}
		dst := m.next.Row(b)[:len(kernels)]
		for t := range kernels {
			k := &kernels[t]
			v := wide[k.from-first:][:4:4]
			dst[t] = k.weight[0]*v[0] + k.weight[1]*v[1] + k.weight[2]*v[2] + k.weight[3]*v[3]
		}
	}
	// Along frequency back into s, among rows that go on with one of the mean.
	kernels = a.kernels(m, s.Bins, bins, top)
	outside := m.floats(s.Frames)
	fill(outside, mean)
	for b := range kernels {
		rows := [4][]float32{outside, outside, outside, outside}
		for j := range rows {
			if c := kernels[b].from + j; c >= 0 && c < s.Bins {
				rows[j] = m.next.Row(c)
			}
		}
		kernel.Blend4(s.Row(b), &rows, &kernels[b].weight)
	}
	return nil
}

// rectangle draws one side of the rectangle over an axis of n cells: how many
// cells it takes, and where it starts, which is negative outside the window.
func rectangle(n int, size [2]float64, canvas float64, d Draw) (length, start int) {
	whole := int(float64(n) * canvas)
	length = min(max(int(float64(n)*d.between(size)), 1), whole)
	return length, d.Rand.IntN(whole-length+1) - (whole-n)/2
}

// a kernel4 is the four neighbours of a resampled value and their weights.
type kernel4 struct {
	from   int
	weight [4]float32
}

// kernels reads n values evenly from start to start+length-1, corners aligned.
func (a ResizedCrop) kernels(m *scratch, n, length, start int) []kernel4 {
	if cap(m.kernels) < n {
		m.kernels = make([]kernel4, n)
	}
	k := m.kernels[:n]
	step := float64(length-1) / float64(max(n-1, 1))
	for i := range k {
		at := float64(start) + step*float64(i)
		floor := math.Floor(at)
		k[i].from = int(floor) - 1
		t := float32(at - floor)
		if a.Interpolation == "bilinear" {
			k[i].weight = [4]float32{0, 1 - t, t, 0}
			continue
		}
		// Keys 1981 with a = -3/4, as PyTorch's bicubic.
		const c = -0.75
		near := func(x float32) float32 { return ((c+2)*x-(c+3))*x*x + 1 }
		far := func(x float32) float32 { return ((c*x-5*c)*x+8*c)*x - 4*c }
		k[i].weight = [4]float32{far(1 + t), near(t), near(1 - t), far(2 - t)}
	}
	return k
}
