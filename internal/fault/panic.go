package fault

import (
	"fmt"
	"runtime/debug"
)

// A Panic is a mistake in the program, caught where it happened.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("internal error, a mistake in clr: %v", p.Value) }

// Guard calls f and turns a panic into an error that holds a Panic. What runs
// in a goroutine of its own needs its own: a panic ends the process with Go's
// exit code 2, which here is a wrong command line, whatever its caller defers.
func Guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = New(Run, "please report it, with the command, the config and the lines above", "%w", &Panic{v, debug.Stack()})
		}
	}()
	return f()
}
