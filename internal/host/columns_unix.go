//go:build unix

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// Columns is how many characters a terminal's line has, 0 where nobody can tell.
func Columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
