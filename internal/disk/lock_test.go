package disk

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"clr/internal/fault"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.lock")
	put(t, path, []byte(`{"pid": 1, "host": "elsewhere"}`)) // of one who was killed
	l, err := TryLock(path, "the run")
	if err != nil {
		t.Fatal(err)
	}
	var h Holder
	if err := json.Unmarshal(read(t, path), &h); err != nil || h.PID != os.Getpid() || time.Since(h.Since) > time.Hour {
		t.Errorf("%+v, %v", h, err)
	}
	_, err = TryLock(path, "the run")
	host, _ := os.Hostname()
	if !errors.Is(err, ErrLocked) || fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" ||
		!strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), host) || !strings.Contains(err.Error(), "the run") {
		t.Errorf("a second holder: %v", err)
	}
	l.Release()
	if _, err := os.Stat(path); err == nil {
		t.Error("a lock that was given up leaves its file")
	}
	l, err = TryLock(path, "the run")
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	(*Lock)(nil).Release()
	if _, err := TryLock(filepath.Join(path, "no", "folder"), "x"); fault.KindOf(err) != fault.Usage {
		t.Errorf("nowhere: %v", err)
	}
}

// A file that many take, remove and give up is held by one at a time, whoever opened it
// before it was removed.
func TestOpenLocked(t *testing.T) {
	if !locks {
		t.Skip("files cannot be locked here")
	}
	path := filepath.Join(t.TempDir(), "f")
	var holders atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				f, err := OpenLocked(path, os.O_RDWR|os.O_CREATE)
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the file", n)
				}
				runtime.Gosched()
				holders.Add(-1)
				if err := Remove(path); err != nil {
					t.Error(err)
				}
				f.Close()
			}
		})
	}
	wg.Wait()
}

// A lock, or a file aside, that is a link to another file is not written through.
func TestLinksAreNotFollowed(t *testing.T) {
	if !locks {
		t.Skip("links are not told apart here")
	}
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	put(t, precious, []byte("keep"))
	for _, name := range []string{"run.lock", ".x.aside-0"} {
		if err := os.Symlink(precious, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := TryLock(filepath.Join(dir, "run.lock"), "the run"); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
	if err := WriteFile(filepath.Join(dir, "x"), func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Error(err)
	}
	if got := string(read(t, precious)); got != "keep" {
		t.Errorf("the file behind the links holds %q", got)
	}
}

// Where the system locks no files, the file's word counts.
func TestLockWithoutFlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	host, _ := os.Hostname()
	for _, c := range []struct {
		text  string
		alive bool
		taken bool
	}{
		{``, true, false},
		{`nonsense`, true, false},
		{`{"pid": 7, "host": "` + host + `"}`, true, true},
		{`{"pid": 7, "host": "` + host + `"}`, false, false},
		{`{"pid": 7, "host": "elsewhere"}`, false, true},
	} {
		put(t, path, []byte(c.text))
		f, err := OpenFile(path, os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.take(func(int) bool { return c.alive }); errors.Is(err, ErrLocked) != c.taken {
			t.Errorf("%q, alive %v: %v", c.text, c.alive, err)
		}
		f.Close()
	}
}

// What Intercept forbids is not done, and a write half.
func TestIntercept(t *testing.T) {
	dir := t.TempDir()
	x, y := filepath.Join(dir, "x"), filepath.Join(dir, "y")
	put(t, x, []byte("old"))
	no := errors.New("no")
	var seen []string
	restore := Intercept(func(c Change) error {
		seen = append(seen, c.Kind)
		if c.Path == y || c.Kind == "sync" {
			return no
		}
		return nil
	})
	f, err := OpenFile(x, os.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"create": func() error { _, err := OpenFile(y, os.O_CREATE|os.O_WRONLY); return err }(),
		"rename": Rename(x, y), "link": Link(x, y), "remove": Remove(y), "mkdir": func() error { _, err := MkdirAll(y); return err }(), "sync": f.Sync(), "folder": SyncDir(dir),
	} {
		if !errors.Is(err, no) {
			t.Errorf("%s: %v", what, err)
		}
	}
	restore()
	again := Intercept(func(c Change) error { return no })
	n, err := f.Write([]byte("newest"))
	if n != 3 || !errors.Is(err, no) || f.Truncate(0) == nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	again()
	f.Close()
	if got := string(read(t, x)); got != "new" {
		t.Errorf("the file holds %q", got)
	}
	if list := names(t, dir); len(list) != 1 || len(seen) != 7 {
		t.Errorf("folder %v, changes %v", list, seen)
	}
}

// Who holds a lock can be asked without taking it.
func TestHolderOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, ok := HolderOf(path); ok {
		t.Error("a lock that is not there is held")
	}
	l, err := TryLock(path, "it")
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := HolderOf(path); !ok || h.PID != os.Getpid() {
		t.Errorf("%+v, %v", h, ok)
	}
	l.Release()
	host, _ := os.Hostname()
	for text, want := range map[string]bool{
		"": false, "{}": false, `{"pid": 1`: false, `{"pid": 2147483647, "host": "` + host + `"}`: !locks, `{"pid": 2147483647, "host": "elsewhere.` + host + `"}`: true,
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, ok := HolderOf(path); ok != want {
			t.Errorf("%q: held %v, want %v", text, ok, want)
		}
	}
}
