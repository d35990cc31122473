//go:build unix

package layout

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"clr/internal/fault"
)

// A pipe or a folder in the place of a list is not waited for.
func TestListsAreFiles(t *testing.T) {
	for _, l := range lists {
		root := corpus(t, l.files)
		name := filepath.Join(root, filepath.FromSlash(l.name))
		os.Remove(name) // some have it among their files
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		for want, put := range map[string]func() error{
			"this is not a regular file":   func() error { return syscall.Mkfifo(name, 0o666) },
			"this is a folder, not a file": func() error { return os.Mkdir(name, 0o777) },
		} {
			if err := put(); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(t.Context(), l.layout, root, l.o); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), name+": "+want) {
				t.Errorf("%s: %v, want %s", l.name, err, want)
			}
			os.Remove(name)
		}
	}
}
