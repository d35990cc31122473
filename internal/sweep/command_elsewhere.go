//go:build !unix

package sweep

import (
	"os"
	"syscall"
)

func apart() *syscall.SysProcAttr { return nil }

// ended knows of no signals.
func ended(*os.ProcessState) (code int, how string) { return 0, "" }
