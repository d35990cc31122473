package rundir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"clr/internal/disk"
	"clr/internal/fault"
)

// LogOptions say what is kept of the steps beside their scores.
type LogOptions struct {
	Digest int `yaml:"digest" doc:"steps from one digest of the weights in metrics.jsonl to the next; 0: none"`
}

// Check refuses what cannot be done.
func (o LogOptions) Check() error {
	if o.Digest < 0 {
		return fault.New(fault.Usage, "50 is usual, 0 is never", "digest is %d: it must be 0 or more", o.Digest)
	}
	return nil
}

// A Line is a line of metrics.jsonl: what one step of training did.
type Line struct {
	Step     int     `json:"step"`
	Epoch    int     `json:"epoch"`
	Loss     float64 `json:"loss"`
	LR       float64 `json:"lr"`
	GradNorm float64 `json:"grad_norm"`
	ZStd     float64 `json:"z_std"`            // of the normalised projections, mean over dimensions; 1/√P when spread evenly, 0 when collapsed
	Digest   string  `json:"digest,omitempty"` // SHA-256 of the method's state after the step, every LogOptions.Digest steps
	ClipsPS  float64 `json:"clips_per_s"`      // clips of this step over its time, waiting included
	Wait     float64 `json:"wait_s"`           // waiting for the loader
}

// A Log appends steps to a run's metrics.jsonl.
type Log struct{ f *disk.File }

// OpenLog opens the log for a run that goes on at step: what was logged from
// there on, by a run that did not reach its next checkpoint, is dropped. The
// warning says which steps before are missing; it is empty where none are.
func OpenLog(dir string, step int) (log *Log, warning string, err error) {
	path := filepath.Join(dir, MetricsFile)
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, "", fault.New(fault.Data, "see that the file may be read, or move it away: the run goes on without it", "metrics: %w", err)
	}
	keep, lines := linesBefore(old, step)
	if n := len(lines); n < step {
		warning = fmt.Sprintf("%s holds %d of the %d steps before the checkpoint: it was changed since; the run goes on without them", path, n, step)
		if len(keep) < len(old) { // whoever changed it may want the rest
			aside := filepath.Join(dir, changedFile)
			if err := disk.WriteBytes(aside, old); err != nil {
				return nil, "", err
			}
			warning += fmt.Sprintf("; line %d is no step after the one before it, and the file as it was is kept as %s", n+1, aside)
		}
	}
	if len(keep) != len(old) || err != nil {
		if err := disk.WriteBytes(path, keep); err != nil {
			return nil, "", err
		}
	}
	f, err := disk.OpenFile(path, os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return nil, "", disk.Failed(path, err)
	}
	return &Log{f}, warning, nil
}

// changedFile is a log that has lost steps of a checkpoint, as it was found.
const changedFile = "metrics-changed.jsonl"

// linesBefore is the part of a log, from its start, that holds whole lines of
// rising steps before step.
func linesBefore(log []byte, step int) (part []byte, lines []Line) {
	end, last := 0, -1
	for end < len(log) {
		n := bytes.IndexByte(log[end:], '\n')
		if n < 0 {
			break
		}
		l, ok := parseLine(log[end : end+n])
		if !ok || l.Step <= last || l.Step >= step {
			break
		}
		end, last = end+n+1, l.Step
		lines = append(lines, l)
	}
	return log[:end], lines
}

func parseLine(b []byte) (Line, bool) {
	l := Line{Step: -1}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(&l) != nil || l.Epoch < 0 {
		return l, false
	}
	_, err := d.Token()
	return l, errors.Is(err, io.EOF)
}

// ReadLog reads the log of a fold's folder, but for a last line that a killed
// run has left unfinished.
func ReadLog(dir string) ([]Line, error) {
	path := filepath.Join(dir, MetricsFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Data, "name a run of clr pretrain that has made its first steps, or bring the file back", "metrics: %w", err)
	}
	part, lines := linesBefore(b, int(^uint(0)>>1))
	if rest := b[len(part):]; bytes.IndexByte(rest, '\n') >= 0 {
		return nil, fault.New(fault.Data, "bring back the file as clr pretrain wrote it", "%s: line %d is no step after the one before it: %.80q", path, len(lines)+1, rest)
	}
	return lines, nil
}

// Write appends a line.
func (m *Log) Write(l Line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if _, err := m.f.Write(append(b, '\n')); err != nil {
		return disk.Failed(m.f.Name(), err)
	}
	return nil
}

// Sync sees that what was written outlives a power cut. A checkpoint follows
// it, so that the log never lacks a step that the checkpoint holds.
func (m *Log) Sync() error {
	if err := m.f.Sync(); err != nil {
		return disk.Failed(m.f.Name(), err)
	}
	return nil
}

// Close gives the file back.
func (m *Log) Close() error { return m.f.Close() }
