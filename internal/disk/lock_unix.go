//go:build unix

package disk

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// locks says that files can be locked, on most file systems.
const locks = true

// noFollow keeps a file that is to be written over from being a link to another.
const noFollow = unix.O_NOFOLLOW

// flock keeps the file from other processes that ask, until it is closed or the
// process ends. It does not wait.
func (f *File) flock() error {
	for {
		err := unix.Flock(int(f.f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
			return errNoLocks // some network file systems
		}
		return err
	}
}

// alive says whether a process of this machine is there.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
