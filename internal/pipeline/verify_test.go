package pipeline

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/rundir"
)

func TestVerify(t *testing.T) {
	dir := tones(t, 20)
	r := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "log.digest=2"), PretrainOptions{Run: r})
	files := func() (all string) {
		for _, f := range []string{rundir.ConfigFile, rundir.MetricsFile, rundir.LastFile, rundir.ProvenanceFile} {
			all += string(get(t, r, f))
		}
		return all
	}
	before := files()
	con, said := silent()
	v, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{Set: []string{"workers=5"}}, con)
	if err != nil {
		t.Fatal(err, said)
	}
	want := FoldVerified{Steps: 9, Logged: 9, Digests: 4, Total: 9, Saved: 9, Reached: true}
	if !v.Identical || len(v.Folds) != 1 || v.Folds[0] != want || len(v.Environment) != 0 {
		t.Errorf("%+v", v)
	}
	said.Reset()
	if err := v.Write(con); err != nil || !strings.Contains(said.String(), "identical") || strings.Contains(said.String(), "different") {
		t.Errorf("%v, %q", err, said)
	}
	if v, err = Verify(t.Context(), VerifyOptions{Run: r, Steps: 3}, Overrides{}, con); err != nil || v.Folds[0].Steps != 3 || v.Folds[0].Reached {
		t.Errorf("three steps: %+v, %v", v, err)
	}
	if files() != before {
		t.Error("verifying changed the run")
	}

	// Any value that did not come from this config is found, where it stands.
	log := get(t, r, rundir.MetricsFile)
	lines := bytes.SplitAfter(log, []byte("\n"))
	for field, value := range map[string]any{"loss": 1.5, "lr": 1e-9, "grad_norm": 3, "z_std": 0.1, "temperature": 0.5, "epoch": 7, "digest": strings.Repeat("0", 64)} {
		var l map[string]any
		if err := json.Unmarshal(lines[5], &l); err != nil {
			t.Fatal(err)
		}
		l[field] = value
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(r, rundir.MetricsFile), bytes.Join(slices.Concat(lines[:5], [][]byte{append(b, '\n')}, lines[6:]), nil))
		v, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
		says(t, err, r, "step 5: "+field)
		if fault.KindOf(err) != fault.Mismatch || fault.Remedy(err) == "" || v.Identical || v.Folds[0].First == nil || v.Folds[0].First.Step != 5 {
			t.Errorf("%s: %v, %+v", field, err, v)
		}
		if _, err := Verify(t.Context(), VerifyOptions{Run: r, Steps: 5}, Overrides{}, con); err != nil {
			t.Errorf("the steps before: %v", err)
		}
	}
	put(t, filepath.Join(r, rundir.MetricsFile), bytes.Join(slices.Concat(lines[:4], lines[5:]), nil))
	if _, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con); fault.KindOf(err) != fault.Data {
		t.Errorf("a log with a gap: %v", err)
	}
	put(t, filepath.Join(r, rundir.MetricsFile), log)

	// So is a checkpoint that is none of the log's.
	cp, err := checkpoint.Load(filepath.Join(r, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	cp.Arrays["encoder.conv1.weight"].Data[3] += 1e-6
	if err := checkpoint.Save(filepath.Join(r, rundir.LastFile), cp); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
	says(t, err, "step 8: encoder.conv1.weight[3] was ")
	if fault.KindOf(err) != fault.Mismatch {
		t.Error(err)
	}
}

// What has changed around a run is named beside the first difference.
func TestVerifyNamesTheEnvironment(t *testing.T) {
	dir := tones(t, 20)
	r := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: r, MaxSteps: 4})
	p := get(t, r, rundir.ProvenanceFile)
	put(t, filepath.Join(r, rundir.ProvenanceFile), bytes.ReplaceAll(p, []byte(`"cpu_path": "`), []byte(`"cpu_path": "plan9/`)))
	con, said := silent()
	v, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
	if err != nil || !v.Identical || len(v.Environment) != 1 || !strings.Contains(v.Environment[0], "plan9/") {
		t.Errorf("%+v, %v", v, err)
	}
	if err := v.Write(con); err != nil || !strings.Contains(said.String(), "not as it was: cpu_path: plan9/") {
		t.Errorf("%v, %q", err, said)
	}
	put(t, filepath.Join(dir, "00.wav"), wav(500, 0.3, 1))
	os.Remove(filepath.Join(dir, "store.clrs"))
	_, err = Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
	if fault.KindOf(err) != fault.Mismatch {
		t.Errorf("over another recording: %v", err)
	}
	for _, word := range []string{"corpus: ", "feature store: ", "plan9/"} {
		if !strings.Contains(fault.Remedy(err), word) {
			t.Errorf("no %q in %q", word, fault.Remedy(err))
		}
	}
}

