package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// faulty is a run of 3 steps that is saved after each, with three checkpoints
// kept, and its end without any fault.
func faulty(t *testing.T) (dir, straight string, set []string) {
	t.Helper()
	dir, straight = tones(t, 20), filepath.Join(memory(t), "straight")
	set = []string{"schedule.epochs=1", "schedule.warmup_epochs=0", "checkpoint.steps=1", "checkpoint.keep=3", "log.digest=2", "health.every=1", "health.grace=0"}
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: straight})
	return dir, straight, set
}

// finished fails unless a folder holds what a run without faults leaves, and
// nothing else.
func finished(t *testing.T, what, dir, straight string) {
	t.Helper()
	same(t, rundir.LastFile, dir, straight)
	same(t, rundir.HealthFile, dir, straight)
	for i := 1; i < 3; i++ {
		if got := stepIn(t, dir, checkpoint.Older(rundir.LastFile, i)); got != 3-i {
			t.Errorf("%s: checkpoint %d before the last is of step %d", what, i, got)
		}
	}
	if made(t, dir) != made(t, straight) {
		t.Errorf("%s: made with %+v", what, made(t, dir))
	}
	if got := steps(t, dir); !slices.Equal(got, upTo(3)) {
		t.Errorf("%s: steps %v are logged", what, got)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if want := []string{"config.yaml", "health.jsonl", "last-1.safetensors", "last-2.safetensors", "last.safetensors", "metrics.jsonl", "result.json", "run.json"}; !slices.Equal(names, want) {
		t.Errorf("%s: the folder holds %v", what, names)
	}
}

// memory is a folder that lasts no longer than the test, and on Linux not even
// a power cut: where nothing is written to a disk, syncing takes no time.
func memory(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "clr-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// Each change to the disk fails once, because the disk is full, and the process
// dies at each of them; at some, in the long form at all, the folder turns
// read-only, or the disk fails. Every time the error has its kind, what was saved can be gone
// on from, and the run ends in the bytes of one without faults.
func TestEveryChangeFails(t *testing.T) {
	dir, straight, set := faulty(t)
	base := memory(t)
	dead := errors.New("dead")
	changes, most := 0, 1
	for _, f := range []struct {
		name   string
		err    error
		onward bool // all changes after it fail too
		kind   fault.Kind
		every  int // which changes, unless CLR_SOAK asks for all
	}{
		{"full", syscall.ENOSPC, false, fault.Resource, 1}, {"dead", dead, true, fault.Run, 1},
		{"read-only", syscall.EROFS, true, fault.Usage, 7}, {"broken", syscall.EIO, false, fault.Run, 9},
	} {
		if soak {
			f.every = 1
		}
		for at := 0; at < most; at += f.every {
			what := fmt.Sprintf("%s at %d", f.name, at)
			run := filepath.Join(base, fmt.Sprint(f.name, at))
			var failed disk.Change
			changes = 0
			restore := disk.Intercept(func(c disk.Change) error {
				changes++
				if changes-1 == at {
					failed = c
				}
				if changes-1 == at || f.onward && changes-1 > at {
					return f.err
				}
				return nil
			})
			con, _ := silent()
			err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run}, con)
			restore()
			most = max(most, changes)
			harmless := failed.Kind == "remove" || failed.Kind == "link" // tidying, and where there are no hard links
			if err == nil && !harmless && changes > at {
				t.Errorf("%s (%+v): no error", what, failed)
			}
			if err != nil && (fault.KindOf(err) != f.kind || !errors.Is(err, f.err) || !strings.Contains(err.Error(), base)) {
				t.Errorf("%s (%+v): kind %d, %v", what, failed, fault.KindOf(err), err)
			}
			if cp, _, err := checkpoint.LoadNewest(run, rundir.LastFile); err == nil {
				if _, err := stepOf(cp, run); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			} else if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s (%+v): no checkpoint is left: %v", what, failed, err)
			}
			pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, Resume: true})
			finished(t, what, run, straight)
			if t.Failed() {
				return
			}
			os.RemoveAll(run)
		}
	}
	if most < 40 {
		t.Errorf("only %d changes were seen", most)
	}
	t.Logf("%d changes", most)
}

// While one process writes a run, another is told so, and changes nothing.
func TestSecondWriter(t *testing.T) {
	dir, straight, set := faulty(t)
	run := filepath.Join(dir, "run")
	var refused []error
	con := Console{Err: trap{"pretrain 2/3", func() {
		for _, resume := range []bool{true, false} {
			quiet, _ := silent()
			refused = append(refused, Pretrain(context.Background(), load(t, dir, set...), PretrainOptions{Run: run, Resume: resume}, quiet))
		}
	}}}
	if err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run}, con); err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	for _, err := range refused {
		says(t, err, run, fmt.Sprint("process ", os.Getpid()), host)
		if !errors.Is(err, disk.ErrLocked) || fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" {
			t.Errorf("%v", err)
		}
	}
	if len(refused) != 2 {
		t.Errorf("%d were refused", len(refused))
	}
	finished(t, "two writers", run, straight)
}

// A run that is refused leaves no folder.
func TestRefusedRunLeavesNoFolder(t *testing.T) {
	dir := tones(t, 20)
	con, _ := silent()
	run := filepath.Join(dir, "a", "b", "run")
	if err := Pretrain(t.Context(), load(t, dir, "batch=100"), PretrainOptions{Run: run}, con); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder is left: %v", err)
	}
}

