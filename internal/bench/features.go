package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"clr/internal/audio"
)

// A FeatureSpeed is what Features found, by feature.
type FeatureSpeed struct {
	Bench      string        `json:"bench"` // features
	SampleRate int           `json:"sample_rate"`
	ClipS      float64       `json:"clip_s"` // length of the clip that is worked on
	Features   []FeatureRate `json:"features"`
	Machine
}

// A FeatureRate is the speed of one feature with its defaults.
type FeatureRate struct {
	Name       string  `json:"name"`
	Bins       int     `json:"bins"`
	Frames     int     `json:"frames"`
	OneThread  float64 `json:"audio_s_per_s_one_thread"` // seconds of audio a second
	AllThreads float64 `json:"audio_s_per_s"`
}

const (
	featureRate   = 16000 // Hz
	featureClip   = 5.0   // seconds, ESC-50's
	featureRounds = 3
	featureTime   = 40 * time.Millisecond // of a round, at least
)

// Features times every feature, with its defaults, on synthetic sound: tones
// that glide, and noise.
func Features(ctx context.Context, watch func() Machine) (*FeatureSpeed, error) {
	on := watch()
	r := &FeatureSpeed{Bench: "features", SampleRate: featureRate, ClipS: featureClip, Machine: on}
	clip := audio.Clip{Rate: featureRate, Samples: sound()}
	for _, name := range slices.Sorted(maps.Keys(audio.Features)) {
		o := audio.Features[name]
		f, err := o.New(featureRate)
		if err != nil {
			return nil, err
		}
		bins, frames := f.Shape(len(clip.Samples))
		row := FeatureRate{Name: name, Bins: bins, Frames: frames}
		if row.OneThread, err = featureSpeed(ctx, o, clip, 1); err != nil {
			return nil, err
		}
		if row.AllThreads, err = featureSpeed(ctx, o, clip, runtime.GOMAXPROCS(0)); err != nil {
			return nil, err
		}
		r.Features = append(r.Features, row)
	}
	return r, nil
}

// featureSpeed is in seconds of audio a second.
func featureSpeed(ctx context.Context, o audio.FeatureOptions, clip audio.Clip, threads int) (float64, error) {
	w, err := newExtractor(o, threads, func() (audio.Clip, error) { return clip, nil })
	if err != nil {
		return 0, err
	}
	return w.rate(ctx, featureTime)
}

// sound is a clip of three gliding tones in noise.
func sound() []float32 {
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, int(featureRate*featureClip))
	for i := range x {
		t := float64(i) / featureRate
		v := 0.05 * r.NormFloat64()
		for k := range 3 {
			f := 300 * float64(k+1)
			v += 0.2 * math.Sin(2*math.Pi*(f*t+100*t*t))
		}
		x[i] = float32(v)
	}
	return x
}

// Write shows a report for a person.
func (r *FeatureSpeed) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "seconds of audio a second (%d Hz, clips of %g s)\n%-14s%14s%14s\n", r.SampleRate, r.ClipS, "", "one thread", "all threads"); err != nil {
		return err
	}
	for _, f := range r.Features {
		if _, err := fmt.Fprintf(w, "%-14s%14.0f%14.0f   %d × %d\n", f.Name, f.OneThread, f.AllThreads, f.Bins, f.Frames); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.Machine)
	return err
}
