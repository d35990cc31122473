package audio

import (
	"context"
	"errors"
)

// A Store is one file of spectrograms, one for each clip of a corpus, in the
// corpus's order. It is safe for several goroutines.
type Store struct{}

// Stats tell what a build did.
type Stats struct {
	Clips  int     // in the corpus
	Made   int     // computed now
	Reused int     // taken from the store that was there, or from an interrupted build
	Shared int     // clips that equal an earlier one, and share its entry
	Bytes  int64   // of the store
	Audio  float64 // seconds of sound that were computed now
}

// OpenStore maps a store.
func OpenStore(path string) (*Store, error) { return nil, errors.New("not yet") }

// Close gives the mapping back; no method may be called after it.
func (s *Store) Close() error { return nil }

// Len is the number of clips.
func (s *Store) Len() int { return 0 }

// Entry is the shape of clip i.
func (s *Store) Entry(i int) (bins, frames int) { return 0, 0 }

// Load copies the spectrogram of clip i.
func (s *Store) Load(i int, dst *Spectrogram) error { return errors.New("not yet") }

// Settings are those the features were computed with, as JSON: feature, its
// options and the sample rate.
func (s *Store) Settings() string { return "" }

// Check sees that the store holds exactly a corpus's clips, in order, with a
// feature at a rate; the error says what differs.
func (s *Store) Check(c *Corpus, feature FeatureOptions, rate int) error { return nil }

// Moments are the mean and the standard deviation of features, over all
// values and for each bin.
type Moments struct {
	Mean, Std       float64
	BinMean, BinStd []float64 // (bins)
}

// MeanStd computes the moments over some clips, in the order given.
func (s *Store) MeanStd(clips []int) (Moments, error) { return Moments{}, errors.New("not yet") }

// Build makes the store at path hold the features of a corpus.
func Build(ctx context.Context, path string, c *Corpus, feature FeatureOptions, rate, workers int, progress func(done, total int)) (*Store, Stats, error) {
	return nil, Stats{}, errors.New("not yet")
}
