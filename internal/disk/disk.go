// Package disk changes files so that a crash leaves each of them whole, as it
// was or as it should be, and keeps two processes from writing the same. All of
// clr's lasting files go through it, so that tests can make any change fail,
// or the process die there (see Intercept).
package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"clr/internal/fault"
)

// A Change is something about to be done to the disk.
type Change struct {
	Kind string // create, write, truncate, sync, rename, link, remove or mkdir
	Path string
}

var interceptor atomic.Pointer[func(Change) error]

// Intercept has f asked before each change, from whichever goroutine; where it
// gives an error, the change is not made and fails with it. Of a write that
// fails half is done, as on a disk that runs full. It is for tests: if f fails
// each change from one on, what is on disk is what kill -9 there would leave.
func Intercept(f func(Change) error) (restore func()) {
	old := interceptor.Swap(&f)
	return func() { interceptor.Store(old) }
}

func allowed(kind, path string) error {
	f := interceptor.Load()
	if f == nil {
		return nil
	}
	if err := (*f)(Change{kind, path}); err != nil {
		return &fs.PathError{Op: kind, Path: path, Err: err}
	}
	return nil
}

// A File is one that is written.
type File struct{ f *os.File }

// Regular refuses, as a Usage error, a pipe or a device where a file belongs: its end
// may never come, and it cannot be gone back in. What is not there, or is a folder, is
// told by whoever opens it.
func Regular(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return fault.New(fault.Usage, "name another place, or remove it", "%s is not a regular file", path)
	}
	return nil
}

// OpenFile opens a file for writing, with os's flags.
func OpenFile(path string, flag int) (*File, error) {
	if flag&os.O_CREATE != 0 {
		if err := allowed("create", path); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, flag, 0o666)
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

func (f *File) Write(b []byte) (int, error) {
	if err := allowed("write", f.f.Name()); err != nil {
		n, _ := f.f.Write(b[:len(b)/2])
		return n, err
	}
	return f.f.Write(b)
}

func (f *File) WriteAt(b []byte, at int64) (int, error) {
	if err := allowed("write", f.f.Name()); err != nil {
		n, _ := f.f.WriteAt(b[:len(b)/2], at)
		return n, err
	}
	return f.f.WriteAt(b, at)
}

func (f *File) Truncate(size int64) error {
	if err := allowed("truncate", f.f.Name()); err != nil {
		return err
	}
	return f.f.Truncate(size)
}

// Sync returns once what was written would outlive a power cut.
func (f *File) Sync() error {
	if err := allowed("sync", f.f.Name()); err != nil {
		return err
	}
	return f.f.Sync()
}

func (f *File) ReadAt(b []byte, at int64) (int, error)       { return f.f.ReadAt(b, at) }
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.f.Seek(offset, whence) }
func (f *File) Stat() (fs.FileInfo, error)                   { return f.f.Stat() }
func (f *File) Name() string                                 { return f.f.Name() }
func (f *File) Close() error                                 { return f.f.Close() }

// Rename gives a file another name, in place of what has it.
func Rename(from, to string) error {
	if err := allowed("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Link gives a file a second name, which must be free.
func Link(from, to string) error {
	if err := allowed("link", to); err != nil {
		return err
	}
	return os.Link(from, to)
}

// Remove takes a file's name away.
func Remove(path string) error {
	if err := allowed("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

// MkdirAll makes a folder, and those above it, where there are none, so that
// they outlive a power cut. It gives those that were missing, the innermost
// first.
func MkdirAll(path string) (made []string, err error) {
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) || p == filepath.Dir(p) {
			break
		}
		made = append(made, p)
	}
	if len(made) > 0 {
		if err := allowed("mkdir", path); err != nil {
			return made, err
		}
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return made, err
	}
	for _, p := range made {
		if err := SyncDir(filepath.Dir(p)); err != nil {
			return made, err
		}
	}
	return made, nil
}

// SyncDir makes renames in a folder outlive a power cut. Some network file
// systems cannot sync folders and say EINVAL or ENOTSUP; nothing can be done
// there.
func SyncDir(dir string) error {
	if err := allowed("sync", dir); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Failed says what kind of failure it is that path cannot be written.
func Failed(path string, err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return fmt.Errorf("writing %s: %w", path, err) // it knows its kind and remedy
	case fault.KindOf(err) == fault.Resource:
		return fault.New(fault.Resource, fault.Remedy(err), "writing %s: %w", path, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR),
		errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EROFS):
		return fault.New(fault.Usage, "name a folder that exists and that you may write to", "writing %s: %w", path, err)
	}
	return fault.New(fault.Run, "", "writing %s: %w", path, err)
}

// Hash is the SHA-256 of a file, in hexadecimal.
func Hash(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
