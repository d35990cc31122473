package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"clr/internal/fault"
	"clr/internal/layout"
)

func TestExitCodes(t *testing.T) {
	usr1, term, keyboard := os.Signal(syscall.SIGUSR1), os.Signal(syscall.SIGTERM), os.Signal(syscall.SIGINT)
	for _, c := range []struct {
		err    error
		signal os.Signal
		want   int
		says   string
	}{
		{nil, nil, 0, ""},
		{nil, keyboard, 0, ""}, // it was done before the signal was seen
		{errors.New("it broke"), nil, 1, "clr: it broke\n"},
		{fault.New(fault.Data, "do better", "no sound"), nil, 3, "clr: no sound\n  hint: do better\n"},
		{fmt.Errorf("fold 3: %w", fault.New(fault.Diverged, "", "nan")), nil, 4, "clr: fold 3: nan\n"},
		{fault.New(fault.Mismatch, "", "differs"), nil, 5, "clr: differs\n"},
		{fmt.Errorf("save: %w", syscall.ENOSPC), nil, 6, ""},
		{fault.New(fault.Interrupted, "resume", "saved"), usr1, 75, "clr: saved\n  hint: resume\n"},
		{fmt.Errorf("features: %w", context.Canceled), keyboard, 130, ""},
		{fmt.Errorf("features: %w", context.Canceled), term, 143, ""},
		{errors.New("it broke"), term, 1, "clr: it broke\n"},
		{fault.New(fault.Usage, "two\nlines", "x"), nil, 2, "clr: x\n  hint: two\n        lines\n"},
	} {
		var b bytes.Buffer
		if got := report(&b, c.err, c.signal); got != c.want {
			t.Errorf("%v, signal %v: exit code %d, want %d", c.err, c.signal, got, c.want)
		}
		if c.says != "" && b.String() != c.says {
			t.Errorf("%v: it says %q, want %q", c.err, b.String(), c.says)
		}
	}
}

// Every kind of failure stands in clr help exit-codes.
func TestExitCodesAreDocumented(t *testing.T) {
	for _, k := range []fault.Kind{0, fault.Run, fault.Usage, fault.Data, fault.Diverged, fault.Mismatch, fault.Resource, fault.Interrupted, 130, 143} {
		if !strings.Contains(exitCodesText, fmt.Sprintf("\n%5d  ", int(k))) {
			t.Errorf("exit code %d is not in the help", k)
		}
	}
}

func TestSignals(t *testing.T) {
	// One signal cancels, and the command's own end counts.
	done, signals := make(chan error, 1), make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	cancel := func() { done <- fault.New(fault.Interrupted, "", "saved") }
	if got := await(done, signals, cancel, io.Discard); got != 75 {
		t.Errorf("after one signal: %d", got)
	}
	// A second one does not wait for a command that hangs.
	for s, want := range map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGUSR1: 143} {
		signals := make(chan os.Signal, 2)
		signals <- syscall.SIGUSR1
		signals <- s
		cancelled := 0
		if got := await(make(chan error), signals, func() { cancelled++ }, io.Discard); got != want || cancelled != 1 {
			t.Errorf("after %v: %d, cancelled %d times", s, got, cancelled)
		}
	}
}

func TestPanicIsReported(t *testing.T) {
	var b bytes.Buffer
	err := fault.Guard(func() error { panic("kernel: odd shape") })
	if code := report(&b, err, nil); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"main_test.go", "clr: internal error, a mistake in clr: kernel: odd shape\n", "hint: please report it"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// Every command is a sentence: it has a doc, belongs to a group where there
// are groups, and takes no flag that is not described.
func TestCommandsAreDescribed(t *testing.T) {
	p := program{}
	for _, c := range p.root().Commands() {
		if c.Short == "" || c.GroupID == "" && !c.IsAdditionalHelpTopicCommand() {
			t.Errorf("%s has no line or group in the help", c.Name())
		}
		if strings.HasSuffix(c.Short, ".") || strings.ToUpper(c.Short[:1]) != c.Short[:1] {
			t.Errorf("%s: %q should begin with a capital and have no full stop", c.Name(), c.Short)
		}
	}
}

// What documents and the doctor's remedies tell a person to run is there: a document's
// commands stand in backticks or lines of their own, the doctor's in the middle of a sentence.
func TestNamedCommandsAreThere(t *testing.T) {
	p := program{}
	root := p.root()
	command := regexp.MustCompile("(?m)(?:`|^    |see with )clr ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, file := range append(files, "../../README.md", "../../ARCHITECTURE.md", "../../CONTRIBUTING.md", "../../internal/health/doctor.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			if named++; m[1] == "help" {
				continue
			}
			c, _, err := root.Find([]string{m[1]})
			if err != nil || c == root {
				t.Errorf("%s names clr %s, which is no command", file, m[1])
			} else if c.HasSubCommands() && m[2] != "" {
				if sub, _, _ := root.Find(m[1:3]); sub == c {
					t.Errorf("%s names clr %s %s, which is no command", file, m[1], m[2])
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d commands are named", named)
	}
}

// What a layout obeys is a flag of clr data import, described as that layout's.
func TestLayoutFlags(t *testing.T) {
	p := program{}
	flags := p.dataImport().Flags()
	for name, l := range layout.Table {
		for _, option := range l.Takes {
			if f := flags.Lookup(option); f == nil || !strings.HasPrefix(f.Usage, name+": ") {
				t.Errorf("%s takes --%s, which clr data import does not have or not for it", name, option)
			}
		}
	}
}
