//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"clr/internal/rundir"
)

// slowConfig is smallConfig with steps that take some tenths of a second, saved
// after each: time enough for a signal to meet one.
var slowConfig = strings.NewReplacer("width: 4", "width: 16, stem: small", "epochs: 2", "epochs: 4", "batch: 400", "batch: 300").
	Replace(smallConfig) + `checkpoint: {steps: 1}
linear_probe: {c_steps: 4, inner_folds: 3}
mlp_probe: {hidden: [64], epochs: 40}
`

// Each of the signals, sent to the program while it trains, makes it save and
// end with 75; resumed, it ends with the bytes of a run that nobody stopped.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "c.yaml"), []byte(strings.Replace(smallConfig, "epochs: 2", "epochs: 30", 1)))
	pretrain := []string{"pretrain", "--config", "c.yaml", "--quiet", "--resume", "--run"}
	logged := func() int {
		b, _ := os.ReadFile(filepath.Join(dir, "run", rundir.MetricsFile)) // not there yet: nothing is logged
		return bytes.Count(b, []byte("\n"))
	}
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		seen := logged()
		p := start(t, dir, append(pretrain, "run")...)
		p.until(t, "two steps", func() bool { return logged() >= seen+2 })
		p.signal(t, s)
		p.ends(t, 75)
		if !strings.Contains(p.says.String(), "--resume") {
			t.Errorf("after %v it says:\n%s", s, p.says)
		}
		if n, step := logged(), stepOf(t, filepath.Join(dir, "run")); n != step || step < seen+2 {
			t.Errorf("after %v the checkpoint is of step %d, %d are logged", s, step, n)
		}
	}
	start(t, dir, append(pretrain, "run")...).ends(t, 0)
	start(t, dir, append(pretrain, "straight")...).ends(t, 0)
	sameFile(t, dir, "run/last.safetensors", "straight/last.safetensors")
}

// A second signal, of whichever kind, stops the program in the middle of a step;
// the checkpoint before it is good, and the run goes on from there to the bytes
// of one that nobody stopped.
func TestStoppedAtOnce(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "c.yaml"), []byte(slowConfig))
	pretrain := []string{"pretrain", "--config", "c.yaml", "--quiet", "--resume", "--run"}
	run := filepath.Join(dir, "run")
	for _, c := range []struct {
		first, second syscall.Signal
		code          int
	}{
		{syscall.SIGINT, syscall.SIGINT, 130}, {syscall.SIGTERM, syscall.SIGTERM, 143}, {syscall.SIGUSR1, syscall.SIGUSR1, 143},
		{syscall.SIGHUP, syscall.SIGHUP, 143}, {syscall.SIGUSR1, syscall.SIGINT, 130}, {syscall.SIGINT, syscall.SIGTERM, 143},
	} {
		var p *process
		for try := 0; try == 0 || p.ProcessState.ExitCode() == 75 && try < 3; try++ { // where others keep the cores busy, the step may be over first
			before := look(run)
			p = start(t, dir, append(pretrain, "run")...)
			p.until(t, "a checkpoint", func() bool { return look(run).since(before).any(rundir.LastFile) })
			p.signal(t, c.first)
			p.untilSays(t, "once more to stop at once")
			p.Process.Signal(c.second) // it may have ended
			<-p.done
		}
		p.ends(t, c.code)
		if !strings.Contains(p.says.String(), "the last checkpoint is as it was") || strings.Contains(p.says.String(), "interrupted") {
			t.Errorf("after %v and %v it says:\n%s", c.first, c.second, p.says)
		}
		if stepOf(t, run) == 0 {
			t.Errorf("after %v and %v there is no checkpoint", c.first, c.second)
		}
	}
	start(t, dir, append(pretrain, "run")...).ends(t, 0)
	start(t, dir, append(pretrain, "straight")...).ends(t, 0)
	sameFile(t, dir, "run/last.safetensors", "straight/last.safetensors")
	if x, y := logOf(t, read(t, dir, "run/metrics.jsonl")), logOf(t, read(t, dir, "straight/metrics.jsonl")); len(x) != 16 || len(y) != 16 {
		t.Errorf("%d and %d steps are logged, not 16", len(x), len(y))
	}
	if got, want := names(run), names(filepath.Join(dir, "straight")); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the folder holds %q, not %q", got, want)
	}
}

