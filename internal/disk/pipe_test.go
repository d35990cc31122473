//go:build unix

package disk

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"clr/internal/fault"
)

// A pipe is no file: whoever wants to write or lock it is refused at once, and it has
// no holder.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Skip(err)
	}
	for what, do := range map[string]func() error{
		"regular": func() error { return Regular(path) },
		"locked":  func() error { _, err := OpenLocked(path, os.O_RDWR|os.O_CREATE); return err },
		"lock":    func() error { _, err := TryLock(path, "it"); return err },
		"replace": func() error { return WriteBytes(path, nil) },
	} {
		if err := do(); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if h, ok := HolderOf(path); ok {
		t.Errorf("%v holds it", h)
	}
}
