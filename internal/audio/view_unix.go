//go:build unix

package audio

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"clr/internal/fault"
)

// A view is a file in memory.
type view struct {
	file   *os.File
	data   []byte
	forget func()
}

// openView maps a file, which then is the view's. why says of an offset that it
// cannot be read.
func openView(f *os.File, size int64, why func(offset int) error) (view, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return view{}, err
	}
	return view{f, data, fault.Mapped(data, why)}, nil
}

// bytes are n bytes at an offset, good until close; to be read under a Guard.
func (v view) bytes(offset, n int64) ([]byte, error) {
	return v.data[offset : offset+n : offset+n], nil
}

func (v view) close() error {
	v.forget()
	return errors.Join(unix.Munmap(v.data), v.file.Close())
}
