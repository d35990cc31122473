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
)

// Each of the three signals, sent to the program while it trains, makes it
// save and end with 75; resumed, it ends with the bytes of a run that nobody
// stopped.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	text := strings.Replace(smallConfig, "epochs: 2", "epochs: 30", 1)
	if err := os.WriteFile(config, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) *exec.Cmd {
		c := exec.Command("clr", append([]string{"pretrain", "--config", config, "--quiet"}, args...)...)
		c.Stderr = new(bytes.Buffer)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	code := func(c *exec.Cmd) int {
		c.Wait()
		return c.ProcessState.ExitCode()
	}

	run := filepath.Join(dir, "run")
	metrics := filepath.Join(run, "metrics.jsonl")
	resume := []string{"--run", run}
	seen := 0
	for _, s := range []os.Signal{syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT} {
		c := start(resume...)
		resume = []string{"--run", run, "--resume"}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			if b, err := os.ReadFile(metrics); err == nil && bytes.Count(b, []byte("\n")) >= seen+2 {
				break
			} else if time.Now().After(deadline) {
				c.Process.Kill()
				t.Fatalf("no step in 30 s: %s", c.Stderr)
			}
		}
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if got := code(c); got != 75 || !strings.Contains(c.Stderr.(*bytes.Buffer).String(), "--resume") {
			t.Fatalf("after %v: exit code %d, want 75: %s", s, got, c.Stderr)
		}
		b, err := os.ReadFile(metrics)
		if err != nil {
			t.Fatal(err)
		}
		seen = bytes.Count(b, []byte("\n"))
	}
	if c := start(resume...); code(c) != 0 {
		t.Fatalf("resumed: %s", c.Stderr)
	}
	straight := filepath.Join(dir, "straight")
	if c := start("--run", straight); code(c) != 0 {
		t.Fatalf("never stopped: %s", c.Stderr)
	}
	a, err1 := os.ReadFile(filepath.Join(run, "last.safetensors"))
	b, err2 := os.ReadFile(filepath.Join(straight, "last.safetensors"))
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("stopped three times, the run ends with other bytes (%v, %v)", err1, err2)
	}
}
