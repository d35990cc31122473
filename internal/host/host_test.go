package host

import (
	"context"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"clr/internal/fault"
)

// files is a file system of texts.
func files(texts map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range texts {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const meminfo = "MemTotal:       24689764 kB\nMemFree:         1024 kB\nMemAvailable:    4096 kB\n" // 4 MiB available

func TestMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		soft  int64
		want  Limit
	}{
		"no Linux":           {nil, math.MaxInt64, Limit{}},
		"no Linux, soft":     {nil, 77, Limit{77, "GOMEMLIMIT"}},
		"what is free":       {map[string]string{"proc/meminfo": meminfo}, math.MaxInt64, Limit{4 << 20, "MemAvailable"}},
		"soft and lower":     {map[string]string{"proc/meminfo": meminfo}, 4<<20 - 1, Limit{4<<20 - 1, "GOMEMLIMIT"}},
		"soft and higher":    {map[string]string{"proc/meminfo": meminfo}, 5 << 20, Limit{4 << 20, "MemAvailable"}},
		"unreadable meminfo": {map[string]string{"proc/meminfo": "MemAvailable: lots\n"}, math.MaxInt64, Limit{}},
		"version 2": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "3000000\n", "sys/fs/cgroup/a/memory.max": "max\n"}, math.MaxInt64, Limit{3000000, "/sys/fs/cgroup/a/b/memory.max"}},
		"version 2, the group around it": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "2000000\n"}, math.MaxInt64, Limit{2000000, "/sys/fs/cgroup/a/memory.max"}},
		"version 2 in a container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../docker/7\n",
			"sys/fs/cgroup/memory.max": "1000000\n"}, math.MaxInt64, Limit{1000000, "/sys/fs/cgroup/memory.max"}},
		"version 1": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "500000\n", "sys/fs/cgroup/x/memory.max": "1\n"}, math.MaxInt64,
			Limit{500000, "/sys/fs/cgroup/memory/x/memory.limit_in_bytes"}},
		"version 1 without a limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, math.MaxInt64, Limit{4 << 20, "MemAvailable"}},
	} {
		if got := memoryLimit(files(c.files), c.soft); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestFits(t *testing.T) {
	l := Limit{1 << 30, "MemAvailable"}
	for _, c := range []struct {
		l    Limit
		need int64
		fits bool
	}{{l, 1 << 30, true}, {l, 1<<30 + 1, false}, {Limit{}, 1 << 60, true}} {
		err := c.l.Fits(c.need, "training", "weights 3", "lower batch")
		if (err == nil) != c.fits {
			t.Errorf("%d in %+v: %v", c.need, c.l, err)
		}
	}
	err := l.Fits(5<<28, "training", "weights 3", "lower batch")
	if want := "training needs 1.2 GiB of memory, there are 1.0 GiB (MemAvailable): weights 3"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Resource || f.Remedy != "lower batch" {
		t.Errorf("%+v", f)
	}
}

// procStat is /proc/<pid>/stat with some user and system time.
func procStat(pid, name, user, system string) string {
	return pid + " (" + name + ") S 1 1 1 0 -1 0 0 0 0 0 " + user + " " + system + " 0 0 20 0 1 0\n"
}

func TestLoad(t *testing.T) {
	self := os.Getpid()
	at := func(cpu, own, other string) moment {
		t.Helper()
		m, ok := watch(files(map[string]string{
			"proc/stat":                            cpu + "\ncpu0 1 2 3\n",
			"proc/uptime":                          "1 2\n",
			"proc/" + strconv.Itoa(self) + "/stat": procStat(strconv.Itoa(self), "clr", own, "1"),
			"proc/999999/stat":                     procStat("999999", "py) 3 (x", other, "5"),
			"proc/999998/stat":                     procStat("999998", "asleep", "7", "5"),
		}), self)
		if !ok {
			t.Fatalf("cannot read %q", cpu)
		}
		return m
	}
	first := at("cpu  100 10 20 1000 50 1 2 3 0 0", "30", "40")
	// 20 ticks of ours, 30 of the other's, 5 stolen, 45 idle in half a second
	second := at("cpu  140 10 30 1040 55 1 2 8 0 0", "50", "70")
	l, ok := second.since(first, time.Second/2)
	if !ok || math.Abs(l.Cores-0.7) > 1e-9 || l.Top != "py) 3 (x (pid 999999)" {
		t.Errorf("%+v, %v", l, ok)
	}
	if _, ok := first.since(first, time.Second); ok {
		t.Error("a clock that stands still tells something")
	}
	if l, ok := at("cpu  100 10 20 1100 50 1 2 3 0 0", "30", "40").since(first, time.Second); !ok || l != (Load{}) {
		t.Errorf("an idle machine has %+v, %v", l, ok)
	}
	for _, stat := range []string{"", "cpu 1 2\n", "cpu  1 2 3 4 5 6 7 x\n"} {
		if _, ok := watch(files(map[string]string{"proc/stat": stat}), self); ok {
			t.Errorf("%q was read", stat)
		}
	}
}

// The real /proc, where there is one.
func TestThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc here")
	}
	const size = 64 << 20
	memory := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		memory[i] = 1
	}
	if rss := PeakRSS(); rss < size {
		t.Errorf("%d bytes resident at most, %d are in use", rss, len(memory))
	}
	if l := MemoryLimit(); l.Bytes < size || l.Name == "" {
		t.Errorf("limit %+v", l)
	}
	l, ok := OtherLoad(t.Context(), 50*time.Millisecond)
	if cores := strings.Count(text(t, "/proc/stat"), "\ncpu"); ok && l.Cores > 1.5*float64(cores) {
		t.Errorf("%v cores busy of %d", l.Cores, cores)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := OtherLoad(stopped, time.Hour); ok {
		t.Error("a watch that was stopped tells something")
	}
}

func text(t *testing.T, file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
