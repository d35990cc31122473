package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// A unit is what the values of a spectrogram are, as view.unit has it.
type unit string

const (
	ln    unit = "ln"
	log10 unit = "log10"
	db    unit = "db"
)

// perDB is how many units one dB is: ln10/10 in natural log, since 10·log10(x)
// dB is ln(x).
func (u unit) perDB() float32 {
	switch u {
	case db:
		return 1
	case log10:
		return 0.1
	}
	return math.Ln10 / 10
}

// nepers is how many natural-log units one unit is.
func (u unit) nepers() float32 {
	switch u {
	case db:
		return math.Ln10 / 10
	case log10:
		return math.Ln10
	}
	return 1
}

// maxDB bounds all options in dB: more than that is a slip of the hand.
const maxDB = 120

// Gain makes everything louder or softer: one constant on all logarithms (CLMR,
// Spijkervet & Burgoyne 2021, there on waveforms).
type Gain struct {
	P  float64 `yaml:"p" doc:"probability"`
	DB float64 `yaml:"db" doc:"the level moves by up to ± this; dB"`
}

// Doc implements Augmentation.
func (Gain) Doc() string { return "louder or softer" }

// Check implements Augmentation.
func (a Gain) Check() error { return first(probability("gain", a.P), in("gain", "db", a.DB, 0, maxDB)) }

func (Gain) needsLog() bool { return true }

// Spec implements Spec.
func (a Gain) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	g := float32(d.around(a.DB)) * d.unit.perDB()
	raise(s.Data, g)
	return nil
}

// EQ adds a smooth random curve over frequency, as another microphone, place
// or room would (FilterAugment, Nam et al. 2022, whose bands have random edges
// and are joined by straight lines).
type EQ struct {
	P      float64 `yaml:"p" doc:"probability"`
	DB     float64 `yaml:"db" doc:"standard deviation of the curve where it is drawn; dB"`
	Points int     `yaml:"points" doc:"how many points the curve is drawn at, evenly over the bins; more make it less smooth"`
}

// Doc implements Augmentation.
func (EQ) Doc() string { return "smooth random curve over frequency: another microphone or room" }

// Check implements Augmentation.
func (a EQ) Check() error {
	return first(probability("eq", a.P), in("eq", "db", a.DB, 0, maxDB), in("eq", "points", float64(a.Points), 2, 64))
}

func (EQ) needsLog() bool { return true }

// Spec implements Spec.
func (a EQ) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	scale := float32(a.DB) * d.unit.perDB()
	points := d.memory().floats(a.Points)
	for i := range points {
		points[i] = scale * float32(d.Rand.NormFloat64())
	}
	for b := range s.Bins {
		// Between two points the curve is half a cosine: smooth, and never
		// beyond what was drawn.
		at := float64(b) / float64(max(s.Bins-1, 1)) * float64(a.Points-1)
		i := min(int(at), a.Points-2)
		t := float32(1-math.Cos(math.Pi*(at-float64(i)))) / 2
		raise(s.Row(b), points[i]+t*(points[i+1]-points[i]))
	}
	return nil
}

// Fader changes the level in a line over the window (the random linear fader of
// BYOL-A v2, Niizumi et al. 2023). Its gain of 1 in natural logarithms is 4.34 dB.
type Fader struct {
	P  float64 `yaml:"p" doc:"probability"`
	DB float64 `yaml:"db" doc:"the gains at both ends are up to ± this; dB"`
}

// Doc implements Augmentation.
func (Fader) Doc() string { return "fade in or out, in a line over the window" }

// Check implements Augmentation.
func (a Fader) Check() error {
	return first(probability("fader", a.P), in("fader", "db", a.DB, 0, maxDB))
}

func (Fader) needsLog() bool { return true }

// Spec implements Spec.
func (a Fader) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	head := float32(d.around(a.DB)) * d.unit.perDB()
	tail := float32(d.around(a.DB)) * d.unit.perDB()
	step := (tail - head) / float32(max(s.Frames-1, 1))
	line := d.memory().floats(s.Frames)
	for t := range line {
		line[t] = head + step*float32(t)
	}
	for b := range s.Bins {
		kernel.Blend(s.Row(b), s.Row(b), line, 1, 1)
	}
	return nil
}
