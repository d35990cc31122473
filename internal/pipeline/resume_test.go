package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// steps are the steps in a folder's log; every line is whole.
func steps(t *testing.T, dir string) []int { return linesOf(t, get(t, dir, rundir.MetricsFile)) }

func linesOf(t *testing.T, log []byte) (all []int) {
	t.Helper()
	for _, l := range bytes.SplitAfter(log, []byte("\n")) {
		if len(l) == 0 {
			continue
		}
		var s rundir.Line
		if err := json.Unmarshal(l, &s); err != nil || l[len(l)-1] != '\n' {
			t.Fatalf("metrics: %q is no whole line: %v", l, err)
		}
		all = append(all, s.Step)
	}
	return all
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// stepIn is the step of a folder's checkpoint.
func stepIn(t *testing.T, path ...string) int {
	t.Helper()
	cp, err := checkpoint.Load(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(cp.Meta["step"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A trap calls do when the progress display comes to a line with words.
type trap struct {
	words string
	do    func()
}

func (w trap) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.words)) {
		w.do()
	}
	return len(b), nil
}

// The small config has 9 steps; epochs end after 3, 6 and 9.
func TestInterruptedRunResumesToTheSameBytes(t *testing.T) {
	dir := tones(t, 20)
	straight := filepath.Join(dir, "straight")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	if got := steps(t, straight); !slices.Equal(got, upTo(9)) {
		t.Fatalf("steps %v, want 9", got)
	}
	for _, at := range []int{1, 3, 4, 8} {
		run := filepath.Join(dir, fmt.Sprint("stopped", at))
		ctx, cancel := context.WithCancel(t.Context())
		con := Console{Err: trap{fmt.Sprintf("pretrain %d/9", at), cancel}}
		err := Pretrain(ctx, load(t, dir), PretrainOptions{Run: run}, con)
		if fault.KindOf(err) != fault.Interrupted || !strings.Contains(fault.Remedy(err), "--resume") {
			t.Fatalf("stopped after %d: %v", at, err)
		}
		says(t, err, rundir.LastFile, fmt.Sprintf("holds step %d", at))
		if got := stepIn(t, run, rundir.LastFile); got != at {
			t.Errorf("stopped after %d: the checkpoint is of step %d", at, got)
		}
		if got := steps(t, run); !slices.Equal(got, upTo(at)) {
			t.Errorf("stopped after %d: metrics of %v", at, got)
		}
		pretrain(t, load(t, dir), PretrainOptions{Run: run, Resume: true})
		same(t, rundir.LastFile, straight, run)
		if got := steps(t, run); !slices.Equal(got, upTo(9)) {
			t.Errorf("resumed after %d: metrics of %v", at, got)
		}
	}
}

// A signal during the last step comes too late.
func TestStoppedInTheLastStep(t *testing.T) {
	dir := tones(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	con := Console{Err: trap{"pretrain 9/9", cancel}}
	if err := Pretrain(ctx, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "run")}, con); err != nil {
		t.Error(err)
	}
}

// A signal between two folds: the checkpoint that is promised is there.
func TestStoppedBeforeTheFirstStep(t *testing.T) {
	dir := tones(t, 16)
	run := filepath.Join(dir, "run")
	ctx, cancel := context.WithCancel(t.Context())
	con := Console{Err: trap{"pretrain x 2/2", cancel}}
	set := []string{"split.by=room", "schedule.epochs=1"}
	err := Pretrain(ctx, load(t, dir, set...), PretrainOptions{Run: run}, con)
	if fault.KindOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	says(t, err, "fold y: ", filepath.Join("fold-y", rundir.LastFile)+" holds step 0")
	if got := stepIn(t, run, "fold-y", rundir.LastFile); got != 0 {
		t.Errorf("the checkpoint is of step %d", got)
	}
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, Resume: true})
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: run + "2"})
	for _, f := range []string{"fold-x", "fold-y"} {
		same(t, filepath.Join(f, rundir.LastFile), run, run+"2")
	}
}

