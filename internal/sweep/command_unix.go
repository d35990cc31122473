//go:build unix

package sweep

import (
	"fmt"
	"os"
	"syscall"
)

// ended is how a signal ended a process; empty: none did.
func ended(p *os.ProcessState) (code int, how string) {
	s, ok := p.Sys().(syscall.WaitStatus)
	if !ok || !s.Signaled() {
		return 0, ""
	}
	how = fmt.Sprintf("ended by signal %d (%v)", int(s.Signal()), s.Signal())
	if s.Signal() == syscall.SIGKILL {
		how += ", as the system ends who takes more memory than there is"
	}
	return 128 + int(s.Signal()), how
}
