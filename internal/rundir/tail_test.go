package rundir

import (
	"os"
	"path/filepath"
	"testing"

	"clr/internal/disk"
	"clr/internal/fault"
)

// Lines are given once each, when they are whole, and all again where the log is
// not the one that was read.
func TestTail(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, MetricsFile)
	tail := TailLog(dir)
	more := func(what string, anew bool, want ...int) {
		t.Helper()
		lines, again, err := tail.More()
		if err != nil || again != anew || len(lines) != len(want) {
			t.Fatalf("%s: %v, anew %v, %v", what, lines, again, err)
		}
		for i, l := range lines {
			if l.Step != want[i] {
				t.Errorf("%s: step %d, want %d", what, l.Step, want[i])
			}
		}
	}
	add := func(s string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(s)
		f.Close()
	}
	more("no file", false)
	add(line("0") + line("1")[:9])
	more("a line and a half", false, 0)
	more("nothing new", false)
	add(line("1")[9:] + line("2"))
	more("the other half", false, 1, 2)
	if err := disk.WriteBytes(path, []byte(line("0")+line("1")+line("2")+line("3"))); err != nil { // as a resumed run does
		t.Fatal(err)
	}
	more("another file", true, 0, 1, 2, 3)
	if err := os.Truncate(path, int64(len(line("0")))); err != nil {
		t.Fatal(err)
	}
	more("cut back", true, 0)
	add(line("0"))
	if _, _, err := tail.More(); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("a step twice: %v", err)
	}
	os.Remove(path)
	os.Mkdir(path, 0o777)
	if _, _, err := TailLog(dir).More(); fault.KindOf(err) != fault.Data {
		t.Errorf("a folder: %v", err)
	}
	if lines, _, err := TailHealth(dir).More(); lines != nil || err != nil {
		t.Errorf("%v, %v", lines, err)
	}
}
