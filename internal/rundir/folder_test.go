package rundir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
)

// A folder that was made for a run which is then refused goes; one that was
// there, or holds a run, stays.
func TestOpenAndClose(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b")
	f, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); !errors.Is(err, disk.ErrLocked) || fault.KindOf(err) != fault.Resource || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v", err)
	}
	f.Close()
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folders are left: %v", err)
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if f, err = Open(path, nil); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if list, err := os.ReadDir(path); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if f, err = Open(filepath.Join(path, "run"), nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Describe(Provenance{Seed: 3}, []byte("seed: 3\n")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if !Holds(f.Path) {
		t.Error("the run is gone")
	}
	put(t, filepath.Join(dir, "file"), nil)
	if _, err := Open(filepath.Join(dir, "file", "run"), nil); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("a file as a folder: %v", err)
	}
}

// run.json holds what decides the bytes, hashed, and beside it who worked on
// the run and when; a killed session has no end.
func TestSessions(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { now = now.Add(time.Minute); return now }
	p := Provenance{Environment: Environment{Version: "v1", Binary: "b", Go: "go", CPU: "cpu"}, Config: "c", Corpus: "d", Store: "s", Seed: 7}
	for i, end := range []error{nil, fault.New(fault.Interrupted, "", "interrupted; a line\nand another"), errors.New("killed")} {
		f, err := Open(dir, clock)
		if err != nil {
			t.Fatal(err)
		}
		p.Version = []string{"v1", "v2", "v3"}[i]
		if err := f.Describe(p, []byte("seed: 7\n")); err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			if err := f.End(end); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	got, sessions, err := Read(dir)
	if err != nil || got != p || len(sessions) != 3 {
		t.Fatalf("%+v, %+v, %v", got, sessions, err)
	}
	for i, want := range []string{"done", "interrupted; a line", ""} {
		s := sessions[i]
		if s.Outcome != want || (s.End == nil) != (want == "") || s.PID != os.Getpid() || s.Version != []string{"v1", "v2", "v3"}[i] {
			t.Errorf("session %d: %+v", i, s)
		}
	}
	q := p
	if q.Seed++; q.Hash() == p.Hash() {
		t.Error("two seeds, one hash")
	}
	if d := p.Environment.Differs(p.Environment); len(d) != 0 {
		t.Errorf("differs from itself: %v", d)
	}
	if d := p.Environment.Differs(Environment{Version: "v3", Binary: "b", Go: "go2", CPU: "other"}); len(d) != 2 || d[0] != "cpu_path: cpu then, other now" {
		t.Errorf("%v", d)
	}
	// A run whose run.json cannot be read is not described anew.
	put(t, filepath.Join(dir, ProvenanceFile), []byte("{"))
	f, err := Open(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Describe(p, nil); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestHere(t *testing.T) {
	e, err := Here()
	if err != nil || len(e.Binary) != 64 || !strings.Contains(e.CPU, "/") || e.Go == "" || e.Version == "" {
		t.Errorf("%+v, %v", e, err)
	}
}

// Two folds never share a folder, and no fold leaves the run's.
func TestFoldDir(t *testing.T) {
	for fold, want := range map[string]string{
		"": "run", "1": "run/fold-1", "theo+lucas": "run/fold-theo+lucas", "a/b": "run/fold-a%2Fb", "a_b": "run/fold-a_b",
		"a%2Fb": "run/fold-a%252Fb", "..": "run/fold-..", `c:\x`: "run/fold-c%3A%5Cx", "new\nroom 1": "run/fold-new%0Aroom%201", "Küche": "run/fold-Küche",
	} {
		if got := filepath.ToSlash(FoldDir("run", fold)); got != want {
			t.Errorf("fold %q: %s, want %s", fold, got, want)
		}
	}
}
