package rundir

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"clr/internal/fault"
)

// A Tail reads a log while another process writes it, each line once.
type Tail[L logged] struct {
	path string
	none L
	file fs.FileInfo // that was read; nil: none yet
	read int64       // bytes of whole lines
	line int
	last int // step
}

// TailLog begins with the first line of a fold's metrics.jsonl.
func TailLog(dir string) *Tail[Line] {
	return &Tail[Line]{path: filepath.Join(dir, MetricsFile), none: noLine}
}

// TailHealth is TailLog for health.jsonl.
func TailHealth(dir string) *Tail[Health] {
	return &Tail[Health]{path: filepath.Join(dir, HealthFile), none: noHealth}
}

// More gives what was written since it was last asked; nothing where there is no
// file yet. anew says that what it gave before is no part of the log any more: the
// run was resumed from an earlier step, and all its lines are given.
func (t *Tail[L]) More() (lines []L, anew bool, err error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fault.New(fault.Data, "see that the file may be read", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, false, fault.New(fault.Data, "bring back the file as clr pretrain wrote it", "%s: %w", t.path, err)
	}
	if t.file == nil || !os.SameFile(t.file, info) || info.Size() < t.read {
		anew = t.file != nil
		t.read, t.line, t.last = 0, 0, -1
	}
	t.file = info
	b, err := io.ReadAll(io.NewSectionReader(f, t.read, info.Size()-t.read))
	if err != nil {
		return nil, anew, fault.New(fault.Data, "see that the file may be read", "%s: %w", t.path, err)
	}
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole { // it is being written
			return lines, anew, nil
		}
		l, ok := parseLine(line, t.none)
		step, _ := l.at()
		t.line++
		if !ok || step <= t.last {
			return lines, anew, fault.New(fault.Data, "bring back the file as clr pretrain wrote it", "%s: line %d is no step after the one before it: %.80q", t.path, t.line, line)
		}
		t.last, t.read, b = step, t.read+int64(len(line)+1), rest
		lines = append(lines, l)
	}
}
