package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
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

const last = "last.safetensors"

func numbered(i int) *Checkpoint {
	return &Checkpoint{Meta: map[string]string{"step": strconv.Itoa(i)}, Arrays: map[string]kernel.Array{"a": kernel.New(1000)}}
}

// newest requires the step and whether there was a warning.
func newest(t *testing.T, dir, step string, warned bool) {
	t.Helper()
	c, warning, err := LoadNewest(dir, last)
	if err != nil {
		t.Fatal(err)
	}
	if c.Meta["step"] != step || (warning != "") != warned {
		t.Errorf("step %s, warning %q; want step %s", c.Meta["step"], warning, step)
	}
	if warned && (!strings.Contains(warning, last) || !strings.Contains(warning, "last-")) {
		t.Errorf("warning %q does not name both files", warning)
	}
}

func damage(t *testing.T, path string) {
	b := read(t, path)
	b[len(b)-1] ^= 4
	if err := os.Remove(path); err != nil { // the old bytes may have another name
		t.Fatal(err)
	}
	put(t, path, b)
}

// What a killed writer left aside goes, and what is no checkpoint is not kept.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "."+last+".aside-0"), []byte("half a check"))
	put(t, filepath.Join(dir, last), []byte("no checkpoint"))
	if err := Rotate(dir, last, 2, example()); err != nil {
		t.Fatal(err)
	}
	if list := names(t, dir); fmt.Sprint(list) != "[last.safetensors]" {
		t.Errorf("folder holds %v", list)
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadNewest(dir, last); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty folder: %v", err)
	}
	for i := range 3 {
		if err := Rotate(dir, last, 2, numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	newest(t, dir, "2", false)
	if list := names(t, dir); fmt.Sprint(list) != "[last-1.safetensors last.safetensors]" {
		t.Errorf("folder holds %v", list)
	}

	damage(t, filepath.Join(dir, last))
	newest(t, dir, "1", true)
	// Going on must not push the damaged file over the good one.
	if err := Rotate(dir, last, 2, numbered(3)); err != nil {
		t.Fatal(err)
	}
	newest(t, dir, "3", false)
	damage(t, filepath.Join(dir, last))
	newest(t, dir, "1", true)

	if err := os.Remove(filepath.Join(dir, last)); err != nil { // killed between two renames
		t.Fatal(err)
	}
	newest(t, dir, "1", true)

	damage(t, filepath.Join(dir, "last-1.safetensors"))
	put(t, filepath.Join(dir, last), []byte("nonsense"))
	_, _, err := LoadNewest(dir, last)
	if fault.KindOf(err) != fault.Data || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no checkpoint can be used") || !strings.Contains(err.Error(), "array a") {
		t.Errorf("both damaged: %v", err)
	}
}

