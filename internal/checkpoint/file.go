package checkpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"clr/internal/fault"
)

// WriteFile makes path hold exactly what write writes, or leaves it as it was:
// the bytes go to a file aside in the same folder, which is synced and renamed
// over path, and the folder is synced. On any error, write's own included, the
// file aside is removed. A full disk stays recognisable by errors.Is.
func WriteFile(path string, write func(io.Writer) error) error {
	return replace(path, write, func() error { return nil })
}

// replace is WriteFile with a moment for ready, between the new file being
// safe aside and its taking the place of the old.
func replace(path string, write func(io.Writer) error, ready func() error) (err error) {
	f, err := aside(path)
	if err != nil {
		return unwritable(path, err)
	}
	done := false
	defer func() { // also if write panics
		if !done {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 1<<18)
	if err := write(b); err != nil {
		return unwritable(path, err)
	}
	if err := b.Flush(); err != nil {
		return unwritable(path, err)
	}
	if err := f.Sync(); err != nil {
		return unwritable(path, err)
	}
	if err := f.Close(); err != nil {
		return unwritable(path, err)
	}
	if err := ready(); err != nil {
		return unwritable(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return unwritable(path, err)
	}
	done = true
	if err := syncDir(filepath.Dir(path)); err != nil {
		return unwritable(path, err)
	}
	return nil
}

// asides bounds the files left behind by killed writers that one path may
// have. They are numbered, not random, so that equal runs do equal things.
const asides = 1000

func asideName(path string, i int) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.aside-%d", filepath.Base(path), i))
}

// aside creates a file beside path that nobody else is writing.
func aside(path string) (*os.File, error) {
	for i := range asides {
		f, err := os.OpenFile(asideName(path, i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%d unfinished files like %s are in the way", asides, asideName(path, 0))
}

// syncDir makes a rename in dir survive a power cut. Some network file systems
// cannot sync folders and say EINVAL or ENOTSUP; nothing can be done there.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

func unwritable(path string, err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return fmt.Errorf("writing %s: %w", path, err) // it knows its kind and remedy
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.Resource, fault.Remedy(err), "writing %s: %w", path, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EROFS):
		return fault.New(fault.Usage, "name a folder that exists and that you may write to", "writing %s: %w", path, err)
	}
	return fault.New(fault.Run, "", "writing %s: %w", path, err)
}
