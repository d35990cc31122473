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
// that name already steps aside and is taken away; it must be a folder of files alone. On
// any error, write's own included, the folder aside is removed.
func WriteDir(path string, write func(dir string) error) (err error) {
	dir, err := asideDir(path)
	if err != nil {
		return Failed(path, err)
	}
	done := false
	defer func() { // also if write panics
		if !done {
			removeDir(dir)
		}
	}()
	if err := write(dir); err != nil {
		return Failed(path, err)
	}
	old := ""
	if _, err := os.Lstat(path); err == nil {
		if old, err = asideDir(path); err != nil {
			return Failed(path, err)
		}
		if err := errors.Join(Remove(old), Rename(path, old)); err != nil { // its name is free, for it was
			return Failed(path, err)
		}
	}
	if err := Rename(dir, path); err != nil {
		if old != "" {
			err = errors.Join(err, os.Rename(old, path))
		}
		return Failed(path, err)
	}
	done = true
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return Failed(path, err)
	}
	if old != "" {
		if err := removeDir(old); err != nil {
			return Failed(old, err)
		}
	}
	return nil
}

// asideDir makes an empty folder beside path. Of a killed writer's nobody can tell that
// it is not being written, so it stays.
func asideDir(path string) (string, error) {
	for i := range asides {
		dir := asideName(path, i)
		if err := allowed("mkdir", dir); err != nil {
			return "", err
		}
		if err := os.Mkdir(dir, 0o777); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
	return "", fmt.Errorf("%d unfinished folders like %s are in the way", asides, asideName(path, 0))
}

// removeDir takes away a folder of files.
func removeDir(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return Remove(dir)
}
