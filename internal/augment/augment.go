// Package augment draws random views of a clip. Every draw comes from a
// generator addressed by (seed, epoch, clip, view), so views do not depend on
// who makes them or in which order.
package augment

import (
	"math/rand/v2"

	"clr/internal/audio"
)

// A Draw is what an augmentation may take its choices from.
type Draw struct {
	Rand *rand.Rand
	// Other loads a second clip of the training part, chosen with Rand, for
	// augmentations that mix; the same kind of thing as is being augmented.
	// nil where there is none.
	OtherSpec func(dst *audio.Spectrogram) error
	OtherWave func(dst *audio.Clip) error
}

// An Augmentation is a random change with its options. It is a Wave or a Spec.
type Augmentation interface {
	Doc() string // one line for clr list
	Check() error
}

// A Wave changes a clip's samples in place.
type Wave interface {
	Augmentation
	Wave(c *audio.Clip, d Draw) error
}

// A Spec changes a spectrogram in place; it may resize it.
type Spec interface {
	Augmentation
	Spec(s *audio.Spectrogram, d Draw) error
}
