package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"clr/internal/fault"
)

// previous is where the checkpoint before the one at path is kept, for the day
// when that turns out to be damaged: last-1.safetensors beside
// last.safetensors.
func previous(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-1" + ext
}

// SaveRotating saves c as dir/name, such as last.safetensors, and keeps what
// stood there as last-1.safetensors, unless that is damaged: a damaged file
// never takes the place of a good one. Whenever the process is killed, one of
// the two is whole. The name must have one writer; what killed ones left is
// removed.
func SaveRotating(dir, name string, c *Checkpoint) error {
	last := filepath.Join(dir, name)
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
		return keep(last, previous(last))
	})
}

// keep gives last a second name, older, so that it never goes missing; where
// the file system has no hard links it is renamed, and for a moment only older
// is there.
func keep(last, older string) error {
	link := asideName(older, 0)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(last, link) != nil {
		return os.Rename(last, older)
	}
	if err := os.Rename(link, older); err != nil {
		os.Remove(link)
		return err
	}
	return nil
}

// LoadNewest loads dir/name or, where that is missing or damaged, the one
// before; the warning then says so and is empty otherwise. A folder that holds
// neither satisfies errors.Is(err, fs.ErrNotExist).
func LoadNewest(dir, name string) (c *Checkpoint, warning string, err error) {
	last := filepath.Join(dir, name)
	c, err = Load(last)
	if err == nil || !errors.Is(err, errDamaged) && !errors.Is(err, fs.ErrNotExist) {
		return c, "", err
	}
	older, olderErr := Load(previous(last))
	switch {
	case olderErr == nil:
		return older, fmt.Sprintf("%v; going on from %s", err, previous(last)), nil
	case errors.Is(olderErr, fs.ErrNotExist):
		return nil, "", err
	}
	return nil, "", fault.New(fault.KindOf(olderErr), "start the run anew in another folder", "neither checkpoint can be used: %w; %w", err, olderErr)
}
