package augment

import (
	"fmt"
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// Mix adds another clip under this one, whose own level stays: powers add, so
// logarithms do not. (So do noise, music and babble in x-vectors, Snyder et al.
// 2018, there on waveforms.) The other clip is drawn from the training part by the
// view's generator; nothing is carried from one view to the next.
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

func (Mix) needsLog() bool { return true }

// Spec implements Spec.
func (a Mix) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	snr := float32(d.between(a.SNR)) * d.unit.perDB()
	o, at, err := d.second("mix", s)
	if err != nil {
		return err
	}
	m := d.memory()
	gain := m.level(s, 0, s.Frames, d.unit) - m.level(&o, 0, o.Frames, d.unit) - snr
	at.add(s, &o, gain, d.unit)
	return nil
}

// Mixup mixes another clip in, each with its own level: log((1-λ)·eˣ + λ·eʸ),
// the log-mixup-exp of BYOL-A (Niizumi et al. 2021, section III), there with λ
// uniform from 0 to 0.4. With ratio 1 and beta below 1 λ is that of the first
// mixup (Zhang et al. 2018). BYOL-A takes y from a memory of recent inputs; here
// it is any clip of the training part, so that a view depends on its address alone.
type Mixup struct {
	P     float64 `yaml:"p" doc:"probability"`
	Ratio float64 `yaml:"ratio" doc:"greatest share λ of the other clip's power"`
	Beta  float64 `yaml:"beta" doc:"λ is ratio times a draw from Beta(beta, beta): 1 is uniform, less prefers the ends, more the middle"`
}

// Doc implements Augmentation.
func (Mixup) Doc() string { return "another clip mixed in by a random share: log-mixup-exp" }

// Check implements Augmentation.
func (a Mixup) Check() error {
	return first(probability("mixup", a.P), in("mixup", "ratio", a.Ratio, 0, 1), in("mixup", "beta", a.Beta, 0.01, 100))
}

func (Mixup) needsLog() bool { return true }

// Spec implements Spec.
func (a Mixup) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	lambda := a.Ratio * d.beta(a.Beta)
	if lambda == 0 {
		return nil
	}
	o, at, err := d.second("mixup", s)
	if err != nil {
		return err
	}
	own, other := d.unit.shares(lambda)
	raise(s.Data, own)
	at.add(s, &o, other, d.unit)
	return nil
}

// MixBack mixes another clip in as a background (Fonseca et al. 2021, section
// 2.2, mix-back): as Mixup, but the other clip's part is first brought to the
// energy of this one, so that it is always weaker. There λ is uniform from 0 to
// 0.05.
type MixBack struct {
	P     float64 `yaml:"p" doc:"probability"`
	Ratio float64 `yaml:"ratio" doc:"greatest share λ of the background's power, the paper's alpha; drawn uniformly from 0 on"`
}

// Doc implements Augmentation.
func (MixBack) Doc() string { return "another clip as a background of matched energy" }

// Check implements Augmentation.
func (a MixBack) Check() error {
	return first(probability("mix_back", a.P), in("mix_back", "ratio", a.Ratio, 0, 1))
}

func (MixBack) needsLog() bool { return true }

// Spec implements Spec.
func (a MixBack) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	lambda := a.Ratio * d.Rand.Float64()
	if lambda == 0 {
		return nil
	}
	o, at, err := d.second("mix_back", s)
	if err != nil {
		return err
	}
	m := d.memory()
	own, other := d.unit.shares(lambda)
	other += m.level(s, 0, s.Frames, d.unit) - m.level(&o, at.other, at.n, d.unit)
	raise(s.Data, own)
	at.add(s, &o, other, d.unit)
	return nil
}

// shares are the logarithms of 1-λ and λ, each at least -120 dB.
func (u unit) shares(lambda float64) (own, other float32) {
	const least = 1e-12
	log := func(x float64) float32 { return float32(math.Log(max(x, least))) / u.nepers() }
	return log(1 - lambda), log(lambda)
}

// An overlap says which n frames of a spectrogram meet which of another.
type overlap struct{ from, other, n int }

// second draws another clip and where a random part of it meets a random part
// of s, as long as they overlap.
func (d Draw) second(name string, s *audio.Spectrogram) (o audio.Spectrogram, at overlap, err error) {
	if d.OtherSpec == nil {
		return o, at, fmt.Errorf("%s: %w", name, errNoOther)
	}
	if o, err = d.OtherSpec(); err != nil {
		return o, at, fmt.Errorf("%s: %w", name, err)
	}
	if o.Bins != s.Bins {
		return o, at, fmt.Errorf("%s: the other clip has %d bins, this one has %d", name, o.Bins, s.Bins)
	}
	at.n = min(s.Frames, o.Frames)
	at.from, at.other = d.Rand.IntN(s.Frames-at.n+1), d.Rand.IntN(o.Frames-at.n+1)
	return o, at, nil
}

// add adds the powers of o, raised by gain, where they meet.
func (p overlap) add(s, o *audio.Spectrogram, gain float32, u unit) {
	for b := range s.Bins {
		kernel.AddLog(s.Row(b)[p.from:p.from+p.n], o.Row(b)[p.other:p.other+p.n], gain, u.nepers())
	}
}

// levelFrames is how many frames of a long clip its level is measured at.
const levelFrames = 64

// level is the logarithm of the mean power of n frames from one on, over frames
// spread evenly: 64 to 127 of a long part's.
func (m *scratch) level(s *audio.Spectrogram, from, n int, u unit) float32 {
	step := max(1, n/levelFrames)
	x := s.Data
	if step > 1 || n < s.Frames {
		count := (n + step - 1) / step
		x = m.floats(s.Bins * count)
		for b := range s.Bins {
			row, part := s.Row(b)[from:from+n], x[b*count:(b+1)*count]
			for i := range part {
				part[i] = row[i*step]
			}
		}
	}
	k, top := u.nepers(), kernel.Max(x)
	sum := kernel.SumExp(x, top, k) // at least 1
	return top + float32(math.Log(float64(sum)/float64(len(x))))/k
}
