//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"clr/internal/disk"
	"clr/internal/rundir"
)

// tinySweep has four trials of tiny, two of which at most are trained to the end.
const tinySweep = `config: c.yaml
method: grid
metric: {name: loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 1, eta: 2}
parameters: {method.temperature: {values: [0.1, 0.5]}}
seeds: 2
then: [linear-probe]
`

// withoutStop trains all four to their end.
var withoutStop = strings.Replace(tinySweep, "early_terminate: {type: hyperband, min_iter: 1, eta: 2}\n", "", 1)

// sweepFolder holds a sweep beside the corpus that it is of.
func sweepFolder(t *testing.T, base, name string) (dir string) {
	t.Helper()
	dir = filepath.Join(base, name)
	put(t, filepath.Join(dir, "c.yaml"), []byte(tiny))
	put(t, filepath.Join(dir, "sweep.yaml"), []byte(tinySweep))
	return dir
}

// sweptTo is what a sweep came to: its table, and each trial's last checkpoint.
func sweptTo(t *testing.T, dir string) string {
	t.Helper()
	c := exec.Command("clr", "sweep", "table", "s")
	c.Dir = dir
	table, err := c.Output()
	if err != nil {
		t.Fatalf("clr sweep table: %v", err)
	}
	for i := range 4 {
		hash, err := disk.Hash(os.DirFS(filepath.Join(dir, "s/trials", fmt.Sprintf("%04d", i), "run")), rundir.LastFile)
		if err != nil {
			t.Fatal(err)
		}
		table = append(table, hash+"\n"...)
	}
	return string(table)
}

// trainers are the processes that write the runs of a sweep.
func trainers(dir string) (all []int) {
	locks, _ := filepath.Glob(filepath.Join(dir, "s/trials/*/run", rundir.LockFile))
	for _, path := range locks {
		if h, held := disk.HolderOf(path); held {
			all = append(all, h.PID)
		}
	}
	return all
}

// A sweep that is killed five times, with what it had started or without, comes to
// what an undisturbed one comes to, byte for byte, and so do its trials one by one.
func TestSweepKilled(t *testing.T) {
	base := t.TempDir()
	tinyCorpus(t, filepath.Join(base, "corpus"))
	run := func(dir string, more ...string) *process {
		return start(t, dir, append([]string{"sweep", "run", "sweep.yaml", "--out", "s", "--quiet"}, more...)...)
	}
	quiet := sweepFolder(t, base, "quiet")
	began := time.Now()
	run(quiet, "--jobs", "2").ends(t, 0)
	took := time.Since(began)
	want := sweptTo(t, quiet)
	if !strings.Contains(want, ",pruned,") || !strings.Contains(want, ",done,") {
		t.Fatalf("the sweep stops none of its trials, or all:\n%s", want)
	}

	killed := sweepFolder(t, base, "killed")
	seed := setting(t, "CLR_KILL_SEED", rand.Uint64())
	t.Logf("CLR_KILL_SEED=%d", seed)
	draw := rand.New(rand.NewPCG(seed, 99))
	for kills := 0; ; {
		p := run(killed, "--jobs", "2")
		if kills < 5 {
			select {
			case <-p.done:
			case <-time.After(time.Duration(draw.Int64N(int64(took / 3)))):
			}
			if kills%2 == 0 { // as a machine that goes down kills all
				for _, pid := range trainers(killed) {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			p.Process.Kill()
			<-p.done
		} else {
			p.ends(t, 0)
		}
		if !p.killed() {
			if kills < 5 {
				t.Logf("it was done after %d kills", kills)
			}
			break
		}
		kills++
	}
	if got := sweptTo(t, killed); got != want {
		t.Errorf("after kills it comes to\n%s\nundisturbed to\n%s", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(killed, "s/trials/*/*.lock")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}

	one := sweepFolder(t, base, "one")
	for _, i := range []string{"0", "3", "2", "1"} { // 3 has the first three come as far as itself
		run(one, "--index", i).ends(t, 0)
	}
	if got := sweptTo(t, one); got != want {
		t.Errorf("one by one it comes to\n%s\ntogether to\n%s", got, want)
	}

	logs := func() (n int) {
		for i := range 4 {
			b, err := os.ReadFile(filepath.Join(one, "s/trials", fmt.Sprintf("%04d", i), "log.txt"))
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, []byte("$ clr "))
		}
		return n
	}
	before := logs()
	run(one).ends(t, 0)
	if after := logs(); after != before {
		t.Errorf("a sweep that is done runs %d commands more", after-before)
	}
}

// Workers that share a folder divide the trials, and one that is stopped by a signal
// ends with 75 and leaves its trials to the others.
func TestSweepShared(t *testing.T) {
	base := t.TempDir()
	tinyCorpus(t, filepath.Join(base, "corpus"))
	dir := sweepFolder(t, base, "work")
	first := start(t, dir, "sweep", "run", "sweep.yaml", "--out", "s")
	second := start(t, dir, "sweep", "run", "sweep.yaml", "--out", "s", "--jobs", "2")
	first.until(t, "it trains", func() bool { return len(trainers(dir)) > 0 })
	first.signal(t, syscall.SIGTERM)
	first.ends(t, 75)
	second.ends(t, 0)
	if said := first.says.String(); !strings.Contains(said, "trials are left") {
		t.Errorf("it says:\n%s", said)
	}
	alone := sweepFolder(t, base, "alone")
	start(t, alone, "sweep", "run", "sweep.yaml", "--out", "s", "--quiet").ends(t, 0)
	if got, want := sweptTo(t, dir), sweptTo(t, alone); got != want {
		t.Errorf("two workers come to\n%s\none to\n%s", got, want)
	}
}

// A command that the system ends, as it does for want of memory, is one failed trial
// with its reason; tried again it comes to what it would have come to.
func TestSweepLosesACommand(t *testing.T) {
	base := t.TempDir()
	tinyCorpus(t, filepath.Join(base, "corpus"))
	dir, alone := sweepFolder(t, base, "work"), sweepFolder(t, base, "alone")
	for _, d := range []string{dir, alone} {
		put(t, filepath.Join(d, "sweep.yaml"), []byte(withoutStop))
	}
	p := start(t, dir, "sweep", "run", "sweep.yaml", "--out", "s")
	p.until(t, "it trains", func() bool { return len(trainers(dir)) > 0 })
	syscall.Kill(trainers(dir)[0], syscall.SIGKILL)
	p.ends(t, 1)
	if said := p.says.String(); !strings.Contains(said, "clr: 1 of 4 trials failed; trial 0: pretrain: ended by signal 9 (killed), as the system ends who takes more memory than there is") {
		t.Errorf("it says:\n%s", said)
	}
	start(t, dir, "sweep", "retry", "s", "--failed").ends(t, 0)
	start(t, dir, "sweep", "run", "sweep.yaml", "--out", "s").ends(t, 0)
	start(t, alone, "sweep", "run", "sweep.yaml", "--out", "s").ends(t, 0)
	if got, want := sweptTo(t, dir), sweptTo(t, alone); got != want {
		t.Errorf("tried again it comes to\n%s\nundisturbed to\n%s", got, want)
	}
}
