package audio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
)

// Each change to the disk that a build makes fails, alone or with all after it,
// which is what a killed process leaves. The error has its kind; the old store
// is whole, or the new one; and the next build gives the bytes of one without
// faults and leaves nothing else.
func TestEveryChangeOfABuildFails(t *testing.T) {
	old, fsys := toneFS(4), toneFS(4)
	fsys["02.wav"] = &fstest.MapFile{Data: pcm16(make([]int16, 500)...).bytes()}
	base := t.TempDir()
	build(t, filepath.Join(base, "old"), old, 1)
	build(t, filepath.Join(base, "new"), fsys, 1)
	before, after := fileBytes(t, filepath.Join(base, "old")), fileBytes(t, filepath.Join(base, "new"))
	again := func(path string, fail func(change int) error) (changes []disk.Change, err error) {
		restore := disk.Intercept(func(c disk.Change) error {
			changes = append(changes, c)
			return fail(len(changes) - 1)
		})
		defer restore()
		s, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 1})
		if err == nil {
			err = s.Close()
		}
		return changes, err
	}
	dead := errors.New("dead")
	for i, f := range []struct {
		err    error
		kind   fault.Kind
		onward bool
	}{
		{syscall.ENOSPC, fault.Resource, false}, {syscall.EROFS, fault.Usage, false}, {syscall.EIO, fault.Run, false},
		{dead, fault.Run, true}, {syscall.ENOSPC, fault.Resource, true},
	} {
		for at, most := 0, 1; at < most; at++ {
			dir := filepath.Join(base, fmt.Sprint(i, "-", at), "made for it")
			path := filepath.Join(dir, "features")
			fresh := at%2 == 0 // no store was there, nor its folder
			if !fresh {
				if err := os.MkdirAll(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				writeFile(t, path, before)
			}
			changes, err := again(path, func(c int) error {
				if c == at || f.onward && c > at {
					return f.err
				}
				return nil
			})
			most = max(most, len(changes))
			if at >= len(changes) {
				continue
			}
			what := fmt.Sprintf("%v (onward %v) at %d, %+v", f.err, f.onward, at, changes[at])
			if harmless := changes[at].Kind == "remove"; err == nil && !harmless || err != nil && (fault.KindOf(err) != f.kind || !errors.Is(err, f.err) || !strings.Contains(err.Error(), dir)) {
				t.Errorf("%s: kind %d, %v", what, fault.KindOf(err), err)
			}
			if f.kind != fault.Run && err != nil && fault.Remedy(err) == "" {
				t.Errorf("%s: no remedy: %v", what, err)
			}
			b, err := os.ReadFile(path)
			if there := err == nil; there == fresh && !bytes.Equal(b, after) || there && !bytes.Equal(b, before) && !bytes.Equal(b, after) {
				t.Errorf("%s: the store is neither the old nor the new one", what)
			}
			if _, err := again(path, func(int) error { return nil }); err != nil {
				t.Errorf("%s: the next build: %v", what, err)
			} else if !bytes.Equal(fileBytes(t, path), after) {
				t.Errorf("%s: the next build gives other bytes", what)
			}
			list, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.Name() != "features" {
					t.Errorf("%s: %s is left", what, e.Name())
				}
			}
		}
	}
}

// A store's header is written when all else is on disk, and its name given when
// the header is.
func TestBuildOrder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "features")
	var order []string
	restore := disk.Intercept(func(c disk.Change) error {
		order = append(order, c.Kind+" "+filepath.Base(c.Path))
		return nil
	})
	defer restore()
	build(t, path, toneFS(3), 1)
	want := []string{"write features.partial", "sync features.partial", "write features.partial", "sync features.partial",
		"rename features", "sync " + filepath.Base(dir), "remove features.lock"}
	if n := len(order) - len(want); n < 0 || !slices.Equal(order[n:], want) {
		t.Errorf("%q, want at its end %q", order, want)
	}
}

// The lock of a builder that was killed when its store had its place goes with
// whoever opens that; one that is held stays.
func TestLockOfADeadBuilder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "features")
	build(t, path, toneFS(2), 1)
	open := func() {
		s, err := OpenStore(path)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := disk.TryLock(path+".lock", "the store")
	if err != nil {
		t.Fatal(err)
	}
	if open(); !bytes.Contains(fileBytes(t, path+".lock"), []byte(`"pid"`)) {
		t.Error("a lock that is held is gone")
	}
	l.Release()
	writeFile(t, path+".lock", []byte(`{"pid": 1}`))
	open()
	if _, err := os.Stat(path + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dead builder's lock is left: %v", err)
	}
}

// A build waits for another process's and uses what came of it.
func TestBuildWaits(t *testing.T) {
	fsys, path := toneFS(3), filepath.Join(t.TempDir(), "features")
	other := filepath.Join(t.TempDir(), "features")
	build(t, other, fsys, 1)
	lock, err := disk.TryLock(path+".lock", "the store")
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	start := func(ctx context.Context) (done chan error, stats *Stats) {
		done, stats = make(chan error, 1), new(Stats)
		go func() {
			s, st, err := Build(ctx, path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Say: func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }})
			*stats = st
			if err == nil {
				err = s.Close()
			}
			done <- err
		}()
		if s := <-said; !strings.Contains(s, path) || !strings.Contains(s, fmt.Sprint("process ", os.Getpid())) || !strings.HasSuffix(s, "waiting for it") {
			t.Errorf("it says %q", s)
		}
		return done, stats
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, _ := start(ctx)
	time.Sleep(2 * patience)
	cancel()
	if err := <-done; fault.KindOf(err) != fault.Interrupted {
		t.Errorf("stopped while it waits: %v", err)
	}
	done, stats := start(context.Background())
	if err := os.Rename(other, path); err != nil { // what the holder made
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
	if err := <-done; err != nil || stats.Made != 0 || stats.Reused != 3 || len(said) != 0 {
		t.Errorf("%+v, %v, said %d times more", stats, err, len(said))
	}
	if now, err := os.Stat(path); err != nil || !os.SameFile(info, now) {
		t.Error("the store was written again")
	}
}

// A recording that changes between the two looks that a build takes at it, for
// its hash and for its sound, is refused.
func TestRecordingChangesDuringBuild(t *testing.T) {
	dir, c := onDisk(t, 30)
	_, _, err := Build(context.Background(), filepath.Join(dir, "features"), c, tinyMel, 16000, BuildOptions{Workers: 1, Progress: func(done, _ int) {
		if done == 1 {
			writeFile(t, filepath.Join(dir, "29.wav"), pcm16(make([]int16, 500)...).bytes())
		}
	}})
	if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "29.wav: the recording has changed") {
		t.Errorf("%v", err)
	}
}

// Of many builds at once one makes the store.
func TestManyBuildsAtOnce(t *testing.T) {
	fsys, path := toneFS(9), filepath.Join(t.TempDir(), "features")
	made := make([]int, 6)
	var all sync.WaitGroup
	for i := range made {
		c := readCorpus(t, fsys)
		all.Go(func() {
			s, stats, err := Build(context.Background(), path, c, tinyMel, 16000, BuildOptions{Workers: 1})
			if err != nil {
				t.Error(err)
				return
			}
			made[i] = stats.Made
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range made {
		sum += n
	}
	if sum != 9 {
		t.Errorf("made %v", made)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("the folder holds %v, %v", list, err)
	}
}
