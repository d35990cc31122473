package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clr/internal/fault"
	"clr/internal/rundir"
)

// A run is followed to its end by somebody who reads its folder alone.
func TestTopFollows(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "schedule.epochs=4")
	begun, finished := make(chan bool), make(chan error, 1)
	con, _ := silent()
	once := false
	con.Err = writerFunc(func(b []byte) (int, error) {
		if !once && rundir.Holds(run) && bytes.HasPrefix(b, []byte("pretrain")) {
			once = true
			begun <- true
		}
		return len(b), nil
	})
	go func() { finished <- Pretrain(context.Background(), c, PretrainOptions{Run: run}, con) }()
	select {
	case <-begun:
	case err := <-finished:
		t.Fatalf("it ended before it began: %v", err)
	}
	var out bytes.Buffer
	err := Top(t.Context(), TopOptions{Run: run, Every: 50 * time.Millisecond}, Console{Out: &out, JSON: true})
	if trained := <-finished; err != nil || trained != nil {
		t.Fatal(err, trained)
	}
	var views []View
	for d := json.NewDecoder(&out); d.More(); {
		var v View
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	last := views[len(views)-1]
	lines, err := rundir.ReadLog(run)
	if err != nil {
		t.Fatal(err)
	}
	l := lines[len(lines)-1]
	if f := last.Folds[0]; last.State != done || f.Step != len(lines) || f.Steps != len(lines) || f.Epochs != 4 || len(f.Losses) != 4 || f.Loss != l.Loss || f.Left != 0 || f.ClipsPS <= 0 {
		t.Errorf("%+v", last)
	}
	s, err := trainingScore(run)
	if f := last.Folds[0]; err != nil || f.Losses[0] != s.FirstLoss || f.Losses[3] != s.Loss {
		t.Errorf("losses %v, the log says %g to %g: %v", f.Losses, s.FirstLoss, s.Loss, err)
	}
	for i, v := range views[:len(views)-1] {
		if v.State != running || v.Folds[0].Step > views[i+1].Folds[0].Step {
			t.Errorf("look %d: %+v", i, v)
		}
	}
	screen := bytes.Buffer{}
	if err := Top(t.Context(), TopOptions{Run: run, Every: time.Second}, Console{Out: NewTerminal(&screen)}); err != nil || !strings.Contains(screen.String(), fmt.Sprintf("step       %d/%d", len(lines), len(lines))) || !strings.Contains(screen.String(), "████████████████") {
		t.Errorf("%v: %q", err, &screen)
	}
	screen.Reset()
	if err := Top(t.Context(), TopOptions{Run: run, Every: time.Second}, Console{Out: &screen}); err != nil || !strings.HasPrefix(screen.String(), fmt.Sprintf("step %d/%d  epoch 4/4  loss ", len(lines), len(lines))) {
		t.Errorf("%v: %q", err, &screen)
	}
}

// How a run ended is how following it ends.
func TestTopEnds(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=2"), PretrainOptions{Run: run, MaxSteps: 1})
	host, _ := os.Hostname()
	lock := filepath.Join(run, rundir.LockFile)
	session := func(rest string) string { return `{"sessions": [{"start": "2026-01-02T03:04:05Z"` + rest + `}]}` }
	const end = `, "end": "2026-01-02T03:05:05Z", "outcome": `
	var out bytes.Buffer
	for _, c := range []struct {
		what, made, lock string
		once             bool
		kind             fault.Kind
		says             string
	}{
		{"done", session(end + `"done"`), "", false, 0, ""},
		{"diverged", session(end + `"the loss is NaN", "exit_code": 4`), "", false, fault.Diverged, "ended: the loss is NaN"},
		{"stopped", session(end + `"interrupted", "exit_code": 75`), "", true, fault.Interrupted, "ended: interrupted"},
		{"of an older clr", session(end + `"interrupted"`), "", false, fault.Run, "ended: interrupted"},
		{"of nobody's clr", session(end + `"x", "exit_code": 70000`), "", false, fault.Run, "ended: x"},
		{"killed", session(""), "", false, fault.Run, "was killed"},
		{"killed, its lock left", session(""), fmt.Sprintf(`{"pid": 2147483647, "host": %q}`, host), false, fault.Run, "was killed"},
		{"running", session(""), fmt.Sprintf(`{"pid": %d, "host": %q}`, os.Getpid(), host), true, 0, ""},
		{"running elsewhere", session(""), `{"pid": 1, "host": "elsewhere"}`, true, 0, ""},
	} {
		put(t, filepath.Join(run, rundir.ProvenanceFile), []byte(c.made))
		os.Remove(lock)
		if c.lock != "" {
			put(t, lock, []byte(c.lock))
		}
		err := Top(t.Context(), TopOptions{Run: run, Every: 50 * time.Millisecond, Once: c.once}, Console{Out: &out})
		if c.kind == 0 && err == nil {
			continue
		}
		if fault.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) || fault.Remedy(err) == "" {
			t.Errorf("%s: kind %d, %v", c.what, fault.KindOf(err), err)
		}
	}
	if !strings.Contains(out.String(), "fold x  step 1  epoch 1/2  loss ") {
		t.Errorf("%s", &out)
	}

	// Who no longer wants to look stops looking.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Top(ctx, TopOptions{Run: run, Every: time.Hour}, Console{Out: &out}); err != nil {
		t.Error(err)
	}
	for _, o := range []TopOptions{{Run: run, Every: time.Millisecond}, {Run: dir + "/nowhere", Every: time.Second}} {
		if err := Top(t.Context(), o, Console{Out: &out}); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
