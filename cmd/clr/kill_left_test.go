//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/rundir"
)

// What a kill left, in the order in which it is looked for.
const (
	nothing    = iota // has changed
	halfStore         // features, or embeddings, half made
	noRun             // a run folder without config.yaml
	describing        // run.json or config.yaml aside
	halfSaved         // a checkpoint half written
	saved             // a whole checkpoint, not in its place
	rotating          // older checkpoints making room
	trimming          // a log being written anew, without what follows the checkpoint
	unsaved           // no checkpoint yet
	between           // a fold done, the next without a step
	allSaved          // all learnt and saved
	ahead             // a log with steps that no checkpoint holds
	stepping          // a log and a checkpoint of the same step
	halfResult        // a report or an export half written
	result            // a store, a report or an export in its place
	moments
)

var momentNames = [moments]string{
	"before anything was written", "features or embeddings half made", "before it was a run", "run.json or config.yaml in writing",
	"checkpoint half written", "checkpoint written, not in place", "older checkpoints making room", "log being cut back",
	"before the first checkpoint", "between folds", "all saved, not ended", "log ahead of the checkpoint", "between two steps",
	"report or export in writing", "result in place, not ended",
}

// A toll is what became of a victim.
type toll struct {
	victim
	at    [moments]int // kills by what they left
	kills int
	runs  int // that came to their end
	torn  int // lines torn after a kill
}

// files are those below a folder.
type files map[string]fs.FileInfo

func look(dir string) files {
	f := files{}
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error { // what vanishes meanwhile is not there
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				rel, _ := filepath.Rel(dir, p)
				f[filepath.ToSlash(rel)] = info
			}
		}
		return nil
	})
	return f
}

// since is those that are new or changed.
func (f files) since(before files) files {
	changed := files{}
	for name, now := range f {
		if was, ok := before[name]; !ok || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) || !os.SameFile(was, now) {
			changed[name] = now
		}
	}
	return changed
}

// any says whether the last element of any name fits a pattern.
func (f files) any(patterns ...string) bool {
	for name := range f {
		for _, p := range patterns {
			if ok, _ := path.Match(p, path.Base(name)); ok {
				return true
			}
		}
	}
	return false
}

// count finds what a kill left in a work folder, and that no file that has its
// name is in part what it should be.
func (o *toll) count(t *testing.T, ref, dir string, before files) {
	t.Helper()
	now := look(dir)
	changed := now.since(before)
	for name := range changed {
		switch base := path.Base(name); {
		case strings.HasPrefix(base, "."), strings.HasSuffix(base, ".partial"), strings.HasSuffix(base, ".lock"), base == rundir.MetricsFile, base == rundir.HealthFile:
			// read, or thrown away, by the next process
		case base == rundir.ProvenanceFile:
			if _, _, err := rundir.Read(filepath.Join(dir, path.Dir(name))); err != nil {
				t.Fatalf("a kill left a file that is not whole: %v", err)
			}
		case len(o.folds) > 0 && strings.HasPrefix(base, "last"):
			if _, err := checkpoint.Load(filepath.Join(dir, name)); err != nil {
				t.Fatalf("a kill left a checkpoint that is not whole: %v", err)
			}
		default:
			if !bytes.Equal(read(t, dir, name), read(t, ref, name)) {
				t.Fatalf("a kill left other bytes in %s", name)
			}
		}
	}
	o.kills++
	o.at[o.moment(t, ref, dir, now, changed)]++
}

func (o *toll) moment(t *testing.T, ref, dir string, now, changed files) int {
	t.Helper()
	switch _, run := now["run/"+rundir.ConfigFile]; {
	case len(changed) == 0:
		return nothing
	case changed.any("*.partial"):
		return halfStore
	case len(o.folds) > 0 && changed.any("."+rundir.ProvenanceFile+".aside-*", "."+rundir.ConfigFile+".aside-*"):
		return describing
	case len(o.folds) > 0 && !run:
		return noRun
	case len(o.folds) > 0:
		return o.training(t, ref, dir, changed)
	case changed.any(".*.aside-*"):
		return halfResult
	}
	return result
}

