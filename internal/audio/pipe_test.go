//go:build unix

package audio

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"clr/internal/fault"
)

// A pipe in the place of a manifest or a recording is not waited for.
func TestPipes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe.csv")
	if err := syscall.Mkfifo(name, 0o666); err != nil {
		t.Skip(err)
	}
	_, manifest := ReadCorpus(Host(), name)
	_, recording := ReadClip(name, 8000, 0, 0)
	for _, err := range []error{manifest, recording} {
		if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), name+": this is not a regular file") {
			t.Errorf("%v", err)
		}
	}
}
