package rundir

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
)

func saver(t *testing.T, o CheckpointOptions, clock Clock) (*Saver, string) {
	t.Helper()
	dir := t.TempDir()
	log, _, err := OpenLog(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return NewSaver(dir, o, log, -1, clock), dir
}

func meta(step int) map[string]string { return map[string]string{"step": strconv.Itoa(step)} }

// What is saved is what the arrays held when Save was called, whatever happens
// to them afterwards; and training does not wait for the disk.
func TestSaveCopies(t *testing.T) {
	s, dir := saver(t, CheckpointOptions{Keep: 2}, nil)
	hold, held := make(chan bool), make(chan bool, 100)
	restore := disk.Intercept(func(disk.Change) error { held <- true; <-hold; return nil })
	defer restore()
	live := kernel.New(1000)
	state := map[string]kernel.Array{"w": live}
	for i := range live.Data {
		live.Data[i] = 1
	}
	returned := make(chan error, 1)
	go func() { returned <- s.Save(1, meta(1), state) }()
	select { // it returns while the disk stands still
	case err := <-returned:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("saving waits for the disk")
	}
	<-held
	for i := range live.Data {
		live.Data[i] = 2
	}
	if err := s.Check(); err != nil || s.Newest() != -1 {
		t.Errorf("before it is written: %v, holds %d", err, s.Newest())
	}
	close(hold)
	if err := s.Wait(); err != nil || s.Newest() != 1 {
		t.Errorf("%v", err)
	}
	for step := 2; step < 5; step++ {
		if err := s.Save(step, meta(step), state); err != nil {
			t.Fatal(err)
		}
		for i := range live.Data {
			live.Data[i]++
		}
	}
	if err := s.Wait(); err != nil || s.Newest() != 4 {
		t.Fatal(err)
	}
	for name, want := range map[string]float32{LastFile: 4, "last-1.safetensors": 3} {
		cp, err := checkpoint.Load(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if a := cp.Arrays["w"].Data; a[0] != want || a[999] != want || cp.Meta["step"] != strconv.Itoa(int(want)) {
			t.Errorf("%s: %v, %v", name, a[0], cp.Meta)
		}
	}
}

// A save that fails is told at the next look, and keeps what was there.
func TestSaveFails(t *testing.T) {
	s, dir := saver(t, CheckpointOptions{Keep: 1}, nil)
	a := kernel.New(10)
	state := map[string]kernel.Array{"encoder.w": a}
	if err := errors.Join(s.Save(1, meta(1), state), s.Wait()); err != nil {
		t.Fatal(err)
	}
	restore := disk.Intercept(func(c disk.Change) error { return syscall.ENOSPC })
	err := s.Save(2, meta(2), state)
	for err == nil && s.writing != nil {
		time.Sleep(time.Millisecond)
		err = s.Check()
	}
	restore()
	if fault.KindOf(err) != fault.Resource || s.Newest() != 1 || s.Check() != nil {
		t.Errorf("%v, holds %d", err, s.Newest())
	}
	for _, v := range []float64{math.NaN(), math.Inf(-1)} {
		a.Data[3] = float32(v)
		err = errors.Join(s.Save(2, meta(2), state), s.Wait())
		if fault.KindOf(err) != fault.Diverged || !strings.Contains(err.Error(), "encoder.w") || fault.Remedy(err) == "" {
			t.Errorf("%v: %v", v, err)
		}
	}
	if cp, _, err := checkpoint.LoadNewest(dir, LastFile); err != nil || cp.Meta["step"] != "1" {
		t.Errorf("%v, %v", cp, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "last-1.safetensors")); err == nil {
		t.Error("keep 1 keeps two")
	}
}

func TestDue(t *testing.T) {
	due := func(o CheckpointOptions) (at []int) {
		o.Keep = 1
		s, _ := saver(t, o, nil)
		for done := 1; done <= 12; done++ {
			if s.Due(done, 3) {
				at = append(at, done)
			}
		}
		return at
	}
	for _, c := range []struct {
		o    CheckpointOptions
		want string
	}{
		{CheckpointOptions{Every: 1}, "3 6 9 12"}, {CheckpointOptions{Every: 2}, "6 12"}, {CheckpointOptions{Steps: 5}, "5 10"},
		{CheckpointOptions{Every: 1, Steps: 4}, "4 8 12"}, {CheckpointOptions{}, ""},
	} {
		got := ""
		for _, v := range due(c.o) {
			got += " " + strconv.Itoa(v)
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%+v: due at%s, want %s", c.o, got, c.want)
		}
	}
}

// Left to itself, saving takes a hundredth of the time, and comes every ten
// seconds at most.
func TestDueByTime(t *testing.T) {
	now := time.Unix(1e9, 0)
	s, _ := saver(t, CheckpointOptions{Keep: 1}, func() time.Time { return now })
	ask := func(want bool) {
		t.Helper()
		if got := s.Due(1, 1); got != want {
			t.Errorf("due %v at %v after the last, which took %v", got, now.Sub(s.began), s.cost)
		}
	}
	ask(false)
	now = now.Add(9 * time.Second)
	ask(false)
	now = now.Add(time.Second)
	ask(true)
	s.began, s.cost = now, 3*time.Second
	now = now.Add(299 * time.Second)
	ask(false)
	now = now.Add(time.Second)
	ask(true)
	s.writing = make(chan result)
	ask(false)
	s.writing = nil
	now = now.Add(-24 * time.Hour) // set back
	ask(false)
	now = now.Add(300 * time.Second)
	ask(true)
}

func TestCheckpointOptions(t *testing.T) {
	for _, c := range []struct {
		o    CheckpointOptions
		want string
	}{
		{CheckpointOptions{Keep: 1}, ""}, {CheckpointOptions{Every: 3, Steps: 2, Keep: 9}, ""},
		{CheckpointOptions{}, "keep is 0"}, {CheckpointOptions{Every: -1, Keep: 1}, "every is -1"}, {CheckpointOptions{Steps: -1, Keep: 1}, "steps is -1"},
	} {
		err := c.o.Check()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}
