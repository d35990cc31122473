// Package fault says what kind of failure an error is, and what the person
// can do about it. It hides the mapping from failures to exit codes: a package
// that finds something wrong names the kind and the remedy where it finds it,
// and only cmd/clr turns the kind into the process's exit code.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// A Kind is a class of failure. Its number is the exit code of the process.
type Kind int

// The kinds. Schedulers act on the numbers, so they never change.
const (
	Run         Kind = 1  // the run failed for another reason
	Usage       Kind = 2  // command line or config; a retry fails the same way
	Data        Kind = 3  // a recording, manifest or store; a retry fails the same way
	Diverged    Kind = 4  // loss or gradient not finite, or the representation has collapsed
	Mismatch    Kind = 5  // a verification found a difference
	Resource    Kind = 6  // disk or memory
	Interrupted Kind = 75 // stopped by a signal, good checkpoint written; a retry resumes
)

// An Error is a failure with its kind and, where there is one, its remedy.
type Error struct {
	Kind   Kind
	Err    error
	Remedy string // a sentence on a line of its own, or empty
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind with a remedy (may be empty) and a formatted
// message; %w works as in fmt.Errorf.
func New(k Kind, remedy, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...), Remedy: remedy}
}

// Most is how many mistakes one error lists.
const Most = 20

// List joins mistakes that were found together, one a line, into one error of a
// kind; behind the first 20 it says how many more there are.
func List(k Kind, remedy string, mistakes []error) error {
	if more := len(mistakes) - Most; more > 0 {
		mistakes = append(slices.Clone(mistakes[:Most]), fmt.Errorf("and %d more", more))
	}
	return New(k, remedy, "%w", errors.Join(mistakes...))
}

// KindOf finds the kind of an error: Resource for a full disk or a used-up
// quota, whatever it is wrapped in, else the outermost kind that is named, and
// Run where none is.
func KindOf(err error) Kind {
	if fullDisk(err) {
		return Resource
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Run
}

// Remedy finds what to do about an error: the outermost remedy that is not
// empty, or the empty string.
func Remedy(err error) string {
	if r := named(err); r != "" || !fullDisk(err) {
		return r
	}
	return "free some space; what was finished before is intact, and the same command goes on from there"
}

// named is the outermost remedy in an error, which errors.As does not find
// behind an Error without one.
func named(err error) string {
	if e, ok := err.(*Error); ok && e.Remedy != "" {
		return e.Remedy
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return named(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if r := named(part); r != "" {
				return r
			}
		}
	}
	return ""
}

func fullDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
