//go:build unix && !linux

package sweep

import "syscall"

// apart keeps a terminal's signals from a child, which gets those of its parent.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
