package audio

import (
	"math"
	"testing"
)

// given is a feature whose values a test gives.
type given struct{ s Spectrogram }

func (given) Doc() string                    { return "" }
func (given) Unit() string                   { return "" }
func (given) Check(int) error                { return nil }
func (g given) New(int) (Feature, error)     { return g, nil }
func (g given) Shape(int) (bins, frames int) { return g.s.Bins, g.s.Frames }
func (g given) Extract(dst *Spectrogram, _ Clip) error {
	dst.Resize(g.s.Bins, g.s.Frames)
	copy(dst.Data, g.s.Data)
	return nil
}

func TestDeltasMatchTorchaudio(t *testing.T) {
	c := referenceCases(t)["audio/deltas"]
	a := loadNPY(t, c.Inputs["feat"].File)
	of := given{Spectrogram{Bins: a.shape[0], Frames: a.shape[1]}}
	for _, v := range a.data {
		of.s.Data = append(of.s.Data, float32(v))
	}
	for _, convention := range []string{"torchaudio", "kaldi"} { // alike in the first order
		s := extract(t, Deltas{Of: of, Order: 1, WinLength: 5, Convention: convention}, Clip{Rate: 16000})
		if s.Bins != 10 {
			t.Fatalf("%d bins, want the feature's 5 and as many slopes", s.Bins)
		}
		for i, v := range of.s.Data {
			if s.Data[i] != v {
				t.Fatalf("value %d of the feature is %v, was %v", i, s.Data[i], v)
			}
		}
		c.matches(t, "delta", 5, 17, wide(s.Data[5*17:]))
	}
}

// The second order of both conventions, against their definitions.
func TestDeltaDeltasAgainstDefinition(t *testing.T) {
	x := []float32{3, -1, 4, 1, -5, 9, 2, 6, -5, 3, 5}
	slopes := func(at func(i int) float64, t, n int) float64 {
		sum, squares := 0.0, 0.0
		for j := -n; j <= n; j++ {
			sum, squares = sum+float64(j)*at(t+j), squares+float64(j*j)
		}
		return sum / squares
	}
	ends := func(i int) int { return min(max(i, 0), len(x)-1) }
	plain := func(i int) float64 { return float64(x[ends(i)]) }
	for _, win := range []int{3, 5, 9} {
		want := map[string]func(i int) float64{
			// the slope of slopes that go on as the last of them does
			"torchaudio": func(i int) float64 {
				return slopes(func(j int) float64 { return slopes(plain, ends(j), win/2) }, i, win/2)
			},
			// the slope of slopes of values that go on as the last of them does
			"kaldi": func(i int) float64 { return slopes(func(j int) float64 { return slopes(plain, j, win/2) }, i, win/2) },
		}
		differ := false
		for convention, at := range want {
			s := extract(t, Deltas{Of: given{Spectrogram{1, len(x), x}}, Order: 2, WinLength: win, Convention: convention}, Clip{Rate: 16000})
			for i, v := range s.Row(2) {
				if math.Abs(float64(v)-at(i)) > 2e-6 {
					t.Errorf("%s, win_length %d: value %d is %v, want %v", convention, win, i, v, at(i))
				}
				differ = differ || math.Abs(at(i)-want["kaldi"](i)) > 1e-3
			}
		}
		if !differ {
			t.Error("the conventions are the same: the test proves nothing")
		}
	}
}

// Of a real feature, with Kaldi's window and order.
func TestDeltasOfKaldi(t *testing.T) {
	c := tone(440, 4000)
	mfcc := Features["kaldi_mfcc"]
	plain := extract(t, mfcc, c)
	s := extract(t, Deltas{Of: mfcc, Order: 2, WinLength: 5, Convention: "kaldi"}, c)
	if s.Bins != 39 || s.Frames != plain.Frames {
		t.Fatalf("shape (%d, %d)", s.Bins, s.Frames)
	}
	row := plain.Row(4)
	for i := 2; i+2 < len(row); i++ {
		want := (-2*row[i-2] - row[i-1] + row[i+1] + 2*row[i+2]) / 10
		if math.Abs(float64(s.Row(13 + 4)[i]-want)) > 1e-5 {
			t.Errorf("frame %d: %v, want %v", i, s.Row(13 + 4)[i], want)
		}
	}
}
