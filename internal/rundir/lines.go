package rundir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/health"
)

// A logged is a line of a file that holds JSON lines, each of a later step.
type logged interface {
	Line | Health
	at() (step, epoch int)
}

func (l Line) at() (step, epoch int)   { return l.Step, l.Epoch }
func (h Health) at() (step, epoch int) { return h.Step, h.Epoch }

// What lines are read into: one that names no step has none.
var (
	noLine   = Line{Step: -1}
	noHealth = Health{Sample: health.Sample{Step: -1}}
)

// A cut is a file of lines and the part of it that a run goes on with.
type cut[L logged] struct {
	path      string
	missing   bool
	old, keep []byte
	lines     []L // of keep
	step      int
	none      L
}

// linesIn reads a file as far as it comes before a step.
func linesIn[L logged](path string, step int, none L) (c cut[L], err error) {
	c = cut[L]{path: path, step: step, none: none}
	c.old, err = os.ReadFile(path)
	if c.missing = os.IsNotExist(err); err != nil && !c.missing {
		return c, fault.New(fault.Data, "see that the file may be read, or move it away: the run goes on without it", "the run's log: %w", err)
	}
	c.keep, c.lines = linesBefore(c.old, step, none)
	return c, nil
}

// changed says that what follows is neither a later step nor a line that was cut
// off while it was written.
func (c *cut[L]) changed() bool {
	line, _, whole := bytes.Cut(c.old[len(c.keep):], []byte("\n"))
	if !whole {
		return false
	}
	l, ok := parseLine(line, c.none)
	step, _ := l.at()
	return !ok || step < c.step
}

// putAside keeps what is there and will not be gone on with, for whoever changed
// the file may want it, and says where.
func (c *cut[L]) putAside() (said string, err error) {
	if len(c.keep) == len(c.old) {
		return "", nil
	}
	aside := strings.TrimSuffix(c.path, filepath.Ext(c.path)) + "-changed" + filepath.Ext(c.path)
	if err := disk.WriteBytes(aside, c.old); err != nil {
		return "", err
	}
	return fmt.Sprintf("; line %d is no step after the one before it, and the file as it was is kept as %s", len(c.lines)+1, aside), nil
}

// open cuts the file back and opens it for more.
func (c *cut[L]) open() (*disk.File, error) {
	if len(c.keep) != len(c.old) || c.missing {
		if err := disk.WriteBytes(c.path, c.keep); err != nil {
			return nil, err
		}
	}
	f, err := disk.OpenFile(c.path, os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return nil, disk.Failed(c.path, err)
	}
	return f, nil
}

// readLines reads a whole file.
func readLines[L logged](path, what string, none L) ([]L, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Data, "name a run of clr pretrain that has made its first steps, or bring the file back", "%s: %w", what, err)
	}
	part, lines := linesBefore(b, math.MaxInt, none)
	if rest := b[len(part):]; bytes.IndexByte(rest, '\n') >= 0 {
		return nil, fault.New(fault.Data, "bring back the file as clr pretrain wrote it", "%s: line %d is no step after the one before it: %.80q", path, len(lines)+1, rest)
	}
	return lines, nil
}

// linesBefore is the part of a file, from its start, that holds whole lines of
// rising steps before step.
func linesBefore[L logged](log []byte, step int, none L) (part []byte, lines []L) {
	end, last := 0, -1
	for end < len(log) {
		n := bytes.IndexByte(log[end:], '\n')
		if n < 0 {
			break
		}
		l, ok := parseLine(log[end:end+n], none)
		at, _ := l.at()
		if !ok || at <= last || at >= step {
			break
		}
		end, last = end+n+1, at
		lines = append(lines, l)
	}
	return log[:end], lines
}

// parseLine reads one line over none.
func parseLine[L logged](b []byte, none L) (L, bool) {
	l := none
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(&l) != nil {
		return l, false
	}
	if _, epoch := l.at(); epoch < 0 {
		return l, false
	}
	_, err := d.Token()
	return l, errors.Is(err, io.EOF)
}

// write appends a line, in one write, which no kill divides.
func write[L logged](f *disk.File, l L) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		return disk.Failed(f.Name(), err)
	}
	return nil
}
