// Command clr learns representations of sound without labels and asks what
// they are worth.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it carries out a command line and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if isTerminal(stdout) {
		stdout = pipeline.NewTerminal(stdout)
	}
	if isTerminal(stderr) {
		stderr = pipeline.NewTerminal(stderr)
	}
	log.SetOutput(io.Discard) // where mewkiz/flac and Gorgonia talk of themselves
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1)
	if !signal.Ignored(syscall.SIGHUP) { // nohup wants it ignored
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGPIPE) // who no longer reads progress must not end a training

	done := make(chan error, 1)
	go func() {
		done <- fault.Guard(func() error { return command(ctx, args, stdout, stderr) })
	}()
	return await(done, signals, cancel, stderr)
}

// await waits for a command. The first signal cancels it, so that it saves
// what it can; a second one ends the program without waiting any longer.
func await(done <-chan error, signals <-chan os.Signal, cancel func(), stderr io.Writer) int {
	var got os.Signal
	for {
		select {
		case err := <-done:
			return report(stderr, err, got)
		case s := <-signals:
			if got != nil {
				fmt.Fprintf(stderr, "clr: %v again: stopped at once; the last checkpoint is as it was\n", s)
				return codeOf(s)
			}
			got = s
			fmt.Fprintf(stderr, "clr: %v: stopping; once more to stop at once\n", s)
			cancel()
		}
	}
}

// command carries out one command line.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	p := program{out: stdout, err: stderr}
	root := p.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !p.started && fault.KindOf(err) == fault.Run { // cobra's own, about a flag or an argument
		return fault.New(fault.Usage, "see clr help", "%w", err)
	}
	return err
}

// report prints an error and gives the exit code. got is the signal that the
// command was stopped by, if any.
func report(stderr io.Writer, err error, got os.Signal) int {
	if err == nil {
		return 0
	}
	kind := fault.KindOf(err)
	if got != nil && kind == fault.Run && errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "clr: stopped; the same command starts over")
		return codeOf(got)
	}
	if errors.Is(err, syscall.EPIPE) { // nobody reads the results any more, as behind head
		return codeOfPipe
	}
	var mistake *fault.Panic
	if errors.As(err, &mistake) {
		fmt.Fprintf(stderr, "%s\n", mistake.Stack)
	}
	fmt.Fprintf(stderr, "clr: %s\n", err)
	if hint := fault.Remedy(err); hint != "" {
		fmt.Fprintf(stderr, "  hint: %s\n", strings.ReplaceAll(hint, "\n", "\n        "))
	}
	return int(kind)
}

// codeOfPipe is what a shell gives a program that SIGPIPE has ended.
const codeOfPipe = 141

// codeOf is the exit code of a program ended by a signal: 130 for the
// keyboard's, 143 for a scheduler's.
func codeOf(s os.Signal) int {
	if s == syscall.SIGINT {
		return 130
	}
	return 143
}