// Folds, a run that was stopped and one that was given more epochs are
// executed again as they were.
func TestVerifyWhatWasResumed(t *testing.T) {
	dir := tones(t, 16)
	r := filepath.Join(dir, "run")
	con, _ := silent()
	for _, s := range []struct {
		epochs string
		steps  int
	}{{"2", 1}, {"2", 3}, {"2", 0}, {"3", 5}, {"4", 5}, {"5", 7}} {
		set := []string{"split.by=room", "schedule.epochs=" + s.epochs}
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: r, MaxSteps: s.steps, Resume: true})
		v, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
		if err != nil || len(v.Folds) != 2 {
			t.Fatalf("to %s epochs, %d steps: %v, %+v", s.epochs, s.steps, err, v)
		}
		for _, f := range v.Folds {
			if !f.Reached || f.Steps != f.Logged || f.Steps == 0 {
				t.Errorf("to %s epochs, %d steps: %+v", s.epochs, s.steps, f)
			}
		}
	}
	if v, err := Verify(t.Context(), VerifyOptions{Run: r, Fold: "y"}, Overrides{}, con); err != nil || len(v.Folds) != 1 || v.Folds[0].Fold != "y" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	dir := tones(t, 20)
	r := filepath.Join(dir, "run")
	con, _ := silent()
	if _, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con); fault.KindOf(err) != fault.Usage {
		t.Errorf("no run: %v", err)
	}
	pretrain(t, load(t, dir), PretrainOptions{Run: r, MaxSteps: 4})
	if _, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{Set: []string{"seed=2"}}, con); fault.KindOf(err) != fault.Usage {
		t.Errorf("another seed: %v", err)
	}
	config := get(t, r, rundir.ConfigFile)
	put(t, filepath.Join(r, rundir.ConfigFile), bytes.Replace(config, []byte("seed: 1"), []byte("seed: 2"), 1))
	_, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
	if says(t, err, "seed: the checkpoint has 1, the run 2"); fault.KindOf(err) != fault.Data {
		t.Errorf("an edited config: %v", err)
	}
	put(t, filepath.Join(r, rundir.ConfigFile), config)
	log := get(t, r, rundir.MetricsFile)
	for what, part := range map[string][]byte{"holds no steps": nil, "lines are missing": log[:bytes.IndexByte(log, '\n')+1]} {
		put(t, filepath.Join(r, rundir.MetricsFile), part)
		_, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con)
		if says(t, err, rundir.MetricsFile, what); fault.KindOf(err) != fault.Data {
			t.Errorf("%s: %v", what, err)
		}
	}
	put(t, filepath.Join(r, rundir.MetricsFile), log)
	last := get(t, r, rundir.LastFile)
	last[len(last)-1] ^= 1
	put(t, filepath.Join(r, rundir.LastFile), last)
	if v, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con); err != nil || !v.Folds[0].Older || v.Folds[0].Saved != 3 {
		t.Errorf("a damaged checkpoint: %+v, %v", v, err)
	}
	os.Remove(filepath.Join(r, rundir.MetricsFile))
	if _, err := Verify(t.Context(), VerifyOptions{Run: r}, Overrides{}, con); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("no log: %v", err)
	}
}
