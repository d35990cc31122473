package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"clr/internal/disk"
)

// A stepLine is a line of metrics.jsonl: what one step of training did.
type stepLine struct {
	Step     int     `json:"step"`
	Epoch    int     `json:"epoch"`
	Loss     float64 `json:"loss"`
	LR       float64 `json:"lr"`
	GradNorm float64 `json:"grad_norm"`
	ZStd     float64 `json:"z_std"`       // of the normalised projections, mean over dimensions; 1/√P when spread evenly, 0 when collapsed
	ClipsPS  float64 `json:"clips_per_s"` // clips of this step over its time, waiting included
	Wait     float64 `json:"wait_s"`      // waiting for the loader
}

// A metricsLog appends steps to a run's metrics.jsonl.
type metricsLog struct{ f *os.File }

// openMetrics opens the log for a run that goes on at step: what was logged
// from there on, by a run that did not reach its next checkpoint, is dropped.
func openMetrics(dir string, step int) (*metricsLog, error) {
	path := filepath.Join(dir, metricsFile)
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	if keep := linesBefore(old, step); len(keep) != len(old) || err != nil {
		if err := disk.WriteFile(path, func(w io.Writer) error { _, err := w.Write(keep); return err }); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &metricsLog{f: f}, nil
}

// linesBefore is the part of a log, from its start, that holds whole lines of
// rising steps before step.
func linesBefore(log []byte, step int) []byte {
	end, last := 0, -1
	for end < len(log) {
		n := bytes.IndexByte(log[end:], '\n')
		if n < 0 {
			break
		}
		l := stepLine{Step: -1}
		if json.Unmarshal(log[end:end+n], &l) != nil || l.Step <= last || l.Step >= step {
			break
		}
		end, last = end+n+1, l.Step
	}
	return log[:end]
}

func (m *metricsLog) write(l stepLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if _, err := m.f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// sync sees that what was written outlives a power cut. A checkpoint follows
// it, so that the log never lacks a step that the checkpoint holds.
func (m *metricsLog) sync() error {
	if err := m.f.Sync(); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func (m *metricsLog) close() error { return m.f.Close() }
