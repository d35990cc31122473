package augment

import (
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
)

func views(frames int, normalize string) *Views {
	return &Views{Options: ViewOptions{Frames: frames, Normalize: normalize, Crop: "random", Unit: "ln"}, Mean: -6, Std: 3}
}

func drawn(t testing.TB, v *Views, s *audio.Spectrogram, d Draw) *audio.Spectrogram {
	t.Helper()
	out := &audio.Spectrogram{}
	out.Resize(s.Bins, v.Options.Frames)
	if err := v.Draw(out.Data, s, d); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestViewIsAWindow(t *testing.T) {
	s := filled(5, 50, func(b, t int) float64 { return float64(100*b + t) })
	seen := map[int]bool{}
	for i := range 1000 {
		out := drawn(t, views(20, "none"), s, draws(30, i))
		from := int(out.Data[0])
		seen[from] = true
		for b := range 5 {
			if !slices.Equal(out.Row(b), s.Row(b)[from:from+20]) {
				t.Fatalf("bin %d is %v, not a window", b, out.Row(b))
			}
		}
	}
	if len(seen) != 31 {
		t.Errorf("%d places, want 31", len(seen))
	}
	v := views(20, "none")
	v.Options.Crop = "center"
	if from := drawn(t, v, s, draws(30, 1)).Data[0]; from != 15 {
		t.Errorf("centre crop starts at %g, want 15", from)
	}
}

func TestShortClipIsPadded(t *testing.T) {
	s := filled(3, 12, func(b, t int) float64 { return float64(b + t - 4) })
	for normalize, pad := range map[string]float32{"none": -4, "corpus": (-4 + 6) / 3.0, "band": 0} {
		starts := map[int]bool{}
		for i := range 500 {
			out := drawn(t, views(20, normalize), s, draws(31, i))
			from := -1
			for j, v := range out.Row(2) { // the last bin never holds the minimum, except for "band"
				if v != pad && from < 0 {
					from = j
				}
			}
			starts[from] = true
			for b := range 3 {
				for j, v := range out.Row(b) {
					if inside := j >= from && j < from+12; !inside && v != pad {
						t.Fatalf("%s: padding is %g, want %g", normalize, v, pad)
					}
				}
			}
		}
		if len(starts) != 9 {
			t.Errorf("%s: the clip starts in %d places, want 9", normalize, len(starts))
		}
	}
}

func TestNormalize(t *testing.T) {
	s := noisy(6, 40, 1)
	for b := range 6 {
		for j := range s.Row(b) {
			s.Row(b)[j] += float32(3 * b) // a channel's colour
		}
	}
	plain := drawn(t, views(20, "none"), s, draws(32, 1))
	corpus := drawn(t, views(20, "corpus"), s, draws(32, 1))
	band := drawn(t, views(20, "band"), s, draws(32, 1))
	clip := drawn(t, views(20, "clip"), s, draws(32, 1))
	var sum, squares float64
	for i, v := range clip.Data {
		sum += float64(v)
		squares += float64(v) * float64(v)
		if want := (plain.Data[i] + 6) / 3; !near(float64(corpus.Data[i]), float64(want), 1e-5) {
			t.Fatalf("corpus: %g, want %g", corpus.Data[i], want)
		}
	}
	if n := float64(len(clip.Data)); !near(sum/n, 0, 1e-5) || !near(squares/n, 1, 1e-4) {
		t.Errorf("clip: mean %g, mean square %g", sum/n, squares/n)
	}
	for b := range 6 {
		mean := meanOf(plain.Row(b))
		for j, v := range band.Row(b) {
			if want := (plain.Row(b)[j] - mean) / 3; !near(float64(v), float64(want), 1e-5) {
				t.Fatalf("band: %g, want %g", v, want)
			}
		}
	}
}

// Removing the band's mean removes any channel, also from a padded clip.
func TestBandRemovesTheChannel(t *testing.T) {
	for _, frames := range []int{15, 40} {
		s := noisy(6, frames, 1)
		other := spec(t, EQ{P: 1, DB: 10, Points: 4}, s, draws(33, 7))
		a := drawn(t, views(20, "band"), s, draws(33, 1))
		b := drawn(t, views(20, "band"), other, draws(33, 1))
		for i := range a.Data {
			if !near(float64(a.Data[i]), float64(b.Data[i]), 1e-5) {
				t.Fatalf("%d frames: %g and %g", frames, a.Data[i], b.Data[i])
			}
		}
	}
}

// A stretch gets the frames that it needs, so no view of a long clip is padded.
func TestMargin(t *testing.T) {
	s := filled(2, 200, func(b, t int) float64 { return float64(t) })
	v := views(20, "none")
	v.Chain = []Spec{Stretch{P: 1, By: 0.5}, Stretch{P: 0, By: 0.9}, Gain{P: 0}}
	if m := v.margin(); m != 2 {
		t.Errorf("margin is %g, want 2", m)
	}
	slopes := []float64{}
	for i := range 1000 {
		row := drawn(t, v, s, draws(34, i)).Row(1)
		slope := float64(row[1] - row[0])
		for j := 1; j < 20; j++ {
			if !near(float64(row[j]-row[j-1]), slope, 1e-2) {
				t.Fatalf("not one piece of a ramp: %v", row)
			}
		}
		slopes = append(slopes, slope)
	}
	// 40 frames onto 20 … 60: (40-1)/(n-1) a frame.
	if lo, hi := slices.Min(slopes), slices.Max(slopes); lo < 39.0/59-0.01 || hi > 39.0/19+0.01 || lo > 0.7 || hi < 1.9 {
		t.Errorf("slopes %g to %g, want %g to %g", lo, hi, 39.0/59, 39.0/19)
	}
}

func everySpec() []Spec {
	var chain []Spec
	for _, name := range names() {
		if a, ok := Table[name].(Spec); ok {
			chain = append(chain, a)
		}
	}
	return chain
}

// The whole chain, over and over in the same buffers, gives what fresh buffers
// give, leaves the clip alone, and allocates nothing.
func TestViewsAreIndependent(t *testing.T) {
	v := views(20, "band")
	v.Chain = everySpec()
	clips := []*audio.Spectrogram{noisy(20, 60, 1), noisy(20, 9, 2), noisy(20, 1, 3), noisy(20, 20, 4)}
	for i := range 200 {
		s := clips[i%len(clips)]
		before := slices.Clone(s.Data)
		used := drawn(t, v, s, draws(35, i))
		fresh := views(20, "band")
		fresh.Chain = v.Chain
		if !slices.Equal(used.Data, drawn(t, fresh, s, draws(35, i)).Data) {
			t.Fatalf("draw %d depends on what was drawn before", i)
		}
		if !slices.Equal(before, s.Data) {
			t.Fatalf("draw %d changed the clip", i)
		}
		for _, x := range used.Data {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("draw %d holds %g", i, x)
			}
		}
	}
	dst := make([]float32, 20*20)
	d := draws(35, 1)
	if n := testing.AllocsPerRun(200, func() {
		if err := v.Draw(dst, clips[0], d); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations a view", n)
	}
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		frames, hop int
		want        []int // starts
	}{
		{20, 20, []int{0}}, {21, 20, []int{0, 1}}, {40, 20, []int{0, 20}}, {50, 20, []int{0, 15, 30}},
		{50, 0, []int{0, 15, 30}}, {50, 10, []int{0, 10, 20, 30}}, {50, 100, []int{0, 30}}, {51, 15, []int{0, 10, 21, 31}},
	} {
		s := filled(2, c.frames, func(b, t int) float64 { return float64(1000*b + t) })
		v := views(20, "none")
		got, err := v.Windows(nil, s, c.hop)
		if err != nil {
			t.Fatal(err)
		}
		if n := v.Count(c.frames, c.hop); n != len(c.want) || len(got) != n*40 {
			t.Errorf("%d frames, hop %d: %d windows, %d values; want %d", c.frames, c.hop, n, len(got), len(c.want))
			continue
		}
		one := make([]float32, 40)
		for i, from := range c.want {
			if err := v.Window(one, s, c.hop, i); err != nil || !slices.Equal(one, got[i*40:(i+1)*40]) {
				t.Errorf("%d frames, hop %d: window %d by itself is another: %v", c.frames, c.hop, i, err)
			}
			for b := range 2 {
				if row := got[i*40+b*20:][:20]; !slices.Equal(row, s.Row(b)[from:from+20]) {
					t.Errorf("%d frames, hop %d: window %d starts at %g, want %d", c.frames, c.hop, i, row[0], from)
				}
			}
		}
	}
	// Appended, and padded around the middle.
	v := views(9, "none")
	v.Chain = []Spec{Gain{P: 1, DB: 100}} // not applied
	got, err := v.Windows([]float32{7}, filled(1, 4, func(b, t int) float64 { return float64(t) }), 0)
	if want := []float32{7, 0, 0, 0, 1, 2, 3, 0, 0, 0}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// Without a chain, a random view of a clip of just its length is its window.
func TestWindowsAreViews(t *testing.T) {
	for _, normalize := range []string{"none", "corpus", "clip", "band"} {
		s := noisy(6, 20, 1)
		got, err := views(20, normalize).Windows(nil, s, 0)
		if err != nil || !slices.Equal(got, drawn(t, views(20, normalize), s, draws(36, 1)).Data) {
			t.Errorf("%s: a view and a window differ: %v", normalize, err)
		}
	}
}

func TestViewsRefuse(t *testing.T) {
	v := views(4, "corpus")
	dst := make([]float32, 8)
	if err := v.Draw(dst, &audio.Spectrogram{Bins: 2}, draws(1, 1)); fault.KindOf(err) != fault.Data {
		t.Errorf("an empty clip: %v", err)
	}
	v.Std = 0
	if err := v.Draw(dst, noisy(2, 4, 1), draws(1, 1)); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "deviation is 0") {
		t.Errorf("deviation 0: %v", err)
	}
	if _, err := v.Windows(nil, noisy(2, 4, 1), 0); fault.KindOf(err) != fault.Data {
		t.Errorf("deviation 0: %v", err)
	}
	defer func() {
		if msg, _ := recover().(string); !strings.HasPrefix(msg, "augment: ") {
			t.Errorf("wrong size: panic %q", msg)
		}
	}()
	v.Draw(dst[:7], noisy(2, 4, 1), draws(1, 1))
}
