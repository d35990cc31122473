package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

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
	folder := filepath.Join(dir, "folder") // rename fails, after the writing
	if err := os.MkdirAll(filepath.Join(folder, "full"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(folder, func(io.Writer) error { return nil }); err == nil {
		t.Error("a folder was replaced")
	}
	for _, n := range names(t, dir) {
		if strings.Contains(n, "aside") {
			t.Errorf("%s was left behind", n)
		}
	}
}

// A writer killed half-way leaves a file aside. It must not stop the next one,
// nor end up under the name.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "last.safetensors")
	put(t, asideName(path, 0), []byte("half a check"))
	put(t, asideName(path, 1), nil)
	if err := WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, path)); got != "whole" {
		t.Errorf("file holds %q", got)
	}
	if err := SaveRotating(dir, "last.safetensors", example()); err != nil {
		t.Fatal(err)
	}
	if list := names(t, dir); fmt.Sprint(list) != "[last.safetensors]" { // "whole" was no checkpoint
		t.Errorf("folder holds %v", list)
	}
}

func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			text := bytes.Repeat([]byte{byte('a' + i)}, 100_000)
			if err := WriteFile(path, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
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
	if warned && (!strings.Contains(warning, last) || !strings.Contains(warning, "last-1.safetensors")) {
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

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadNewest(dir, last); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty folder: %v", err)
	}
	for i := range 3 {
		if err := SaveRotating(dir, last, numbered(i)); err != nil {
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
	if err := SaveRotating(dir, last, numbered(3)); err != nil {
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
	if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "neither") || !strings.Contains(err.Error(), "array a") {
		t.Errorf("both damaged: %v", err)
	}
}

// A failed save leaves both checkpoints as they were.
func TestRotationFails(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		if err := SaveRotating(dir, last, numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	before := [][]byte{read(t, filepath.Join(dir, last)), read(t, filepath.Join(dir, "last-1.safetensors"))}
	bad := numbered(2)
	bad.Meta["x"] = "\xff" // cannot be written
	if err := SaveRotating(dir, last, bad); err == nil {
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
			if err := SaveRotating(dir, last, c); err != nil {
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
