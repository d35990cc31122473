package pipeline

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"clr/internal/disk"
	"clr/internal/fault"
)

// Replaceable refuses to let what --out names take the place of anything but an
// earlier result of the same kind, which is known by its first bytes: of a
// recording, a config, a checkpoint. It is asked before the work, not after.
func Replaceable(out, kind string, earlier func(head []byte) bool) error {
	info, err := os.Stat(out)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(out)); err != nil {
			return disk.Failed(out, err)
		}
		return nil
	}
	if err != nil {
		return fault.New(fault.Usage, "name a file with --out", "--out: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Usage, "name a file with --out", "%s is not a regular file", out)
	}
	f, err := os.Open(out)
	if err != nil {
		return fault.New(fault.Usage, "name another file with --out", "--out: %w", err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 1<<20)) // of a network's safetensors the header is less
	if err != nil {
		return fault.New(fault.Usage, "name another file with --out", "--out: %w", err)
	}
	if len(head) > 0 && !earlier(head) {
		return fault.New(fault.Usage, "name another file with --out, or remove this one if nobody needs it", "%s is there, and is no earlier %s", out, kind)
	}
	return nil
}
