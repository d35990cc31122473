package augment

import (
	"fmt"
	"math"

	"clr/internal/audio"
)

// Mix adds another clip under this one: powers add, so logarithms do not.
type Mix struct {
	P   float64    `yaml:"p" doc:"probability"`
	SNR [2]float64 `yaml:"snr" doc:"how far the mean power of the other clip lies below this one's; dB"`
}

// Doc implements Augmentation.
func (Mix) Doc() string { return "another clip of the training part under this one" }

// Check implements Augmentation.
func (a Mix) Check() error {
	return first(probability("mix", a.P), span("mix", "snr", a.SNR, -maxDB, maxDB))
}

// Spec implements Spec.
func (a Mix) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	if d.OtherSpec == nil {
		return fmt.Errorf("mix: %w", errNoOther)
	}
	snr := float32(d.between(a.SNR)) * d.unit.perDB()
	o := &d.memory().other
	if err := d.OtherSpec(o); err != nil {
		return fmt.Errorf("mix: %w", err)
	}
	if o.Bins != s.Bins {
		return fmt.Errorf("mix: the other clip has %d bins, this one has %d", o.Bins, s.Bins)
	}
	// Random parts of both, as long as they overlap.
	n := min(s.Frames, o.Frames)
	from, other := d.Rand.IntN(s.Frames-n+1), d.Rand.IntN(o.Frames-n+1)
	gain := level(s, d.unit) - level(o, d.unit) - snr
	k := d.unit.nepers()
	for b := range s.Bins {
		logAdd(s.Row(b)[from:from+n], o.Row(b)[other:other+n], gain, k)
	}
	return nil
}

// NoiseFloor adds white noise, weaker than the clip: each cell's power is drawn
// from the exponential distribution, as that of noise is in one FFT bin.
type NoiseFloor struct {
	P  float64    `yaml:"p" doc:"probability"`
	DB [2]float64 `yaml:"db" doc:"how far the noise lies below the loudest cell; dB"`
}

// Doc implements Augmentation.
func (NoiseFloor) Doc() string { return "white noise in the gaps" }

// Check implements Augmentation.
func (a NoiseFloor) Check() error {
	return first(probability("noise_floor", a.P), span("noise_floor", "db", a.DB, 0, maxDB))
}

// Spec implements Spec.
func (a NoiseFloor) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	down := float32(d.between(a.DB)) * d.unit.perDB()
	top := loudest(s.Data)
	k := d.unit.nepers()
	back := 1 / k
	noise := d.memory().floats(s.Frames)
	for b := range s.Bins {
		for t := 0; t < len(noise); {
			for bits, n := d.Rand.Uint64(), 0; n < 8 && t < len(noise); n, t = n+1, t+1 {
				noise[t] = tables.exponential[bits&255] * back
				bits >>= 8
			}
		}
		logAdd(s.Row(b), noise, top-down, k)
	}
	return nil
}

// logAdd makes x the sum of the powers x and y+gain, all logarithms, where one
// unit is k natural-log units. With d = |x-y|, ln(eˣ+eʸ) is
// max(x,y) + ln(1+e⁻ᵈ), and the last term comes from a table: exact to 8e-6,
// ten times faster. Nothing here branches, since no branch could be foreseen.
func logAdd(x, y []float32, gain, k float32) {
	y = y[:len(x)]
	scale, back := k*addSteps, 1/k
	for i, a := range x {
		b := y[i] + gain
		hi := max(a, b)
		at := min((hi-min(a, b))*scale, addRange*addSteps)
		n := int(at)
		t := at - float32(n)
		x[i] = hi + back*((1-t)*tables.add[n]+t*tables.add[n+1])
	}
}

const (
	addSteps = 64 // of the table, per natural-log unit
	addRange = 16 // beyond it, ln(1+e⁻ᵈ) is below 1.2e-7: nothing in float32
)

// tables never change once they are made.
var tables = makeTables()

type tabulated struct {
	add         [addRange*addSteps + 2]float32 // ln(1+e⁻ᵈ), d = i/addSteps; 0 at the end of the range and beyond
	exponential [256]float32                   // ln of the middle of each 256th of an exponential distribution, mean 1
}

func makeTables() *tabulated {
	t := new(tabulated)
	for i := range addRange * addSteps {
		t.add[i] = float32(math.Log1p(math.Exp(-float64(i) / addSteps)))
	}
	for i := range t.exponential {
		t.exponential[i] = float32(math.Log(-math.Log1p(-(float64(i) + 0.5) / 256)))
	}
	return t
}

// loudest is the largest value. The comparison, unlike max, almost always goes
// one way, and costs nothing then.
func loudest(x []float32) float32 {
	top := x[0]
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	return top
}

// levelFrames is how many frames of a long clip its level is measured at.
const levelFrames = 64

// level is the logarithm of the mean power, over at most levelFrames frames
// spread evenly.
func level(s *audio.Spectrogram, u unit) float32 {
	step := max(1, s.Frames/levelFrames)
	top := loudest(s.Data)
	k := u.nepers()
	sum, n := float32(0), 0
	for b := range s.Bins {
		row := s.Row(b)
		part := float32(0)
		for t := 0; t < len(row); t += step {
			part += expNegative((row[t] - top) * k)
			n++
		}
		sum += part
	}
	// sum is at least about 1/step of a cell's 1, unless the top was skipped.
	return top + float32(math.Log(float64(max(sum, 1e-6)/float32(n))))/k
}

// expNegative is eˣ for x ≤ 0, to 4e-6 of its value, and 0 below e⁻⁸⁰: 2ⁿ from
// the bits of the float, the rest from a polynomial.
func expNegative(x float32) float32 {
	if x < -80 {
		return 0
	}
	y := x * math.Log2E
	n := int32(y - 0.5) // the nearest integer, since int32 cuts toward zero
	f := y - float32(n)
	p := 1 + f*(0.6931471806+f*(0.2402265070+f*(0.0555041087+f*(0.0096181291+f*0.0013333558))))
	return p * math.Float32frombits(uint32(n+127)<<23)
}
