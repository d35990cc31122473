//go:build unix

package audio

import (
	"os"

	"golang.org/x/sys/unix"
)

// A view is a file in memory.
type view struct{ data []byte }

func openView(f *os.File, size int64) (view, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	return view{data}, err
}

// bytes are n bytes at an offset, good until close.
func (v view) bytes(offset, n int64) ([]byte, error) {
	return v.data[offset : offset+n : offset+n], nil
}

func (v view) close() error { return unix.Munmap(v.data) }

// lock keeps other processes from writing the same file until it is closed.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
