// Package host asks the operating system about the machine: how much memory
// there is to use, how much this process took, and whether others keep the
// cores busy. It hides /proc and control groups. Where there is none of that,
// outside Linux, it says that it cannot tell.
package host

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// root is the file system that the answers come from; tests have another.
var root = os.DirFS("/")

// Processor is the name that the processor gives itself, or empty.
func Processor() string { return field(root, "proc/cpuinfo", "model name") }

// PeakRSS is the most memory, in bytes, that this process had resident so far,
// or 0 where nobody tells.
func PeakRSS() int64 { return kilobytes(field(root, "proc/self/status", "VmHWM")) }

// field is the value of the first line "name: value" of a file, or empty.
func field(fsys fs.FS, file, name string) string {
	b, err := fs.ReadFile(fsys, file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// kilobytes reads "1234 kB"; 0 is anything else.
func kilobytes(s string) int64 {
	number, ok := strings.CutSuffix(s, " kB")
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
