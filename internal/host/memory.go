package host

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"clr/internal/fault"
)

// A Limit is the most memory that this process can use, and who says so. The
// zero Limit is unknown, and everything fits.
type Limit struct {
	Bytes int64
	Name  string // MemAvailable, a control group's file, or GOMEMLIMIT
}

// MemoryLimit is the least of what is free, what the control groups of this
// process allow, and GOMEMLIMIT.
func MemoryLimit() Limit { return memoryLimit(root, debug.SetMemoryLimit(-1)) }

// Fits refuses, with kind Resource, what needs more than there is. What is
// needed is told in the parts.
func (l Limit) Fits(need int64, what, parts, remedy string) error {
	if l.Name == "" || need <= l.Bytes {
		return nil
	}
	return fault.New(fault.Resource, remedy, "%s needs %s of memory, there are %s (%s): %s", what, Bytes(need), Bytes(l.Bytes), l.Name, parts)
}

// Bytes writes a size for a person.
func Bytes(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func memoryLimit(fsys fs.FS, soft int64) Limit {
	var least Limit
	offer := func(bytes int64, name string) {
		if least.Name == "" || bytes < least.Bytes {
			least = Limit{bytes, name}
		}
	}
	if free := kilobytes(field(fsys, "proc/meminfo", "MemAvailable")); free > 0 {
		offer(free, "MemAvailable")
	}
	for _, file := range groupFiles(fsys) {
		if bytes, ok := number(fsys, file); ok {
			offer(bytes, "/"+file)
		}
	}
	if soft < math.MaxInt64 {
		offer(soft, "GOMEMLIMIT")
	}
	return least
}

// groupFiles are the files with the limits of this process's control group and
// of the groups around it, in both versions of control groups. Inside a
// container the group's path may be the host's and not be there; the limit is
// then at the mount's root, where the walk ends.
func groupFiles(fsys fs.FS) []string {
	b, err := fs.ReadFile(fsys, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(b)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path
		if len(part) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if part[1] == "memory" {
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if part[0] != "0" {
			continue
		}
		for dir := path.Clean("/" + part[2]); ; dir = path.Dir(dir) {
			files = append(files, path.Join(mount, dir, file))
			if dir == "/" {
				break
			}
		}
	}
	return files
}

// number reads a file of one number; "max" and what is not there is none.
func number(fsys fs.FS, file string) (int64, bool) {
	b, err := fs.ReadFile(fsys, file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
