// Package bench measures how fast this machine does the work of clr: training
// steps, embeddings, single layers, features, the loader in front of it all.
// It hides how a time is taken: what is warmed up, how often something is
// repeated, what else the machine was doing meanwhile.
//
// FLOPs are nominal, 2·Co·OH·OW·Ci·K·K for a convolution and each of its two
// gradients; an algorithm that needs fewer shows more of them a second. The
// stem's data gradient is not computed and not counted. Work that is no
// convolution takes time and counts as none.
package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/kernel"
	"clr/internal/model"
)

// A Workload is the network and its input.
type Workload struct {
	Encoder model.Encoder
	Name    string // of the encoder, for the report
	Batch   int    // clips; in training each gives two views
	Input   model.Input
	Steps   int // timed
}

// Limits keep a slip from being measured for a day.
const (
	maxBatch    = 1 << 16
	maxChannels = 1 << 10
	maxBins     = 1 << 12
	maxFrames   = 1 << 20
	maxSteps    = 1 << 20
)

// Check refuses what cannot be measured; the flags' names are the command's.
func (w Workload) Check() error {
	for _, c := range []struct {
		flag   string
		n, max int
	}{{"batch", w.Batch, maxBatch}, {"channels", w.Input.Channels, maxChannels}, {"mels", w.Input.Bins, maxBins}, {"frames", w.Input.Frames, maxFrames}, {"steps", w.Steps, maxSteps}} {
		if c.n < 1 || c.n > c.max {
			return fault.New(fault.Usage, "", "--%s is %d, it must be 1 to %d", c.flag, c.n, c.max)
		}
	}
	return w.Encoder.Check()
}

// workload is how a Workload stands in a report.
type workload struct {
	Encoder    string `json:"encoder"`
	Parameters int    `json:"parameters"` // of the encoder
	Batch      int    `json:"batch"`
	Channels   int    `json:"channels"`
	Mels       int    `json:"mels"`
	Frames     int    `json:"frames"`
	Steps      int    `json:"steps"`
}

func (w Workload) report(layers []model.Layer) workload {
	n := 0
	for _, l := range layers {
		n += l.Weights
	}
	return workload{w.Name, n, w.Batch, w.Input.Channels, w.Input.Bins, w.Input.Frames, w.Steps}
}

// A Machine is what was measured on, and whether it was left alone.
type Machine struct {
	Processor string   `json:"processor"` // as it calls itself; empty where nobody tells
	CPU       string   `json:"cpu_path"`  // the kernels' routines: avx512, avx2 or generic
	Threads   int      `json:"threads"`
	Quiet     *bool    `json:"quiet"`       // null where nobody tells
	Others    *float64 `json:"other_cores"` // that other processes kept busy before; null where nobody tells
}

const (
	watched = 400 * time.Millisecond
	busy    = 0.15 // cores; a system that only keeps itself alive uses less
)

// Watch looks at the machine before anything is measured on it, and warns of
// what would spoil a measurement. It takes a moment, so what can be refused is
// refused before.
func Watch(ctx context.Context, warnings io.Writer) Machine {
	m := Machine{Processor: host.Processor(), CPU: kernel.CPU(), Threads: runtime.GOMAXPROCS(0)}
	load, ok := host.OtherLoad(ctx, watched)
	if !ok {
		fmt.Fprintln(warnings, "warning: cannot tell here whether the machine is quiet")
		return m
	}
	quiet := load.Cores < busy
	m.Quiet, m.Others = &quiet, &load.Cores
	if !quiet {
		top := ""
		if load.Top != "" {
			top = ", most of all " + load.Top
		}
		fmt.Fprintf(warnings, "warning: the machine is not quiet: others keep %.1f cores busy%s; the figures are too low\n", load.Cores, top)
	}
	return m
}

func (m Machine) String() string {
	s := fmt.Sprintf("%s, %d threads", m.CPU, m.Threads)
	if m.Processor != "" {
		s = m.Processor + ", " + s
	}
	if m.Quiet != nil && !*m.Quiet {
		s += ", not quiet"
	}
	return s
}

// random is n values like normalised features, always the same.
func random(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// repeat times f, after warming up, so many times.
func repeat(ctx context.Context, warm, times int, f func() error) ([]float64, error) {
	took := make([]float64, 0, times)
	for i := range warm + times {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		if i >= warm {
			took = append(took, time.Since(began).Seconds())
		}
	}
	return took, nil
}

// median of some times; the upper one of two.
func median(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[len(x)/2]
}

const mib = 1 << 20

// peakRSS is null where nobody tells.
func peakRSS() *float64 {
	n := host.PeakRSS()
	if n == 0 {
		return nil
	}
	mb := float64(n) / mib
	return &mb
}

func orUnknown(mb *float64) string {
	if mb == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f MiB", *mb)
}
