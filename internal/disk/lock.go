package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"clr/internal/fault"
)

// A Lock is a file that one process at a time holds, and that says which. It
// ends with the process, however that ends.
type Lock struct{ f *File }

// A Holder is who holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("another process writes it")

// errNoLocks says that files cannot be locked here.
var errNoLocks = errors.New("files cannot be locked here")

// Lock takes the file, until it is closed or the process ends, unless another
// process has: then the error is ErrLocked. It does not wait.
func (f *File) Lock() error {
	err := f.flock()
	if errors.Is(err, errNoLocks) {
		return f.take(alive)
	}
	return err
}

// TryLock takes the lock at path. Where somebody has it the error, of kind
// Resource, says who; it satisfies errors.Is(err, ErrLocked). A lock whose
// holder has died is free.
func TryLock(path, what string) (*Lock, error) {
	f, err := OpenLocked(path, os.O_RDWR|os.O_CREATE|noFollow)
	if errors.Is(err, ErrLocked) {
		h, _ := HolderOf(path)
		return nil, fault.New(fault.Resource, "wait until it is done, or end it; if it was killed, its lock is free",
			"%s: %w: %s (%s)", what, err, h, path)
	}
	if err != nil {
		return nil, Failed(path, err)
	}
	l := &Lock{f}
	if err := l.sign(); err != nil {
		l.Release()
		return nil, Failed(path, err)
	}
	return l, nil
}

// OpenLocked opens a regular file as OpenFile does, and takes it as Lock does: the file that
// has the name then, for its last holder may just have removed the one that was opened.
func OpenLocked(path string, flag int) (*File, error) {
	for {
		if err := Regular(path); err != nil {
			return nil, err
		}
		f, err := OpenFile(path, flag)
		if err != nil {
			return nil, err
		}
		if err = f.Lock(); err == nil && current(f) {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// sign writes who holds the lock.
func (l *Lock) sign() error {
	host, _ := os.Hostname()
	b, err := json.Marshal(Holder{os.Getpid(), host, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err = l.f.WriteAt(append(b, '\n'), 0)
	return err
}

// Release gives the lock up and removes its file; nil holds nothing.
func (l *Lock) Release() {
	if l != nil {
		Remove(l.f.Name())
		l.f.Close()
	}
}

// HolderOf is who holds the lock at path, as its file says; not ok: nobody, for
// there is no file, or its process has ended. It takes no lock, so that whoever
// looks is in nobody's way; of a process of another machine it believes the file.
func HolderOf(path string) (h Holder, ok bool) {
	if Regular(path) != nil { // it would never be opened
		return Holder{}, false
	}
	f, err := os.Open(path)
	if err != nil {
		return Holder{}, false
	}
	defer f.Close()
	if h = holder(f); h.PID == 0 {
		return Holder{}, false
	}
	host, _ := os.Hostname()
	return h, h.Host != host || alive(h.PID)
}

func holder(f io.ReaderAt) Holder {
	var h Holder
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<12))
	if err != nil || json.Unmarshal(b, &h) != nil {
		return Holder{}
	}
	return h
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "it did not say who it is"
	}
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
}

// current says whether f is still the file under its name.
func current(f *File) bool {
	mine, err1 := f.Stat()
	named, err2 := os.Stat(f.Name())
	return err1 == nil && err2 == nil && os.SameFile(mine, named)
}

// take is the lock of systems that have none for files, or not for these: the
// file's own word, which does not tell a holder on another machine who died
// from one who lives.
func (f *File) take(alive func(pid int) bool) error {
	h := holder(f)
	host, _ := os.Hostname()
	if mine := h.Host == host && h.PID == os.Getpid(); h.PID != 0 && !mine && (h.Host != host || alive(h.PID)) { // mine is of a process that had my number, as in a container
		return fmt.Errorf("%w; remove the file if that process has ended", ErrLocked)
	}
	return nil
}
