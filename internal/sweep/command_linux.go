package sweep

import "syscall"

// apart keeps a terminal's signals from a child, which gets those of its parent,
// and has it stop and save where the parent vanishes: when the thread that started
// it ends.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