// training is the moment of a run that has its config.
func (o *toll) training(t *testing.T, ref, dir string, changed files) int {
	t.Helper()
	whole := look(ref)
	done := 0
	for _, f := range o.folds {
		last := path.Join(f.dir, rundir.LastFile)
		if aside, ok := changed[path.Join(f.dir, "."+rundir.LastFile+".aside-0")]; ok {
			switch {
			case aside.Size() < whole[last].Size():
				return halfSaved
			case changed.any(".last-*.aside-*"), twoNames(filepath.Join(dir, last)), gap(filepath.Join(dir, last)):
				return rotating
			}
			return saved
		}
		if step := stepOf(t, filepath.Join(dir, f.dir)); step == f.steps {
			done++
		}
	}
	if changed.any("."+rundir.MetricsFile+".aside-*", "."+rundir.HealthFile+".aside-*") {
		return trimming
	}
	switch {
	case done == len(o.folds) && changed.any(".report-*.aside-*", ".predictions-*.aside-*"):
		return halfResult
	case done == len(o.folds):
		return allSaved
	}
	current := filepath.Join(dir, o.folds[done].dir)
	log, err := os.ReadFile(filepath.Join(current, rundir.MetricsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	logged, step := bytes.Count(log, []byte("\n")), stepOf(t, current)
	switch {
	case done > 0 && logged == 0:
		return between
	case step == 0:
		return unsaved
	case logged > step:
		return ahead
	}
	return stepping
}

// twoNames says whether a checkpoint is its own elder.
func twoNames(last string) bool {
	a, err1 := os.Stat(last)
	b, err2 := os.Stat(checkpoint.Older(last, 1))
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// gap says whether a name of an elder is free between two that are taken.
func gap(last string) bool {
	_, err1 := os.Stat(checkpoint.Older(last, 1))
	_, err2 := os.Stat(checkpoint.Older(last, 2))
	return err1 != nil && err2 == nil
}

// stepOf is the step of a folder's newest checkpoint, 0 if there is none. A kill
// damages no checkpoint.
func stepOf(t *testing.T, dir string) int {
	t.Helper()
	cp, warning, err := checkpoint.LoadNewest(dir, rundir.LastFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil || warning != "" {
		t.Fatalf("a kill left a checkpoint that is not whole: %v %s", err, warning)
	}
	step, err := strconv.Atoi(cp.Meta["step"])
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// equal fails unless a work folder holds what the reference's does: the same
// names, and below them the same bytes, but for the times in a log and the
// sessions in run.json.
func equal(t *testing.T, v victim, ref, dir string, starts int) {
	t.Helper()
	want, got := names(ref), names(dir)
	if !slices.Equal(got, want) {
		t.Fatalf("after %d kills the folder holds\n%q, not\n%q", starts-1, got, want)
	}
	for _, name := range want {
		a, b := read(t, ref, name), read(t, dir, name)
		switch path.Base(name) {
		case rundir.MetricsFile:
			x, y := logOf(t, a), logOf(t, b)
			if !slices.Equal(x, y) {
				t.Errorf("after %d kills %s holds\n%+v, not\n%+v", starts-1, name, y, x)
			}
			for _, f := range v.folds {
				if path.Dir(name) == f.dir && len(y) != f.steps {
					t.Errorf("after %d kills %s holds %d steps, not %d", starts-1, name, len(y), f.steps)
				}
			}
		case rundir.ProvenanceFile:
			sessions(t, v, filepath.Dir(filepath.Join(ref, name)), filepath.Dir(filepath.Join(dir, name)), starts)
		default:
			if x, y := sha256.Sum256(a), sha256.Sum256(b); x != y {
				t.Errorf("after %d kills the SHA-256 of %s is %x, not %x", starts-1, name, y, x)
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func names(dir string) (all []string) {
	for name := range look(dir) {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// logOf is the lines of a log that has each step from 0 on once, without what
// the clock told.
func logOf(t *testing.T, b []byte) (lines []rundir.Line) {
	t.Helper()
	for i, text := range strings.SplitAfter(string(b), "\n") {
		if text == "" {
			break
		}
		var l rundir.Line
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil || l.Step != i || !strings.HasSuffix(text, "}\n") {
			t.Fatalf("line %d of the log is %q: %v", i+1, text, err)
		}
		l.ClipsPS, l.Wait = 0, 0
		lines = append(lines, l)
	}
	return lines
}

// sessions fails unless two runs were made with the same, and the second one's
// last process came to its end, after at most so many.
func sessions(t *testing.T, v victim, ref, dir string, starts int) {
	t.Helper()
	want, _, err1 := rundir.Read(ref)
	got, list, err2 := rundir.Read(dir)
	if err1 != nil || err2 != nil || got != want {
		t.Errorf("after %d kills run.json holds %+v, not %+v (%v, %v)", starts-1, got, want, err1, err2)
	}
	if len(v.folds) > 0 && (len(list) == 0 || len(list) > starts || list[len(list)-1].Outcome != "done") {
		t.Errorf("after %d kills run.json tells of %d sessions: %+v", starts-1, len(list), list)
	}
}

// table has a row for each moment and a column for each victim.
func table(tolls []*toll) string {
	var b strings.Builder
	row := func(name string, cell func(o *toll) any) {
		fmt.Fprintf(&b, "%-36s", name)
		for _, o := range tolls {
			fmt.Fprintf(&b, " %12v", cell(o))
		}
		b.WriteByte('\n')
	}
	row("killed", func(o *toll) any { return o.name })
	for m, name := range momentNames {
		row(name, func(o *toll) any {
			if o.at[m] == 0 {
				return "."
			}
			return o.at[m]
		})
	}
	row("kills", func(o *toll) any { return o.kills })
	row("lines of the log torn after a kill", func(o *toll) any { return o.torn })
	row("runs that ended as the reference", func(o *toll) any { return o.runs })
	return b.String()
}
