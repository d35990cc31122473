//go:build !unix

package host

import "os"

// Columns is how many characters a terminal's line has, 0 where nobody can tell.
func Columns(*os.File) int { return 0 }
