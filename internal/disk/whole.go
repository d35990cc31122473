package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"clr/internal/fault"
)

// WriteFile makes path hold exactly what write writes, or leaves it as it was:
// the bytes go to a file aside in the same folder, which is synced and renamed
// over path, and the folder is synced. On any error, write's own included, the
// file aside is removed. A full disk stays recognisable by errors.Is. A device, a
// pipe or a folder at path is refused: the rename would take a device's place.
func WriteFile(path string, write func(io.Writer) error) error {
	return Replace(path, write, func() error { return nil })
}

// WriteBytes is WriteFile of what is in memory.
func WriteBytes(path string, b []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Replace is WriteFile with a moment for ready, between the new file being
// safe aside and its taking the place of the old.
func Replace(path string, write func(io.Writer) error, ready func() error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fault.New(fault.Usage, "name a file", "writing %s: it is not a regular file", path)
	}
	f, err := aside(path)
	if err != nil {
		return Failed(path, err)
	}
	done := false
	defer func() { // also if write panics
		if !done {
			Remove(f.Name()) // while it is locked: then it is nobody else's
			f.Close()
		}
	}()
	b := bufio.NewWriterSize(f, 1<<18)
	put := func() error { return Rename(f.Name(), path) }
	steps := []func() error{func() error { return write(b) }, b.Flush, f.Sync, ready, put, f.Close}
	if !locks { // nor can such systems rename an open file
		steps = []func() error{func() error { return write(b) }, b.Flush, f.Sync, f.Close, ready, put}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Failed(path, err)
		}
	}
	done = true
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return Failed(path, err)
	}
	return nil
}

// asides bounds the unfinished files that one path may have: those of writers
// at the same time. They are numbered, not random, so that equal runs do equal
// things.
const asides = 1000

func asideName(path string, i int) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.aside-%d", filepath.Base(path), i))
}

// aside makes a file beside path that nobody else is writing, or takes one that
// a killed writer has left. A writer locks its own until it has its place.
func aside(path string) (*File, error) {
	for i := range asides {
		f, err := OpenFile(asideName(path, i), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		made := err == nil
		if errors.Is(err, fs.ErrExist) {
			f, err = OpenFile(asideName(path, i), os.O_WRONLY|noFollow)
			if err != nil { // a link, or taken away since
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		switch mine, err := f.own(made); {
		case err != nil:
			f.Close()
			return nil, err
		case mine:
			return f, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("%d unfinished files like %s are in the way", asides, asideName(path, 0))
}

// own locks a file aside and empties it, unless it is another's. Also one that
// was just made may be: between its making and its locking another writer may
// have taken it, written it and given it its place.
func (f *File) own(made bool) (bool, error) {
	err := f.flock()
	if err != nil && !(made && errors.Is(err, errNoLocks)) { // where files cannot be locked, nobody takes one that is there
		return false, nil
	}
	if !current(f) {
		return false, nil
	}
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return err == nil, err
	}
	return true, f.Truncate(0)
}

// Keep gives the file at path a second name, whatever that named before, so
// that it never goes missing; where the file system has no hard links it is
// renamed, and for a moment only the new name is there.
func Keep(path, as string) error {
	link := asideName(as, 0)
	if err := Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if Link(path, link) != nil {
		return Rename(path, as)
	}
	if err := Rename(link, as); err != nil {
		Remove(link)
		return err
	}
	return nil
}
