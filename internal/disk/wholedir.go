package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteDir makes path a folder of exactly the files that write makes in a folder aside,
// or leaves it as it was: the folder aside gets path's name once it is whole. What has
// that name already, a folder of files alone, takes the other's in the same moment and is
// taken away. On any error, write's own included, the folder aside is removed.
func WriteDir(path string, write func(dir string) error) error {
	aside, err := asideDir(path)
	if err != nil {
		return Failed(path, err)
	}
	defer aside.Close()
	dir, done := aside.Name(), false
	defer func() { // also if write panics
		if !done {
			emptied(dir)
			Remove(dir)
		}
	}()
	if err := write(dir); err != nil {
		return Failed(path, err)
	}
	if err := SyncDir(dir); err != nil {
		return Failed(path, err)
	}
	old, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = Rename(dir, path)
	case err == nil:
		defer old.Close()
		if err = (&File{old}).flock(); err == nil || errors.Is(err, errNoLocks) { // so that nobody takes it for a killed writer's
			err = exchange(dir, path)
		}
	}
	if err != nil {
		return Failed(path, err)
	}
	done = true
	if err := SyncDir(filepath.Dir(path)); err != nil || old == nil {
		return asFailed(path, err)
	}
	return asFailed(dir, errors.Join(emptied(dir), Remove(dir)))
}

func asFailed(path string, err error) error {
	if err == nil {
		return nil
	}
	return Failed(path, err)
}

// exchange gives two folders each other's names.
func exchange(a, b string) error {
	if err := allowed("rename", b); err != nil {
		return err
	}
	if err := swap(a, b); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	spare := a + ".old" // for a moment nothing has b's name
	if err := os.Rename(b, spare); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(spare, b))
	}
	return os.Rename(spare, a)
}

// asideDir makes an empty folder beside path that nobody else is writing, or takes one
// that a killed writer has left. A writer locks its own.
func asideDir(path string) (*File, error) {
	for i := range asides {
		dir := asideName(path, i)
		if err := allowed("mkdir", dir); err != nil {
			return nil, err
		}
		err := os.Mkdir(dir, 0o777)
		made := err == nil
		if !made && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue
		}
		f, err := os.Open(dir)
		if err != nil {
			continue // taken away since
		}
		switch err := (&File{f}).flock(); {
		case made && errors.Is(err, errNoLocks):
			return &File{f}, nil // where folders cannot be locked, nobody takes one that is there
		case err == nil && current(&File{f}):
			if err := emptied(dir); err != nil {
				f.Close()
				return nil, err
			}
			return &File{f}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("%d unfinished folders like %s are in the way", asides, asideName(path, 0))
}

// emptied takes away the files of a folder.
func emptied(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}
