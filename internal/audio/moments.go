package audio

import (
	"math"

	"clr/internal/fault"
)

// Moments are the mean and the (population) standard deviation of features,
// over all values of a channel and for each bin.
type Moments struct {
	Mean, Std       []float64 // (channels)
	BinMean, BinStd []float64 // (bins of all channels)
}

// A tally is a count, a mean and a sum of squared differences from it.
type tally struct{ n, mean, squares float64 }

// add joins two tallies (Chan, Golub, LeVeque 1979): no cancellation, however
// far the values lie from 0.
func (t *tally) add(u tally) {
	if u.n == 0 {
		return
	}
	n := t.n + u.n
	d := u.mean - t.mean
	t.mean += d * u.n / n
	t.squares += u.squares + d*d*t.n*u.n/n
	t.n = n
}

func (t tally) std() float64 { return math.Sqrt(t.squares / t.n) }

func tallyOf(x []float32) tally {
	t := tally{n: float64(len(x))}
	for _, v := range x {
		t.mean += float64(v)
	}
	t.mean /= t.n
	for _, v := range x {
		d := float64(v) - t.mean
		t.squares += d * d
	}
	return t
}

// MeanStd computes the moments of so many channels over some clips, usually those
// trained on, in float64 and in the order given, so that equal calls give equal bytes.
func (s *Store) MeanStd(clips []int, channels int) (m Moments, err error) {
	err = fault.Guard(func() error {
		if m, err = s.moments(clips, channels); err != nil {
			return err
		}
		return s.Unchanged()
	})
	return m, err
}

func (s *Store) moments(clips []int, channels int) (Moments, error) {
	if len(clips) == 0 {
		return Moments{}, fault.New(fault.Data, "see that the manifest's split leaves some clips to train on", "there are no clips to take mean and deviation of")
	}
	bins, _ := s.Entry(clips[0])
	rows := make([]tally, bins)
	for _, i := range clips {
		spec, err := s.Spectrogram(i)
		if err != nil {
			return Moments{}, err
		}
		if spec.Bins != bins {
			return Moments{}, s.damaged("clip %s has %d bins, clip %s has %d", s.Path(i), spec.Bins, s.Path(clips[0]), bins)
		}
		for b := range rows {
			rows[b].add(tallyOf(spec.Row(b)))
		}
	}
	all := make([]tally, channels)
	m := Moments{Mean: make([]float64, channels), Std: make([]float64, channels), BinMean: make([]float64, bins), BinStd: make([]float64, bins)}
	for b, t := range rows {
		m.BinMean[b], m.BinStd[b] = t.mean, t.std()
		all[b*channels/bins].add(t)
	}
	for c, t := range all {
		m.Mean[c], m.Std[c] = t.mean, t.std()
	}
	return m, nil
}
