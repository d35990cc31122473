package sweep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/pipeline"
)

// A stage is one command of a trial.
type stage struct {
	name string
	args []string
	rung int // epoch after which the trial is compared with others; 0: it is not
}

const pretrain = "pretrain"

// stages are a trial's, in order.
func (s *Sweep) stages(c *pipeline.Config, i int) (all []stage) {
	train := []string{pretrain, "--config", s.ConfigPath(i), "--run", s.RunDir(i), "--resume"}
	ask := func(name string) stage { return stage{name: name, args: []string{name, "--run", s.RunDir(i)}} }
	kind, _, _ := pipeline.ScoreProbe(s.Metric.Name)
	for _, epoch := range s.Stop.Rungs(c.Schedule.Epochs) {
		all = append(all, stage{name: pretrain, args: append(slices.Clone(train), "--max-epochs", strconv.Itoa(epoch))})
		if kind != "" {
			all = append(all, ask(kind+"-probe"))
		}
		all[len(all)-1].rung = epoch
	}
	all = append(all, stage{name: pretrain, args: train})
	for _, then := range s.Then {
		all = append(all, ask(then))
	}
	return all
}

// threads are what each of so many trials at a time has.
func threads(jobs int) int { return max(1, runtime.GOMAXPROCS(0)/jobs) }

// command runs clr for a trial, with what it says in the trial's log. What it ends
// with is an exit code, 128 and the number of a signal, and why.
func (w *worker) command(ctx context.Context, i int, args []string) (code int, reason string, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, "", err
	}
	path := filepath.Join(w.TrialDir(i), LogFile)
	if err := disk.Regular(path); err != nil {
		return 0, "", err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o666)
	if err != nil {
		return 0, "", disk.Failed(path, err)
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, "", err
	}
	fmt.Fprintf(log, "$ clr %s\n", strings.Join(args, " "))
	c := exec.CommandContext(ctx, self, args...)
	c.Args[0] = os.Args[0]
	c.Stdout, c.Stderr = log, log
	c.Env = append(pipeline.WithoutSettings(os.Environ()), "GOMAXPROCS="+strconv.Itoa(w.threads))
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // it saves, and ends by itself
	c.SysProcAttr = apart()
	runtime.LockOSThread() // it is the end of this thread that a child is told of: see apart
	defer runtime.UnlockOSThread()
	if err := c.Run(); ctx.Err() != nil && c.ProcessState == nil {
		return 0, "", stopped
	} else if c.ProcessState == nil {
		return 0, "", fault.New(fault.Resource, "end other processes, or use fewer --jobs", "clr %s did not start: %w", args[0], err)
	}
	if code, how := ended(c.ProcessState); how != "" {
		return code, how, nil
	}
	if code = c.ProcessState.ExitCode(); code == 0 {
		return 0, "", nil
	}
	said, err := io.ReadAll(io.NewSectionReader(log, from, 1<<20))
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, "", fmt.Errorf("%s: %w", path, err)
	}
	reason, known := why(said)
	if !known && code == int(fault.Usage) { // Go's own, of a process that broke down
		code = int(fault.Run)
	}
	return code, reason, nil
}

// why is the error that a command has printed; not known: it has printed none of
// its own.
func why(said []byte) (reason string, known bool) {
	last := ""
	for line := range bytes.Lines(said) {
		text := strings.TrimSpace(string(line))
		if error, ok := strings.CutPrefix(text, "clr: "); ok {
			reason, known = error, true
		} else if strings.HasPrefix(text, "fatal error: ") || strings.HasPrefix(text, "panic: ") {
			reason = text
		}
		if text != "" {
			last = text
		}
	}
	if reason == "" {
		reason = last
	}
	return reason, known
}

// measure is a trial's metric as it is now.
func (w *worker) measure(i int) (float64, error) {
	var r Result
	if err := r.read(w.RunDir(i)); err != nil {
		return 0, err
	}
	v, ok := r.Scores[w.Metric.Name]
	if !ok {
		return 0, fault.New(fault.Usage, "", "there is no %s to compare trials by", w.Metric.Name)
	}
	return v, nil
}

func newSession() session {
	host, _ := os.Hostname()
	now := time.Now().UTC().Truncate(time.Millisecond)
	return session{host, os.Getpid(), now, now}
}
