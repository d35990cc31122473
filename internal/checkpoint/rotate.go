package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"clr/internal/fault"
)

// The two checkpoints that a run folder keeps. The older is there for the day
// when the newer turns out to be damaged.
const (
	Last     = "last.safetensors"
	Previous = "last-1.safetensors"
)

// SaveRotating saves c as dir/last.safetensors and keeps what stood there as
// dir/last-1.safetensors, unless that is damaged: a damaged file never takes
// the place of a good one. Whenever the process is killed, one of the two is
// whole. The folder must have one writer; what killed ones left is removed.
func SaveRotating(dir string, c *Checkpoint) error {
	last, previous := filepath.Join(dir, Last), filepath.Join(dir, Previous)
	for i := range asides {
		if os.Remove(asideName(last, i)) != nil {
			break
		}
	}
	tensors, meta := c.sealed()
	write := func(w io.Writer) error { return writeSealed(w, tensors, meta) }
	return replace(last, write, func() error {
		if verify(last) != nil {
			return nil // missing, or not worth keeping
		}
		return keep(last, previous)
	})
}

// keep gives last a second name, so that it never goes missing; where the file
// system has no hard links it is renamed, and for a moment only previous is
// there.
func keep(last, previous string) error {
	link := asideName(previous, 0)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(last, link) != nil {
		return os.Rename(last, previous)
	}
	if err := os.Rename(link, previous); err != nil {
		os.Remove(link)
		return err
	}
	return nil
}

// LoadNewest loads dir/last.safetensors or, where that is missing or damaged,
// dir/last-1.safetensors; the warning then says so and is empty otherwise. A
// folder that holds neither satisfies errors.Is(err, fs.ErrNotExist).
func LoadNewest(dir string) (c *Checkpoint, warning string, err error) {
	c, err = Load(filepath.Join(dir, Last))
	if err == nil || !errors.Is(err, errDamaged) && !errors.Is(err, fs.ErrNotExist) {
		return c, "", err
	}
	older, olderErr := Load(filepath.Join(dir, Previous))
	switch {
	case olderErr == nil:
		return older, fmt.Sprintf("%v; going on from %s", err, filepath.Join(dir, Previous)), nil
	case errors.Is(olderErr, fs.ErrNotExist):
		return nil, "", err
	}
	return nil, "", fault.New(fault.KindOf(olderErr), "start the run anew in another folder", "neither checkpoint can be used: %w; %w", err, olderErr)
}
