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