// The time of day is in nothing that is computed, and may go backwards.
func TestClockGoesBackwards(t *testing.T) {
	for _, every := range []string{"0", "1"} {
		dir := tones(t, 20)
		set := []string{"schedule.epochs=2", "checkpoint.every=" + every}
		straight, run := filepath.Join(dir, "straight"), filepath.Join(dir, "run")
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: straight})
		var looks atomic.Int64 // a save looks too, beside training
		clock := func() time.Time { return time.Unix(1e9-3600*looks.Add(1), 0) }
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, MaxSteps: 4, clock: clock})
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, Resume: true, clock: clock})
		same(t, rundir.LastFile, straight, run)
		lines, err := rundir.ReadLog(run)
		if err != nil || len(lines) != 6 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		for _, l := range lines {
			if l.ClipsPS != 0 || l.Wait != 0 {
				t.Errorf("step %d: %g clips/s, waited %g s", l.Step, l.ClipsPS, l.Wait)
			}
		}
	}
}

// A config that is edited while it is trained by changes nothing until the run
// is resumed; then it is refused, and what was changed is named.
func TestConfigEditedDuringTheRun(t *testing.T) {
	dir, straight, set := faulty(t)
	run := filepath.Join(dir, "run")
	edit := func(path string) {
		b := get(t, path)
		put(t, path, []byte(strings.Replace(strings.Replace(string(b), "lr: 0.01", "lr: 0.5", 1), "batch: 6", "batch: 5", 1)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	con := Console{Err: trap{"pretrain 2/3", func() {
		edit(filepath.Join(dir, "config.yaml"))
		edit(filepath.Join(run, rundir.ConfigFile))
		cancel()
	}}}
	good := load(t, dir, set...)
	if err := Pretrain(ctx, good, PretrainOptions{Run: run}, con); fault.KindOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	quiet, _ := silent()
	// with the config as it was: the run's own is another now
	err := Pretrain(t.Context(), good, PretrainOptions{Run: run, Resume: true}, quiet)
	says(t, err, "optimizer.lr: the run has 0.5, the config 0.01", "batch: the run has 5, the config 6")
	// with both edited alike: the checkpoint knows
	err = Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run, Resume: true}, quiet)
	says(t, err, "the checkpoint was trained with another config", "optimizer.lr: the checkpoint has 0.01, the run 0.5", "batch: the checkpoint has 6, the run 5")
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Error(err)
	}
	put(t, filepath.Join(run, rundir.ConfigFile), good.At(run).Resolved())
	pretrain(t, good, PretrainOptions{Run: run, Resume: true})
	finished(t, "edited config", run, straight)
}

// A checkpoint of another run, with the same shapes over the same corpus, is
// not gone on from.
func TestForeignCheckpoint(t *testing.T) {
	dir, _, set := faulty(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: a, MaxSteps: 2})
	pretrain(t, load(t, dir, append(set, "seed=2")...), PretrainOptions{Run: b, MaxSteps: 2})
	put(t, filepath.Join(a, rundir.LastFile), get(t, b, rundir.LastFile))
	con, _ := silent()
	for name, use := range users(t, load(t, dir, set...), a, "") {
		err := use(con)
		says(t, err, "seed: the checkpoint has 2, the run 1")
		if fault.KindOf(err) != fault.Data {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// users are all commands that believe a checkpoint.
func users(t *testing.T, c *Config, run, fold string) map[string]func(Console) error {
	all := map[string]func(Console) error{
		"pretrain": func(con Console) error { return Pretrain(t.Context(), c, PretrainOptions{Run: run, Resume: true}, con) },
		"verify": func(con Console) error {
			_, err := Verify(t.Context(), VerifyOptions{Run: run}, Overrides{}, con)
			return err
		},
	}
	for name, r := range results(t, run, fold, t.TempDir()) {
		all[name] = r.make
	}
	return all
}

// The encoder of one fold has heard the clips that another is tested on: it is
// never taken for that one's.
func TestFoldsChangePlaces(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir, "split={by: room}", "schedule.epochs=1", "schedule.warmup_epochs=0", "batch=5")
	run := filepath.Join(dir, "run")
	pretrain(t, c, PretrainOptions{Run: run})
	x, y := rundir.FoldDir(run, "x"), rundir.FoldDir(run, "y")
	for _, move := range [][2]string{{x, run + "-x"}, {y, x}, {run + "-x", y}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
	con, _ := silent()
	for name, use := range users(t, c, run, "y") {
		err := use(con)
		if says(t, err, "trained on fold", "this is fold"); fault.KindOf(err) != fault.Data {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Metrics that lack steps are said so, and the run goes on.
func TestMetricsWereChanged(t *testing.T) {
	dir, straight, set := faulty(t)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, MaxSteps: 2})
	os.Remove(filepath.Join(run, rundir.MetricsFile))
	con, said := silent()
	if err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run, Resume: true}, con); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "warning: ") || !strings.Contains(said.String(), "holds 0 of the 2 steps") {
		t.Errorf("it says %q", said)
	}
	same(t, rundir.LastFile, straight, run)
}
