package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A folder is what it was or what it should be, whatever change of the disk fails, and
// nothing is left beside it by who was not killed.
func TestWriteDir(t *testing.T) {
	write := func(text string) func(string) error {
		return func(dir string) error {
			for _, name := range []string{"a", "b"} {
				if err := WriteBytes(filepath.Join(dir, name), []byte(text)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	is := func(path, text string) bool {
		a, err := os.ReadFile(filepath.Join(path, "a"))
		b, err2 := os.ReadFile(filepath.Join(path, "b"))
		return err == nil && err2 == nil && string(a) == text && string(b) == text
	}
	for _, old := range []bool{false, true} {
		for fails := 0; ; fails++ {
			root := t.TempDir()
			path := filepath.Join(root, "out")
			if old {
				if err := WriteDir(path, write("old")); err != nil || !is(path, "old") {
					t.Fatalf("%v", err)
				}
			}
			n, broken := 0, errors.New("broken")
			restore := Intercept(func(c Change) error {
				if n++; n == fails+1 { // this change alone
					return broken
				}
				return nil
			})
			err := WriteDir(path, write("new"))
			restore()
			if err == nil {
				if !is(path, "new") || !slices.Equal(names(t, root), []string{"out"}) {
					t.Errorf("there is %v", names(t, root))
				}
				if fails < 8 {
					t.Errorf("only %d changes could fail", fails)
				}
				break
			}
			if !errors.Is(err, broken) {
				t.Fatal(err)
			}
			_, missing := os.Stat(path)
			if was := old && is(path, "old") || !old && missing != nil; !was && !is(path, "new") {
				t.Errorf("change %d fails, with an old folder %v: %v, %v", fails, old, names(t, root), err)
			}
		}
	}
	root := t.TempDir()
	path := filepath.Join(root, "out")

	// of a killed writer the next one takes what is left, and not of one that lives
	for _, left := range []string{".out.aside-0", ".out.aside-1"} {
		if err := os.Mkdir(filepath.Join(root, left), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, left, "half"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	alive, err := os.Open(filepath.Join(root, ".out.aside-0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&File{alive}).flock(); err != nil {
		t.Skip(err)
	}
	if err := WriteDir(path, write("new")); err != nil || !is(path, "new") || !slices.Equal(names(t, root), []string{".out.aside-0", "out"}) || len(names(t, path)) != 2 {
		t.Errorf("%v: there are %v", err, names(t, root))
	}
	alive.Close()
	if err := WriteDir(path, write("newer")); err != nil || !is(path, "newer") || !slices.Equal(names(t, root), []string{"out"}) {
		t.Errorf("%v: there are %v", err, names(t, root))
	}

	for _, name := range []string{"a", "b"} {
		if err := os.MkdirAll(filepath.Join(root, name, "is-"+name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := exchange(filepath.Join(root, "a"), filepath.Join(root, "b")); err != nil || !slices.Equal(names(t, filepath.Join(root, "a")), []string{"is-b"}) {
		t.Errorf("%v: a holds %v", err, names(t, filepath.Join(root, "a")))
	}
	root = t.TempDir()
	path = filepath.Join(root, "out")
	func() {
		defer func() { recover() }()
		WriteDir(path, func(dir string) error { panic("in between") })
	}()
	if len(names(t, root)) > 0 {
		t.Errorf("a panic leaves %v", names(t, root))
	}
	if err := WriteDir(filepath.Join(root, "no", "out"), write("x")); err == nil {
		t.Error("a folder was made in one that is not there")
	}
}
