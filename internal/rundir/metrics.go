package rundir

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/health"
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
	Step        int     `json:"step"`
	Epoch       int     `json:"epoch"`
	Loss        float64 `json:"loss"`
	LR          float64 `json:"lr"`
	GradNorm    float64 `json:"grad_norm"`
	ZStd        float64 `json:"z_std"`                 // of the normalised projections, mean over dimensions; 1/√P when spread evenly, 0 when collapsed
	Temperature float64 `json:"temperature,omitempty"` // of the step, where it is learnt
	Digest      string  `json:"digest,omitempty"`      // SHA-256 of the method's state after the step, every LogOptions.Digest steps
	ClipsPS     float64 `json:"clips_per_s"`           // clips of this step over its time, waiting included
	Wait        float64 `json:"wait_s"`                // waiting for the loader
}

// A Health is a line of health.jsonl: what was measured of a step that was looked
// at, and what a doctor who has seen the lines before says of it.
type Health struct {
	health.Sample
	Warnings []health.Warning `json:"warnings,omitempty"`
}

// A Log appends steps to a run's metrics.jsonl, and those that were looked at to
// its health.jsonl.
type Log struct {
	Seen            []Health // the lines of health.jsonl when the log was opened
	metrics, health *disk.File
}

// OpenLog opens the log for a run that goes on at step: what was logged from
// there on, by a run that did not reach its next checkpoint, is dropped. The
// warning says which steps before are missing; it is empty where none are.
func OpenLog(dir string, step int) (log *Log, warning string, err error) {
	m, err := linesIn(filepath.Join(dir, MetricsFile), step, noLine)
	if err != nil {
		return nil, "", err
	}
	h, err := linesIn(filepath.Join(dir, HealthFile), step, noHealth)
	if err != nil {
		return nil, "", err
	}
	var warnings []string
	if n := len(m.lines); n < step {
		kept, err := m.putAside()
		if err != nil {
			return nil, "", err
		}
		warnings = append(warnings, fmt.Sprintf("%s holds %d of the %d steps before the checkpoint: it was changed since; the run goes on without them%s", m.path, n, step, kept))
	}
	if h.changed() {
		kept, err := h.putAside()
		if err != nil {
			return nil, "", err
		}
		warnings = append(warnings, fmt.Sprintf("%s was changed since; the run goes on with its first %d lines%s", h.path, len(h.lines), kept))
	}
	log = &Log{Seen: h.lines}
	if log.metrics, err = m.open(); err != nil {
		return nil, "", err
	}
	if log.health, err = h.open(); err != nil {
		log.metrics.Close()
		return nil, "", err
	}
	return log, strings.Join(warnings, "; "), nil
}

// ReadLog reads the log of a fold's folder, but for a last line that a killed
// run has left unfinished.
func ReadLog(dir string) ([]Line, error) {
	return readLines(filepath.Join(dir, MetricsFile), "metrics", noLine)
}

// ReadHealth is ReadLog for health.jsonl.
func ReadHealth(dir string) ([]Health, error) {
	return readLines(filepath.Join(dir, HealthFile), "health", noHealth)
}

// Write appends a line.
func (m *Log) Write(l Line) error { return write(m.metrics, l) }

// WriteHealth appends a line to health.jsonl.
func (m *Log) WriteHealth(h Health) error { return write(m.health, h) }

// Sync sees that what was written outlives a power cut. A checkpoint follows
// it, so that the log never lacks a step that the checkpoint holds.
func (m *Log) Sync() error {
	for _, f := range []*disk.File{m.metrics, m.health} {
		if err := f.Sync(); err != nil {
			return disk.Failed(f.Name(), err)
		}
	}
	return nil
}

// Close gives the files back.
func (m *Log) Close() error { return errors.Join(m.metrics.Close(), m.health.Close()) }
