// Package checkpoint keeps a run on disk, so that what was finished survives
// whatever happens next: files are written aside and renamed, checkpoints are
// safetensors that any tool can open, and every byte of them is covered by a
// checksum that is checked before anything is believed.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// A Checkpoint is named arrays and what is known about them. Equal checkpoints
// are equal bytes on disk. Keys of Meta may not start with "crc32c", which is
// where the checksums stand.
type Checkpoint struct {
	Meta   map[string]string
	Arrays map[string]kernel.Array
}

// Save writes c to path, whole or not at all (see disk.WriteFile), with a checksum
// of each array and of the header. A full disk is recognised by errors.Is.
func Save(path string, c *Checkpoint) error {
	tensors, meta := c.sealed()
	return disk.WriteFile(path, func(w io.Writer) error { return writeSealed(w, tensors, meta) })
}

// sealed lists c's arrays by name and its metadata with a checksum of each.
func (c *Checkpoint) sealed() ([]Tensor, map[string]string) {
	meta := make(map[string]string, len(c.Meta)+len(c.Arrays)+1)
	for k, v := range c.Meta {
		if strings.HasPrefix(k, sumPrefix) {
			panic("checkpoint: the metadata key " + k + " is reserved for checksums")
		}
		meta[k] = v
	}
	tensors, buf := make([]Tensor, 0, len(c.Arrays)), make([]byte, chunk)
	for _, name := range slices.Sorted(maps.Keys(c.Arrays)) {
		a := c.Arrays[name]
		t := Tensor{Name: name, Shape: a.Shape, F32: a.Data}
		if t.F32 == nil {
			t.F32 = []float32{}
		}
		tensors = append(tensors, t)
		meta[sumPrefix+":"+name] = t.sum(buf)
	}
	return tensors, meta
}

// Load reads a checkpoint that Save wrote. Sizes are checked against the file
// before memory is taken, and every checksum before anything is returned. A
// file that is truncated, changed or not a checkpoint of clr gives a
// fault.Data error that names the file and what is wrong with it; one that is
// not there satisfies errors.Is(err, fs.ErrNotExist).
func Load(path string) (*Checkpoint, error) {
	tensors, meta, err := load(path, true)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Meta: map[string]string{}, Arrays: make(map[string]kernel.Array, len(tensors))}
	for k, v := range meta {
		if !strings.HasPrefix(k, sumPrefix) {
			c.Meta[k] = v
		}
	}
	for _, t := range tensors {
		c.Arrays[t.Name] = kernel.Array{Shape: t.Shape, Data: t.F32}
	}
	return c, nil
}

// Restore copies c's arrays into those of state, which are live. The two must
// have the same names and shapes; if not, nothing is copied, and the error
// names the first that differs.
func (c *Checkpoint) Restore(state map[string]kernel.Array) error {
	differs := func(format string, args ...any) error {
		return fault.New(fault.Data, "resume with the config that the checkpoint was written under", "the checkpoint does not fit this run: "+format, args...)
	}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		from, ok := c.Arrays[name]
		if !ok {
			return differs("it has no %s", name)
		}
		if !slices.Equal(from.Shape, state[name].Shape) {
			return differs("its %s has shape %v, the run's has %v", name, from.Shape, state[name].Shape)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Arrays)) {
		if _, ok := state[name]; !ok {
			return differs("the run has no %s", name)
		}
	}
	for name, to := range state {
		copy(to.Data, c.Arrays[name].Data)
	}
	return nil
}

// remedyDamaged is what a person can do about a file that cannot be believed.
const remedyDamaged = "use an earlier checkpoint of the run, or copy the file again from where it came from"

// errDamaged marks the errors of files that were read but cannot be believed.
var errDamaged = errors.New("not usable")

func damaged(path, format string, args ...any) error {
	return fault.New(fault.Data, remedyDamaged, "%s: %w: %w", path, errDamaged, fmt.Errorf(format, args...))
}

func unreadable(path string, err error) error {
	remedy := "see that the file may be read"
	if errors.Is(err, fs.ErrNotExist) {
		remedy = "check the path; a run writes its first checkpoint after its first steps"
	}
	return fault.New(fault.Data, remedy, "reading a checkpoint: %w", err)
}
