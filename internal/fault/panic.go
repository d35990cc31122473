package fault

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// A Panic is a mistake in the program, caught where it happened.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("internal error, a mistake in clr: %v", p.Value) }

// Guard calls f and turns a panic into an error that holds a Panic, and the
// failure to read mapped memory into its own error (see Mapped). What runs in a
// goroutine of its own needs its own: a panic ends the process with Go's exit
// code 2, which here is a wrong command line, whatever its caller defers. An
// error that a Guard gave may be thrown again on another goroutine; the Guard
// there gives it as it is.
func Guard(f func() error) (err error) {
	before := debug.SetPanicOnFault(true) // of this goroutine
	defer func() {
		debug.SetPanicOnFault(before)
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	return f()
}

func caught(v any) error {
	switch v := v.(type) {
	case interface {
		runtime.Error
		Addr() uintptr
	}:
		if err := unreadable(v.Addr()); err != nil {
			return err
		}
	case error:
		if known := (*Error)(nil); errors.As(v, &known) {
			return v
		}
	}
	return New(Run, "please report it, with the command, the config and the lines above", "%w", &Panic{v, debug.Stack()})
}
