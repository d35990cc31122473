package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"clr/internal/fault"
)

// names lists a folder, hidden files included.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	for _, text := range []string{"first", "second, which is longer", ""} {
		if err := WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			t.Fatal(err)
		}
		if got := string(read(t, path)); got != text {
			t.Errorf("file holds %q, want %q", got, text)
		}
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("folder holds %v", list)
	}
}

// A writer that fails, by error or by panic, changes nothing and leaves nothing.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	put(t, path, []byte("old"))
	disk := func(w io.Writer) error { // as a full disk says it, through os
		io.WriteString(w, "half")
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
		}
		defer full.Close()
		_, err = full.WriteString("more")
		return err
	}
	err := WriteFile(path, disk)
	if !errors.Is(err, syscall.ENOSPC) || fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" {
		t.Errorf("full disk: %v, kind %v", err, fault.KindOf(err))
	}
	mine := fault.New(fault.Diverged, "lower lr", "loss is NaN")
	if err := WriteFile(path, func(io.Writer) error { return mine }); !errors.Is(err, mine) || fault.KindOf(err) != fault.Diverged || fault.Remedy(err) != "lower lr" {
		t.Errorf("the writer's own error came back as %v", err)
	}
	func() {
		defer func() { recover() }()
		WriteFile(path, func(io.Writer) error { panic("oh") })
	}()
	if got := string(read(t, path)); got != "old" {
		t.Errorf("file holds %q", got)
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("folder holds %v", list)
	}
}

func TestWriteFileNowhere(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	put(t, plain, nil)
	paths := map[string]string{
		"no folder":      filepath.Join(dir, "missing", "x"),
		"file as folder": filepath.Join(plain, "x"),
	}
	if os.Getuid() != 0 { // root may write anywhere
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o555); err != nil {
			t.Fatal(err)
		}
		paths["read-only folder"] = filepath.Join(closed, "x")
	}
	for what, path := range paths {
		err := WriteFile(path, func(io.Writer) error { return nil })
		if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, kind %v", what, err, fault.KindOf(err))
		}
	}
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	special := []string{folder}
	if runtime.GOOS != "windows" { // a rename would take a socket's place, and a device's
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		special = append(special, l.Addr().String())
	}
	for _, path := range special {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		err = WriteFile(path, func(io.Writer) error { return nil })
		if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, kind %v", err, fault.KindOf(err))
		}
		if after, err := os.Stat(path); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s was replaced", path)
		}
	}
	for _, n := range names(t, dir) {
		if strings.Contains(n, "aside") {
			t.Errorf("%s was left behind", n)
		}
	}
}

// A writer killed half-way leaves a file aside. The next one takes it, unless
// somebody is writing it; it never ends up under the name.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "last.safetensors")
	write := func(text string, more func()) {
		t.Helper()
		if err := WriteFile(path, func(w io.Writer) error { more(); _, err := io.WriteString(w, text); return err }); err != nil {
			t.Fatal(err)
		}
		if got := string(read(t, path)); got != text {
			t.Errorf("file holds %q", got)
		}
	}
	put(t, asideName(path, 0), []byte("half a check, and longer than that"))
	write("whole", func() {})
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
	write("outer", func() { write("inner", func() {}) }) // two at a time
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
}

func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	var wg sync.WaitGroup
	no := errors.New("no")
	for i := range 16 {
		wg.Go(func() {
			text := bytes.Repeat([]byte{byte('a' + i)}, 100_000)
			err := WriteFile(path, func(w io.Writer) error {
				if _, err := w.Write(text); err != nil || i%2 == 0 {
					return err
				}
				return no
			})
			if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, no) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b := read(t, path)
	if len(b) != 100_000 || bytes.Count(b, b[:1]) != len(b) {
		t.Error("the file is a mixture")
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("folder holds %v", list)
	}
}

// The order is what a power cut asks for: all bytes on disk before the name
// changes hands, and the folder after it.
func TestWriteFileOrder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	put(t, path, []byte("old"))
	var order []string
	restore := Intercept(func(c Change) error {
		name, err := filepath.Rel(dir, c.Path)
		if err != nil {
			t.Error(err)
		}
		order = append(order, c.Kind+" "+name)
		if c.Kind == "rename" && string(read(t, filepath.Join(dir, ".x.aside-0"))) != "new" {
			t.Error("the name changes hands too early")
		}
		return nil
	})
	defer restore()
	if err := WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	want := []string{"create .x.aside-0", "write .x.aside-0", "sync .x.aside-0", "rename x", "sync ."}
	if !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}
