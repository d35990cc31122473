package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A full disk ends a run with its exit code, loses nothing that was finished,
// and the run goes on to the same bytes when there is room again.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mounting a small file system to fill: %v", err)
		}
		t.Skipf("needs a small file system to fill; mounting one: %v", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)

	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(config, []byte(smallConfig), 0o666); err != nil {
		t.Fatal(err)
	}
	clr := func(args ...string) (code int, says string) {
		var out, err bytes.Buffer
		code = run(context.Background(), append(args, "--quiet"), &out, &err)
		return code, err.String()
	}
	onDisk, elsewhere := filepath.Join(disk, "run"), filepath.Join(dir, "run")
	if code, says := clr("pretrain", "--config", config, "--run", onDisk, "--max-steps", "2"); code != 0 {
		t.Fatalf("exit code %d: %s", code, says)
	}
	before, err := os.ReadFile(filepath.Join(onDisk, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	code, says := clr("pretrain", "--config", config, "--run", onDisk, "--resume")
	if code != 6 || !strings.Contains(says, "no space left") || !strings.Contains(says, "hint: ") {
		t.Errorf("on a full disk the exit code is %d, want 6; it says %q", code, says)
	}
	if after, err := os.ReadFile(filepath.Join(onDisk, "last.safetensors")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the checkpoint from before the disk was full is lost (%v)", err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if code, says := clr("pretrain", "--config", config, "--run", onDisk, "--resume"); code != 0 {
		t.Fatalf("with room again: exit code %d: %s", code, says)
	}
	if code, says := clr("pretrain", "--config", config, "--run", elsewhere); code != 0 {
		t.Fatalf("exit code %d: %s", code, says)
	}
	a, err1 := os.ReadFile(filepath.Join(onDisk, "last.safetensors"))
	b, err2 := os.ReadFile(filepath.Join(elsewhere, "last.safetensors"))
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("the checkpoint differs from that of a run without trouble (%v, %v)", err1, err2)
	}
}

// On a disk that runs full trials fail with that reason, or are left, and when there
// is room again they come to what they would have come to.
func TestSweepFullDisk(t *testing.T) {
	base := t.TempDir()
	tinyCorpus(t, filepath.Join(base, "corpus"))
	work, alone := sweepFolder(t, base, "work"), sweepFolder(t, base, "alone")
	for _, dir := range []string{work, alone} {
		put(t, filepath.Join(dir, "sweep.yaml"), []byte(withoutStop))
	}
	start(t, alone, "sweep", "run", "sweep.yaml", "--out", "s", "--quiet").ends(t, 0)
	room := filepath.Join(work, "s")
	if err := os.Mkdir(room, 0o777); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, f := range look(filepath.Join(alone, "s/trials/0000")) {
		size += int(f.Size())
	}
	mount := func(flags uintptr, bytes int) error {
		return syscall.Mount("tmpfs", room, "tmpfs", flags, "size="+strconv.Itoa(bytes))
	}
	if err := mount(0, 5*size/2); err != nil { // two trials and a half
		if os.Getenv("CI") == "true" {
			t.Fatalf("mounting a small file system to fill: %v", err)
		}
		t.Skipf("needs a small file system to fill; mounting one: %v", err)
	}
	defer syscall.Unmount(room, syscall.MNT_DETACH)
	p := start(t, work, "sweep", "run", "sweep.yaml", "--out", "s")
	<-p.done
	if code, says := p.ProcessState.ExitCode(), p.says.String(); code != 1 && code != 6 || !strings.Contains(says, "no space left") {
		t.Errorf("exit code %d; it says:\n%s", code, says)
	}
	if err := mount(syscall.MS_REMOUNT, 20*size); err != nil {
		t.Fatal(err)
	}
	start(t, work, "sweep", "retry", "s", "--failed").ends(t, 0)
	start(t, work, "sweep", "run", "sweep.yaml", "--out", "s", "--quiet").ends(t, 0)
	if got, want := sweptTo(t, work), sweptTo(t, alone); got != want {
		t.Errorf("with room again it comes to\n%s\nwithout trouble to\n%s", got, want)
	}
}

// fill writes until nothing fits any more.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}
