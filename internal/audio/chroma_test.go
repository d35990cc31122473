package audio

import (
	"fmt"
	"math"
	"testing"
)

// definedNorm divides each frame as librosa.util.normalize does.
func definedNorm(x [][]float64, norm string) {
	for t := range x[0] {
		sum, squares, top := 0.0, 0.0, 0.0
		for b := range x {
			sum, squares, top = sum+x[b][t], squares+x[b][t]*x[b][t], max(top, x[b][t])
		}
		size := map[string]float64{"inf": top, "1": sum, "2": math.Sqrt(squares), "none": 1}[norm]
		for b := range x {
			if size > 0 {
				x[b][t] /= size
			}
		}
	}
}

// chroma_stft against the definition: a bin at f Hz lies log2(f/440) octaves
// above A, and gives to each class by how many classes away it is, under a
// Gaussian of half a class or half a bin's width.
func TestChromaSTFTAgainstDefinition(t *testing.T) {
	c := noise(16000, 1500)
	copy(c.Samples[700:], make([]float32, 500))
	base := Features["chroma_stft"].(ChromaSTFT)
	base.NFFT, base.WinLength, base.HopLength = 512, 400, 200
	with := func(change func(*ChromaSTFT)) ChromaSTFT { o := base; change(&o); return o }
	for _, o := range []ChromaSTFT{
		base,
		with(func(o *ChromaSTFT) { o.Norm, o.Tuning, o.PadMode = "none", 0.3, "reflect" }),
		with(func(o *ChromaSTFT) { o.Norm, o.NChroma, o.OctWidth, o.Tuning = "2", 24, 0, -0.4 }),
		with(func(o *ChromaSTFT) { o.Norm, o.NChroma, o.CtrOct, o.OctWidth, o.Center = "1", 7, 4, 1, false }),
	} {
		n := float64(o.NChroma)
		var want [][]float64
		for range o.NChroma {
			want = append(want, make([]float64, newSTFT(o.stft()).frames(len(c.Samples))))
		}
		classOfA := o.NChroma - 3*(o.NChroma/12) // where C is 0; librosa leaves fewer than 12 at A
		octaves := func(k int) float64 {         // above A at 440 Hz and tuning
			if k == 0 {
				return math.Log2(16000.0/512/440) - o.Tuning/n - 1.5
			}
			return math.Log2(float64(k)*16000/512/440) - o.Tuning/n
		}
		for k := range 257 {
			width := math.Max(1, n*(octaves(k+1)-octaves(k)))
			weights, sum := make([]float64, o.NChroma), 0.0
			for i := range weights {
				// The nearest octave's, of those half an octave away the upper.
				away := n*octaves(k) - float64(i-classOfA)
				for away < -math.RoundToEven(n/2) {
					away += n
				}
				for away >= n-math.RoundToEven(n/2) {
					away -= n
				}
				weights[i] = math.Exp(-2 * away * away / width / width)
				sum += weights[i] * weights[i]
			}
			for i := range weights {
				weights[i] /= math.Sqrt(sum)
				if o.OctWidth > 0 {
					weights[i] *= math.Exp(-math.Pow(octaves(k)+4-o.CtrOct, 2) / 2 / o.OctWidth / o.OctWidth)
				}
			}
			for frame := range want[0] {
				z := definedSTFT(o.stft(), c.Samples, frame, k)
				for i := range weights {
					want[i][frame] += weights[i] * (real(z)*real(z) + imag(z)*imag(z))
				}
			}
		}
		definedNorm(want, o.Norm)
		near(t, fmt.Sprintf("%+v", o), extract(t, o, c), want, 1e-5)
	}
}

