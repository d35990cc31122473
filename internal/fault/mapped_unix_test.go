//go:build unix

package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What was cut off is an error where a Guard is, with the words of who mapped
// it; elsewhere a bad address is a mistake in the program.
func TestMapped(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := os.Getpagesize()
	if err := f.Truncate(int64(3 * page)); err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, 3*page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	forget := Mapped(data, func(offset int) error { return New(Data, "mend it", "byte %d", offset) })
	if err := f.Truncate(int64(page)); err != nil {
		t.Fatal(err)
	}
	read := func(at int) func() error {
		return func() error {
			if data[at] != 0 {
				return errors.New("not zero")
			}
			return nil
		}
	}
	for _, at := range []int{0, page - 1, page, 2*page + 7} {
		err := Guard(read(at))
		if at < page && err != nil || at >= page && (KindOf(err) != Data || Remedy(err) != "mend it" || err.Error() != fmt.Sprint("byte ", at)) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	if debug.SetPanicOnFault(false) {
		t.Error("a Guard leaves its goroutine with panics on faults")
	}
	debug.SetPanicOnFault(true)
	Guard(func() error { return Guard(read(page)) })
	if !debug.SetPanicOnFault(false) {
		t.Error("a Guard takes panics on faults away")
	}
	forget()
	var p *Panic
	if err := Guard(read(page)); KindOf(err) != Run || !errors.As(err, &p) || !strings.Contains(string(p.Stack), "mapped_unix_test.go") {
		t.Errorf("nobody's memory: %v", err)
	}
}
