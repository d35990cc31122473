package host

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Load is what others made of the cores for a while.
type Load struct {
	Cores float64 // kept busy, on average; virtual machines that steal time count
	Top   string  // the busiest process, "name (pid 7)", where there is one
}

// OtherLoad watches the machine for some time, in which this process should do
// nothing. It reports false where it cannot tell.
func OtherLoad(ctx context.Context, d time.Duration) (Load, bool) {
	before, ok := watch(root, os.Getpid())
	if !ok {
		return Load{}, false
	}
	began := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return Load{}, false
	}
	after, ok := watch(root, os.Getpid())
	if !ok {
		return Load{}, false
	}
	return after.since(before, time.Since(began))
}

// ticks is the unit of /proc's times: USER_HZ, 100 a second on all of Linux.
const ticks = 100

// A moment is what /proc says of the time that was used so far, in ticks.
type moment struct {
	all, busy int64 // of all cores
	own       int64 // of this process
	used      map[int]int64
	name      map[int]string
}

func watch(fsys fs.FS, self int) (m moment, ok bool) {
	b, err := fs.ReadFile(fsys, "proc/stat")
	if err != nil {
		return m, false
	}
	line, _, _ := strings.Cut(string(b), "\n")
	cpu := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal ...
	if len(cpu) < 9 || cpu[0] != "cpu" {
		return m, false
	}
	for i, s := range cpu[1:9] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return m, false
		}
		m.all += n
		if i != 3 && i != 4 { // idle, iowait
			m.busy += n
		}
	}
	m.used, m.name = map[int]int64{}, map[int]string{}
	entries, err := fs.ReadDir(fsys, "proc")
	if err != nil {
		return m, false
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := fs.ReadFile(fsys, "proc/"+e.Name()+"/stat")
		if err != nil {
			continue // it has ended
		}
		if name, used, ok := process(string(b)); ok {
			m.used[pid], m.name[pid] = used, name
		}
	}
	m.own, ok = m.used[self]
	return m, ok
}

// process reads a process's name and the ticks it used. The name stands in
// parentheses and may hold some.
func process(stat string) (name string, used int64, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", 0, false
	}
	rest := strings.Fields(stat[end+1:]) // from field 3, the state; 14 and 15 are user and system time
	if len(rest) < 13 {
		return "", 0, false
	}
	user, err1 := strconv.ParseInt(rest[11], 10, 64)
	system, err2 := strconv.ParseInt(rest[12], 10, 64)
	return stat[open+1 : end], user + system, err1 == nil && err2 == nil
}

// since is the load from one moment to this. It cannot tell where the clock of
// the cores stands still, as in some sandboxes.
func (m moment) since(before moment, d time.Duration) (Load, bool) {
	if m.all <= before.all || d <= 0 {
		return Load{}, false
	}
	var l Load
	others := m.busy - before.busy - (m.own - before.own)
	l.Cores = max(0, float64(others)/ticks/d.Seconds())
	most, who := int64(0), 0
	for pid, used := range m.used {
		if spent := used - before.used[pid]; pid != os.Getpid() && (spent > most || spent == most && spent > 0 && pid < who) {
			most, who = spent, pid
		}
	}
	if most > 0 {
		l.Top = fmt.Sprintf("%s (pid %d)", m.name[who], who)
	}
	return l, true
}
