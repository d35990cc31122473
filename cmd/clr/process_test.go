//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is clr at work, in a folder.
type process struct {
	*exec.Cmd
	says *speech // on standard error
	done chan struct{}
}

// speech is what a process has said so far.
type speech struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *speech) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *speech) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// heard lets processes hear a hang-up even where these tests run under nohup: what
// a process ignores its children ignore, what it handles they do not.
var heard = sync.OnceFunc(func() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) })

func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	heard()
	p := &process{Cmd: exec.Command("clr", args...), says: new(speech), done: make(chan struct{})}
	p.Dir, p.Stderr = dir, p.says
	p.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "CLR_KILL") }) // no settings of clr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.done) }()
	return p
}

// patience is how long nothing may take.
const patience = 2 * time.Minute

// ends waits until the process has ended by itself, with an exit code.
func (p *process) ends(t *testing.T, code int) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.hangs(t)
	}
	if got := p.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v ends with %d, want %d:\n%s", p.Args, got, code, p.says)
	}
}

// until waits for something while the process is at work.
func (p *process) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); {
		select {
		case <-p.done:
			if is() {
				return
			}
			t.Fatalf("%v has ended before %s: %v\n%s", p.Args, what, p.ProcessState, p.says)
		case <-time.After(200 * time.Microsecond):
		}
		if time.Since(began) > patience {
			p.hangs(t)
		}
	}
}

// untilSays waits for words on standard error.
func (p *process) untilSays(t *testing.T, words string) {
	t.Helper()
	p.until(t, "it says "+words, func() bool { return strings.Contains(p.says.String(), words) })
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// hangs ends a process that does not end, and the test with where it was.
func (p *process) hangs(t *testing.T) {
	t.Helper()
	p.Process.Signal(syscall.SIGQUIT) // Go then prints where every goroutine is
	time.Sleep(time.Second)
	p.Process.Kill()
	<-p.done
	t.Fatalf("%v goes on after %v:\n%s", p.Args, patience, p.says)
}

// killed says whether the process was killed, rather than still at work or
// ended by itself.
func (p *process) killed() bool {
	select {
	case <-p.done:
		return p.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	default:
		return false
	}
}