// However quiet a clip, its frames are divided by their size.
func TestChromaOfQuietClips(t *testing.T) {
	c := noise(16000, 4000)
	for i := range c.Samples {
		c.Samples[i] *= 1e-9
	}
	for _, name := range []string{"chroma_stft", "chroma_cqt"} {
		s := extract(t, Features[name], c)
		for i := range s.Frames {
			top := float32(0)
			for b := range s.Bins {
				top = max(top, s.Row(b)[i])
			}
			if top != 1 {
				t.Errorf("%s: the largest class of frame %d is %v, want 1", name, i, top)
			}
		}
	}
}

// Classes below the threshold are 0, all others stay.
func TestChromaThreshold(t *testing.T) {
	o := Features["chroma_cqt"].(ChromaCQT)
	o.Norm = "none"
	c := noise(16000, 4000)
	plain := extract(t, o, c)
	o.Threshold = float64(plain.Row(3)[2])
	cut, below := extract(t, o, c), 0
	for i, v := range plain.Data {
		if v < plain.Row(3)[2] {
			v, below = 0, below+1
		}
		if cut.Data[i] != v {
			t.Fatalf("value %d is %v, want %v", i, cut.Data[i], v)
		}
	}
	if below == 0 || below == len(plain.Data)-1 {
		t.Errorf("%d of %d values lie below", below, len(plain.Data))
	}
}

// chroma_cqt against the definition: class c sums the CQT's bins whose pitch
// rounds to c.
func TestChromaCQTAgainstDefinition(t *testing.T) {
	c := noise(16000, 4000)
	base := Features["chroma_cqt"].(ChromaCQT)
	base.FMin, base.NOctaves = 261.6256, 3 // C4
	with := func(change func(*ChromaCQT)) ChromaCQT { o := base; change(&o); return o }
	for _, o := range []ChromaCQT{
		base,
		with(func(o *ChromaCQT) { o.FMin, o.BinsPerOctave, o.Norm, o.PadMode = 440, 12, "none", "reflect" }),
		with(func(o *ChromaCQT) { o.NChroma, o.BinsPerOctave, o.Norm, o.Tuning, o.Threshold = 24, 48, "2", 0.2, 0.05 }),
	} {
		bins := definedCQT(o.cqt(), 0, c)
		want := make([][]float64, o.NChroma)
		for i := range want {
			want[i] = make([]float64, len(bins[0]))
		}
		for k, row := range bins {
			// In classes above C; exactly between two belongs to the upper.
			pitch := float64(o.NChroma) * (math.Log2(o.FMin/261.6256) + float64(k)/float64(o.BinsPerOctave))
			class := int(math.Floor(pitch+0.5+1e-6)) % o.NChroma
			for i, v := range row {
				want[class][i] += v
			}
		}
		for _, row := range want {
			for i, v := range row {
				if v < o.Threshold {
					row[i] = 0
				}
			}
		}
		definedNorm(want, o.Norm)
		near(t, fmt.Sprintf("%+v", o), extract(t, o, c), want, 1e-5)
	}
}

// Each note of the scale is its own class, in all octaves and at all rates.
func TestChromaHearsNotes(t *testing.T) {
	for _, name := range []string{"chroma_stft", "chroma_cqt"} {
		for _, rate := range []int{16000, 22050} {
			f, err := Features[name].New(rate)
			if err != nil {
				t.Fatal(err)
			}
			for note := 57; note < 84; note += 10 { // MIDI, from A3
				c := Clip{Rate: rate, Samples: make([]float32, rate/4)}
				for i := range c.Samples {
					c.Samples[i] = float32(math.Sin(2 * math.Pi * 440 * math.Pow(2, float64(note-69)/12) * float64(i) / float64(rate)))
				}
				var s Spectrogram
				if err := f.Extract(&s, c); err != nil {
					t.Fatal(err)
				}
				for class := range 12 {
					v := s.Row(class)[s.Frames/2]
					if is := class == note%12; is && v != 1 || !is && v >= 1 {
						t.Errorf("%s at %d Hz: note %d gives class %d the value %v", name, rate, note, class, v)
					}
				}
			}
		}
	}
}