// A process that is killed leaves metrics of steps that no checkpoint holds,
// and perhaps half a line.
func TestResumeAfterAKill(t *testing.T) {
	dir := tones(t, 20)
	straight, run := filepath.Join(dir, "straight"), filepath.Join(dir, "killed")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	func() {
		defer func() { recover() }()
		con := Console{Err: trap{"pretrain 5/9", func() { panic("killed") }}}
		Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run}, con)
	}()
	if got := stepIn(t, run, rundir.LastFile); got != 3 {
		t.Fatalf("the last checkpoint is of step %d", got)
	}
	log := filepath.Join(run, rundir.MetricsFile)
	put(t, log, append(get(t, log), `{"step":5,"epo`...))
	pretrain(t, load(t, dir), PretrainOptions{Run: run, Resume: true})
	same(t, rundir.LastFile, straight, run)
	if got := steps(t, run); !slices.Equal(got, upTo(9)) {
		t.Errorf("metrics of steps %v", got)
	}
}

// A damaged last checkpoint costs the steps since the one before.
func TestResumeFromTheCheckpointBefore(t *testing.T) {
	dir := tones(t, 20)
	straight, made := filepath.Join(dir, "straight"), filepath.Join(dir, "made")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	pretrain(t, load(t, dir), PretrainOptions{Run: made, MaxSteps: 7})
	good := get(t, filepath.Join(made, rundir.LastFile))
	flipped := slices.Clone(good)
	flipped[len(good)-1] ^= 1
	damaged := [][]byte{flipped}
	for _, part := range []int{0, len(good) / 8192, len(good) / 4096} { // none of it, half, all but the end
		damaged = append(damaged, good[:part*4096])
	}
	for i, b := range damaged {
		run := filepath.Join(dir, fmt.Sprint("run", i))
		if err := os.CopyFS(run, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(run, rundir.LastFile), b)
		con, said := silent()
		if err := Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run, Resume: true}, con); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(said.String(), "warning: ") || !strings.Contains(said.String(), filepath.Join(run, rundir.LastFile)) {
			t.Errorf("%d of %d bytes: no warning in %q", len(b), len(good), said)
		}
		same(t, rundir.LastFile, straight, run)
		if got := steps(t, run); !slices.Equal(got, upTo(9)) {
			t.Errorf("%d of %d bytes: metrics of steps %v", len(b), len(good), got)
		}
	}
}

// Stopped again before the first step, what is damaged is written anew.
func TestStopAfterTheCheckpointBefore(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 4}) // saved at 3 and 4
	last := filepath.Join(run, rundir.LastFile)
	b := get(t, last)
	b[len(b)-1] ^= 1
	put(t, last, b)
	ctx, cancel := context.WithCancel(t.Context())
	err := Pretrain(ctx, load(t, dir), PretrainOptions{Run: run, Resume: true}, Console{Err: trap{"warning: ", cancel}})
	if fault.KindOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	says(t, err, rundir.LastFile+" holds step 3")
	if got := stepIn(t, run, rundir.LastFile); got != 3 {
		t.Errorf("the checkpoint is of step %d", got)
	}
}

// Without Resume a checkpoint that lies there is none of this run's.
func TestFoldStartsAnew(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 3})
	d := open(t, load(t, dir))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	if err := pretrainFold(t.Context(), tr, PretrainOptions{Run: run, MaxSteps: 1}, con); err != nil {
		t.Fatal(err)
	}
	if got := stepIn(t, run, rundir.LastFile); got != 1 {
		t.Errorf("the checkpoint is of step %d", got)
	}
}

// A run that is done stays as it is.
func TestFinishedRunResumed(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "schedule.epochs=1")
	pretrain(t, c, PretrainOptions{Run: run})
	read := func() (all string) {
		for _, f := range []string{rundir.ConfigFile, rundir.MetricsFile, rundir.LastFile} {
			all += string(get(t, run, f))
		}
		return all
	}
	before := read()
	for _, max := range []int{0, 2, 100} {
		con, said := silent()
		if err := Pretrain(t.Context(), c, PretrainOptions{Run: run, Resume: true, MaxSteps: max}, con); err != nil {
			t.Fatal(err)
		}
		if read() != before {
			t.Fatalf("with --max-steps %d the run changed", max)
		}
		if !strings.Contains(said.String(), "3 of 3 steps are done") {
			t.Errorf("it says %q", said)
		}
	}
}