// Any number is kept, the newest first; a smaller number lets the others go.
func TestRotationKeeps(t *testing.T) {
	dir := t.TempDir()
	holds := func(want string) {
		t.Helper()
		var have []string
		for i := range 9 {
			name := last
			if i > 0 {
				name = Older(last, i)
			}
			if c, err := Load(filepath.Join(dir, name)); err == nil {
				have = append(have, c.Meta["step"])
			}
		}
		if fmt.Sprint(have) != want || len(names(t, dir)) != len(have) {
			t.Errorf("the folder holds steps %v, want %s; files %v", have, want, names(t, dir))
		}
	}
	for i := range 6 {
		if err := Rotate(dir, last, 4, numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	holds("[5 4 3 2]")
	damage(t, filepath.Join(dir, last))
	damage(t, filepath.Join(dir, Older(last, 1)))
	newest(t, dir, "3", true)
	if err := Rotate(dir, last, 4, numbered(6)); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, Older(last, 1)))
	holds("[6 3 2]")
	damage(t, filepath.Join(dir, last))
	newest(t, dir, "3", true) // over the gap
	for _, c := range []struct {
		keep int
		want string
	}{{4, "[7 3 2]"}, {4, "[8 7 3 2]"}, {2, "[9 8]"}, {1, "[10]"}, {3, "[11 10]"}} {
		step, _, _ := strings.Cut(strings.Trim(c.want, "[]"), " ")
		n, _ := strconv.Atoi(step)
		if err := Rotate(dir, last, c.keep, numbered(n)); err != nil {
			t.Fatal(err)
		}
		holds(c.want)
	}
	for i := range 4 {
		if err := Rotate(dir, last, 5, numbered(12+i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{last, Older(last, 1), Older(last, 2)} {
		os.Remove(filepath.Join(dir, name))
	}
	newest(t, dir, "12", true) // over a wider gap
	holds("[12 11]")
	for _, i := range []int{3, 4} {
		os.Remove(filepath.Join(dir, Older(last, i)))
	}
	if _, _, err := LoadNewest(dir, last); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
}

// Wherever a save dies, the newest checkpoint or the one before it is whole,
// and the next save leaves the folder as if nothing had happened.
func TestRotationDies(t *testing.T) {
	dead := errors.New("dead")
	for _, keep := range []int{1, 2, 4} {
		for at := 0; ; at++ {
			dir := t.TempDir()
			for i := range 6 {
				if err := Rotate(dir, last, keep, numbered(i)); err != nil {
					t.Fatal(err)
				}
			}
			changes := 0
			restore := disk.Intercept(func(disk.Change) error {
				if changes++; changes > at {
					return dead
				}
				return nil
			})
			err := Rotate(dir, last, keep, numbered(6))
			restore()
			if err == nil && changes <= at {
				if at < 5 {
					t.Errorf("keep %d: a save makes only %d changes", keep, at)
				}
				break
			}
			c, _, err := LoadNewest(dir, last)
			if err != nil || c.Meta["step"] != "5" && c.Meta["step"] != "6" {
				t.Fatalf("keep %d, died at change %d: %v, %v", keep, at, c, err)
			}
			for i := 6; i < 8+keep; i++ {
				if err := Rotate(dir, last, keep, numbered(i)); err != nil {
					t.Fatal(err)
				}
			}
			list := names(t, dir)
			if newest(t, dir, strconv.Itoa(7+keep), false); len(list) != keep {
				t.Errorf("keep %d, died at change %d: the folder holds %v", keep, at, list)
			}
		}
	}
}

// While the only good checkpoint is an older one, it stays until the next is in
// its place, however few are to be kept.
func TestRotationKeepsTheOnlyGoodOne(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		if err := Rotate(dir, last, 2, numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	damage(t, filepath.Join(dir, last))
	restore := disk.Intercept(func(c disk.Change) error {
		newest(t, dir, "0", true)
		if c.Kind == "rename" {
			return errors.New("dead")
		}
		return nil
	})
	err := Rotate(dir, last, 1, numbered(2))
	restore()
	if err == nil {
		t.Fatal("saved")
	}
	newest(t, dir, "0", true)
	if err := Rotate(dir, last, 1, numbered(2)); err != nil {
		t.Fatal(err)
	}
	if newest(t, dir, "2", false); len(names(t, dir)) != 1 {
		t.Errorf("folder holds %v", names(t, dir))
	}
}

// A failed save leaves both checkpoints as they were.
func TestRotationFails(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		if err := Rotate(dir, last, 2, numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	before := [][]byte{read(t, filepath.Join(dir, last)), read(t, filepath.Join(dir, "last-1.safetensors"))}
	bad := numbered(2)
	bad.Meta["x"] = "\xff" // cannot be written
	if err := Rotate(dir, last, 2, bad); err == nil {
		t.Fatal("saved")
	}
	if !bytes.Equal(before[0], read(t, filepath.Join(dir, last))) || !bytes.Equal(before[1], read(t, filepath.Join(dir, "last-1.safetensors"))) {
		t.Error("a failed save changed a checkpoint")
	}
	if list := names(t, dir); len(list) != 2 {
		t.Errorf("folder holds %v", list)
	}
}

func BenchmarkCheckpoint(b *testing.B) {
	c := &Checkpoint{Arrays: map[string]kernel.Array{}}
	for i := range 66 { // about ResNet-18 with AdamW
		c.Arrays[strconv.Itoa(i)] = kernel.New(500_000)
	}
	dir := b.TempDir()
	b.Run("save", func(b *testing.B) {
		b.SetBytes(66 * 2_000_000)
		b.ReportAllocs()
		for b.Loop() {
			if err := Rotate(dir, last, 2, c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		b.SetBytes(66 * 2_000_000)
		for b.Loop() {
			if _, _, err := LoadNewest(dir, last); err != nil {
				b.Fatal(err)
			}
		}
	})
}
