package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
)

// backgrounds are the recordings that a config's augmentations lay under its
// clips. What is given depends on the generator alone: that some are kept in
// memory only saves time.
type backgrounds struct {
	rate int
	of   map[string]*background // by the manifest's name in the config

	mu   sync.Mutex
	room int // for so many more samples
}

type background struct {
	from *audio.Originals
	kept []audio.Clip // by item; without samples where not read yet, or not kept
}

// backgroundRoom is how many samples of backgrounds are kept: 64 MiB.
const backgroundRoom = 1 << 24

// manifests are those of the augmentations that lay backgrounds under a clip.
func (c *Config) manifests() (names []string) {
	for _, a := range only[augment.Background](c.Augment) {
		names = append(names, a.Manifest)
	}
	return names
}

// withManifests is the chain with each background's manifest changed.
func (c *Config) withManifests(change func(string) string) []augment.Augmentation {
	if len(c.manifests()) == 0 {
		return c.Augment
	}
	changed := append([]augment.Augmentation(nil), c.Augment...)
	for i, a := range changed {
		if b, ok := a.(augment.Background); ok {
			b.Manifest = change(b.Manifest)
			changed[i] = b
		}
	}
	return changed
}

// openBackgrounds looks into every recording of the config's backgrounds.
func (d *data) openBackgrounds(ctx context.Context) error {
	d.background = &backgrounds{rate: d.c.SampleRate, of: map[string]*background{}, room: backgroundRoom}
	h, names := sha256.New(), d.c.manifests()
	for _, name := range names {
		if d.background.of[name] == nil {
			from, err := d.backgroundOf(ctx, name)
			if err != nil {
				return fmt.Errorf("background: %w", err)
			}
			d.background.of[name] = &background{from: from, kept: make([]audio.Clip, from.Len())}
		}
		fmt.Fprintf(h, "%s\n", d.background.of[name].from.Hash())
	}
	if len(names) > 0 {
		d.heard = hex.EncodeToString(h.Sum(nil))
	}
	return nil
}

func (d *data) backgroundOf(ctx context.Context, name string) (*audio.Originals, error) {
	path := name
	if !isBuiltin(name) {
		path = d.c.resolve(name)
	}
	corpus, err := openCorpus(d.c.over(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Data, "give its path in the augmentation's manifest:, relative to the config file", "there is no manifest %s", path)
	} else if err != nil {
		return nil, err
	}
	from, err := corpus.Originals(ctx, d.c.Workers)
	if err != nil {
		return nil, err
	}
	// Test clips would be heard: a promise is that they never are.
	if mine, theirs := from.Shared(d.from); mine != "" {
		return nil, fault.New(fault.Data, "take it out of the background's manifest; wave_mix is what mixes in the corpus's own training clips",
			"%s: %s is a recording of the corpus, too: %s", corpus.Path, mine, theirs)
	}
	return from, nil
}

// clip gives a recording of a manifest, chosen with r.
func (b *backgrounds) clip(manifest string, r *rand.Rand) (audio.Clip, error) {
	from := b.of[manifest]
	i := r.IntN(len(from.kept))
	b.mu.Lock()
	c := from.kept[i]
	b.mu.Unlock()
	if c.Samples != nil {
		return c, nil
	}
	c, err := from.from.Clip(i, b.rate)
	if err != nil {
		return c, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if from.kept[i].Samples == nil && len(c.Samples) <= b.room {
		from.kept[i] = c
		b.room -= len(c.Samples)
	}
	return c, nil
}
