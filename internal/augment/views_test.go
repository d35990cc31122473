package augment

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
)

func views(frames int, normalize string) *Views {
	return &Views{Options: ViewOptions{Frames: frames, Normalize: normalize, Crop: "random", Unit: "ln", Running: 7}, Channels: []Channel{{Mean: -6, Std: 3}},
		BinMean: []float32{-6, -5, -4, -3, -2, -1}, BinStd: []float32{1, 2, 3, 4, 5, 6}}
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
	for normalize, pad := range map[string]float32{"none": -4, "corpus": (-4 + 6) / 3.0, "band": 0, "band_std": 0} {
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

// Each bin by its own moments: the view's or the training clips'.
func TestNormalizeBins(t *testing.T) {
	s := noisy(6, 40, 1)
	for b := range 6 {
		for j := range s.Row(b) {
			s.Row(b)[j] = s.Row(b)[j]*float32(b+1) + float32(3*b)
		}
	}
	fill(s.Row(3), -13.8155) // says nothing
	plain := drawn(t, views(20, "none"), s, draws(32, 1))
	own := drawn(t, views(20, "band_std"), s, draws(32, 1))
	corpus := drawn(t, views(20, "corpus_band"), s, draws(32, 1))
	for b := range 6 {
		var mean, squares float64
		for _, v := range plain.Row(b) {
			mean += float64(v) / 20
		}
		for _, v := range plain.Row(b) {
			squares += (float64(v) - mean) * (float64(v) - mean) / 20
		}
		for j, v := range plain.Row(b) {
			want := 0.0
			if b != 3 {
				want = (float64(v) - mean) / math.Sqrt(squares)
			}
			if got := float64(own.Row(b)[j]); !near(got, want, 1e-4) {
				t.Fatalf("band_std: bin %d: %g, want %g", b, got, want)
			}
			if got, want := float64(corpus.Row(b)[j]), (float64(v)-float64(b-6))/float64(b+1); !near(got, want, 1e-4) {
				t.Fatalf("corpus_band: bin %d: %g, want %g", b, got, want)
			}
		}
	}
	short := &audio.Spectrogram{}
	short.Resize(6, 5)
	for b := range 6 {
		copy(short.Row(b), s.Row(b))
	}
	quiet := slices.Min(short.Data)
	out, err := views(20, "corpus_band").Windows(nil, short, 0)
	if err != nil {
		t.Fatal(err)
	}
	for b := range 6 {
		if got, want := float64(out[20*b]), (float64(quiet)-float64(b-6))/float64(b+1); !near(got, want, 1e-4) {
			t.Errorf("corpus_band: the padding of bin %d is %g, want %g: the clip's quietest value", b, got, want)
		}
	}
}

// The running mean against its recursion, of a step: what went before the view
// does not count, what comes behind a frame does not either, the step is let
// through and then forgotten within the time constant.
func TestNormalizeRunning(t *testing.T) {
	v := views(20, "running")
	s := filled(2, 20, func(b, t int) float64 { return float64(-8 + b) })
	for i := 8; i < 20; i++ {
		s.Row(1)[i] += 6
	}
	out := drawn(t, v, s, draws(32, 1))
	for b := range 2 {
		m := float64(s.Row(b)[0])
		for i, x := range s.Row(b) {
			m += (1 - math.Exp(-1.0/7)) * (float64(x) - m)
			if want := (float64(x) - m) / 3; !near(float64(out.Row(b)[i]), want, 1e-6) {
				t.Errorf("bin %d, frame %d is %g, want %g", b, i, out.Row(b)[i], want)
			}
		}
	}
	if row := out.Row(1); row[7] != 0 || !near(float64(row[8]), 2*math.Exp(-1.0/7), 1e-5) || !near(float64(row[15]), 2*math.Exp(-8.0/7), 1e-5) {
		t.Errorf("a step of two deviations becomes %v", row)
	}
	later := filled(2, 20, func(b, t int) float64 { return float64(s.Row(b)[t]) })
	later.Row(0)[19], later.Row(1)[12] = 50, 50
	if now := drawn(t, v, later, draws(32, 1)); !slices.Equal(now.Row(0)[:19], out.Row(0)[:19]) || !slices.Equal(now.Row(1)[:12], out.Row(1)[:12]) {
		t.Error("what comes later changed what came before")
	}
	// A short clip's frames are the same, between zeros.
	padded, err := views(30, "running").Windows(nil, s, 0)
	if err != nil || !slices.Equal(padded[35:55], out.Row(1)) || padded[34] != 0 || padded[55] != 0 {
		t.Errorf("padded: %v, %v", padded, err)
	}
}

// Where silence is 0, it pads.
func TestZeroPads(t *testing.T) {
	v := views(9, "corpus")
	v.Channels[0].Zero = true
	got, err := v.Windows(nil, filled(1, 3, func(b, t int) float64 { return float64(t) - 9 }), 0)
	if want := []float32{2, 2, 2, -1, -2. / 3, -1. / 3, 2, 2, 2}; err != nil || len(got) != 9 || got[0] != 2 || got[8] != 2 || !near(float64(got[4]), float64(want[4]), 1e-6) {
		t.Errorf("%v, %v; want %v", got, err, want)
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
	for _, normalize := range []string{"none", "corpus", "corpus_band", "clip", "band", "band_std", "running"} {
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
	v.Channels[0].Std = 0
	if err := v.Draw(dst, noisy(2, 4, 1), draws(1, 1)); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "deviation is 0") {
		t.Errorf("deviation 0: %v", err)
	}
	if _, err := v.Windows(nil, noisy(2, 4, 1), 0); fault.KindOf(err) != fault.Data {
		t.Errorf("deviation 0: %v", err)
	}
	for want, change := range map[string]func(v *Views){
		"2 and 2 bins, the spectrogram has 3":         func(v *Views) { v.BinMean, v.BinStd = v.BinMean[:2], v.BinStd[:2] },
		"the training clips' deviation in bin 2 is 0": func(v *Views) { v.BinMean, v.BinStd = v.BinMean[:3], []float32{1, 1, 0} },
	} {
		v := views(4, "corpus_band")
		change(v)
		if err := v.Draw(make([]float32, 12), noisy(3, 4, 1), draws(1, 1)); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	defer func() {
		if msg, _ := recover().(string); !strings.HasPrefix(msg, "augment: ") {
			t.Errorf("wrong size: panic %q", msg)
		}
	}()
	v.Draw(dst[:7], noisy(2, 4, 1), draws(1, 1))
}

// Channels are changed by the same draws, each as if it were alone, with the
// moments and the padding of its own.
func TestChannels(t *testing.T) {
	a, b := noisy(6, 50, 1), noisy(6, 50, 2)
	for i := range b.Data {
		b.Data[i] = 3*b.Data[i] + 100
	}
	pile := func(a, b *audio.Spectrogram) *audio.Spectrogram {
		return &audio.Spectrogram{Bins: a.Bins + b.Bins, Frames: a.Frames, Data: slices.Concat(a.Data, b.Data)}
	}
	otherA, otherB := noisy(6, 40, 3), noisy(6, 40, 4)
	for name, entry := range Table {
		change, ok := entry.(Spec)
		if !ok {
			continue
		}
		for _, normalize := range []string{"corpus", "corpus_band", "clip", "band", "band_std", "running"} {
			for _, frames := range []int{20, 70} {
				chain := []Spec{Always(change).(Spec), Stretch{P: 1, By: 0.2}}
				address := func(other *audio.Spectrogram) Draw {
					p := new(rand.PCG)
					Reseed(p, 7, 1, 2, 3)
					return Draw{Rand: rand.New(p), Source: p, OtherSpec: others(other)}
				}
				alone := func(s, other *audio.Spectrogram, mean, std float32, zero bool, bin int) *audio.Spectrogram {
					v := views(frames, normalize)
					v.Chain, v.Channels[0] = chain, Channel{Mean: mean, Std: std, Zero: zero}
					v.BinMean, v.BinStd = bandMoments[bin:bin+6], bandMoments[bin+1:bin+7]
					return drawn(t, v, s, address(other))
				}
				v := views(frames, normalize)
				v.Chain, v.Channels = chain, []Channel{{Mean: -6, Std: 3}, {Mean: 90, Std: 9, Zero: true}}
				v.BinMean, v.BinStd = bandMoments[:12], bandMoments[1:13]
				both := drawn(t, v, pile(a, b), address(pile(otherA, otherB)))
				want := pile(alone(a, otherA, -6, 3, false, 0), alone(b, otherB, 90, 9, true, 6))
				if !slices.Equal(both.Data, want.Data) {
					t.Errorf("%s, %s, views of %d: two channels are not what each would be alone", name, normalize, frames)
				}
			}
		}
	}
}

var bandMoments = []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
