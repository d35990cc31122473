package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
)

// Older is the name of the checkpoint that is so many saves older than the one
// of a name: last-1.safetensors, last-2.safetensors, ... beside last.safetensors.
func Older(name string, saves int) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + strconv.Itoa(saves) + ext
}

// Rotate saves c as dir/name, such as last.safetensors, and keeps as many of
// those before it that there are keep in all (see Older), for the day when the
// newest turns out to be damaged. A damaged one is not kept: it never takes the
// place of a good one. Whenever the process is killed, the newest or the one
// before it is whole. The name must have one writer.
func Rotate(dir, name string, keep int, c *Checkpoint) error {
	last := filepath.Join(dir, name)
	tensors, meta := c.sealed()
	write := func(w io.Writer) error { return writeSealed(w, tensors, meta) }
	err := disk.Replace(last, write, func() error {
		if keep < 2 || verify(last) != nil || same(last, Older(last, 1)) {
			return nil // missing, not worth keeping, or kept by a save that died after that
		}
		free := 1 // the first name that nobody has; those before it make room
		for free < keep-1 && exists(Older(last, free)) {
			free++
		}
		for i := free; i > 1; i-- {
			if err := disk.Rename(Older(last, i-1), Older(last, i)); err != nil {
				return err
			}
		}
		return disk.Keep(last, Older(last, 1))
	})
	if err != nil {
		return err
	}
	for _, i := range elders(last) { // a larger keep has left them; until now one might have been the only good one
		if i >= keep {
			disk.Remove(Older(last, i))
		}
	}
	return nil
}

// elders are how many saves older than last those are that are there, the newest
// first. A kill, or a person, may have left gaps between them.
func elders(last string) (all []int) {
	entries, err := os.ReadDir(filepath.Dir(last))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		ext := filepath.Ext(last)
		name, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), ext), strings.TrimSuffix(filepath.Base(last), ext)+"-")
		if i, err := strconv.Atoi(name); ok && err == nil && i > 0 && e.Name() == filepath.Base(Older(last, i)) {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return all
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// LoadNewest loads dir/name or, where that is missing or damaged, the newest
// before it that is good; the warning then says so and is empty otherwise. A
// folder that holds none satisfies errors.Is(err, fs.ErrNotExist).
func LoadNewest(dir, name string) (c *Checkpoint, warning string, err error) {
	last := filepath.Join(dir, name)
	path := last
	c, err = Load(path)
	wrong := []error{err}
	if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
		for _, i := range elders(last) {
			path = Older(last, i)
			c, err = Load(path)
			if wrong = append(wrong, err); err == nil || !errors.Is(err, errDamaged) {
				break
			}
		}
	}
	switch {
	case err == nil && len(wrong) == 1:
		return c, "", nil
	case err == nil:
		return c, fmt.Sprintf("%v; going on from %s", errors.Join(wrong[:len(wrong)-1]...), path), nil
	case len(wrong) == 1:
		return nil, "", wrong[0]
	}
	return nil, "", fault.New(fault.KindOf(wrong[1]), "start the run anew in another folder", "no checkpoint can be used: %v", errors.Join(wrong...)) // not %w: there is one, so nobody may think there is none
}