// A signal stops every command, wherever it is, with the exit code that the help
// tells; what it was to write is not there, and the same command then writes
// what it would have written.
func TestInterruptedElsewhere(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "c.yaml"), []byte(slowConfig))
	start(t, dir, "pretrain", "--config", "c.yaml", "--run", "run", "--max-steps", "1", "--quiet").ends(t, 0)
	for _, c := range []struct {
		args   string
		words  string // on standard error, when the signal is sent
		signal syscall.Signal
		code   int
		result string
		left   string // of it, when it is stopped
	}{
		{"features --config c.yaml --set store=ALONE.clrs", "features  144/1440", syscall.SIGTERM, 75, "ALONE.clrs", "ALONE.clrs.partial"},
		{"pretrain --config c.yaml --set store=ALONE-run.clrs --run ALONE-run --max-steps 1", "features  144/1440", syscall.SIGINT, 75, "ALONE-run/last.safetensors", "ALONE-run.clrs.partial"},
		{"linear-probe --run ALONE", "linear probe: pretrained", syscall.SIGINT, 130, "ALONE/report-linear-probe.json", ""},
		{"mlp-probe --run ALONE", "mlp probe: pretrained", syscall.SIGHUP, 143, "ALONE/report-mlp-probe.json", ""},
		{"embed --run run --format npy --out ALONE-e.npy", "embed  144/1440", syscall.SIGUSR1, 75, "ALONE-e.npy", "ALONE-e.npy.partial"},
		{"export --run run --format npy --out ALONE.npy", "embed  144/1440", syscall.SIGUSR1, 143, "ALONE.npy", ""},
	} {
		at := func(s, name string) string { return strings.ReplaceAll(s, "ALONE", name) }
		for _, name := range []string{"stopped", "straight"} {
			if strings.Contains(c.args, "--run ALONE") && !strings.HasPrefix(c.args, "pretrain") {
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(dir, "run"))); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		before := look(dir)
		stopped := strings.Fields(at(c.args, "stopped"))
		p := start(t, dir, stopped...)
		p.untilSays(t, c.words)
		p.signal(t, c.signal)
		p.ends(t, c.code)
		for name := range look(dir).since(before) {
			if name != at(c.left, "stopped") {
				t.Errorf("%s: %v leaves %s", c.args, c.signal, name)
			}
		}
		start(t, dir, stopped...).ends(t, 0)
		start(t, dir, strings.Fields(at(c.args, "straight"))...).ends(t, 0)
		sameFile(t, dir, at(c.result, "stopped"), at(c.result, "straight"))
	}
	for name := range look(dir) {
		if strings.Contains(name, ".aside-") || strings.HasSuffix(name, ".partial") {
			t.Errorf("%s is left over", name)
		}
	}
}

// A hang-up that nohup has the program ignore does not stop it; nor does it end
// because nobody reads any more what it says. Who no longer reads results is told
// nothing else.
func TestNobodyListens(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "c.yaml"), []byte(slowConfig))
	run := filepath.Join(dir, "run")
	reader, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	reader.Close()
	p := exec.Command("sh", "-c", `trap "" HUP; exec clr pretrain --config c.yaml --run run`)
	p.Dir, p.Stdout, p.Stderr = dir, write, write
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); !look(run).any(rundir.LastFile) && time.Since(began) < patience; {
		time.Sleep(time.Millisecond)
	}
	p.Process.Signal(syscall.SIGHUP)
	if err := p.Wait(); err != nil {
		t.Fatalf("%v: %v", p.Args, err)
	}
	if n := len(logOf(t, read(t, run, "metrics.jsonl"))); n != 16 {
		t.Errorf("%d steps are logged, not 16", n)
	}
	p = exec.Command("clr", "list", "features")
	said := new(speech)
	p.Stdout, p.Stderr = write, said
	if p.Run(); p.ProcessState.ExitCode() != codeOfPipe || said.String() != "" {
		t.Errorf("%v ends with %v and says %q", p.Args, p.ProcessState, said)
	}
}

// sameFile fails unless two files of a folder are equal.
func sameFile(t *testing.T, dir, a, b string) {
	t.Helper()
	if !bytes.Equal(read(t, dir, a), read(t, dir, b)) {
		t.Errorf("%s and %s differ", a, b)
	}
}
