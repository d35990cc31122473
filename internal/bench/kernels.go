package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"clr/internal/kernel"
	"clr/internal/model"
)

// A LayerSpeed is what Kernels found, by layer and pass.
type LayerSpeed struct {
	Bench string `json:"bench"` // kernels
	workload
	Rows       int     `json:"rows"`        // views in a batch: what the layers are run over
	PeakGFLOPS float64 `json:"peak_gflops"` // of multiply-adds on all threads, measured now
	Layers     []Pass  `json:"layers"`      // convolutions
	Parts      []Pass  `json:"parts"`       // all else
	ConvMS     float64 `json:"conv_ms"`     // of all convolutions of a training step, by count
	PartsMS    float64 `json:"parts_ms"`
	Machine
}

// A Pass is one direction of one shape of layer.
type Pass struct {
	Name        string  `json:"name"`         // such as conv 64→64 3×3/1 to 16×24
	Pass        string  `json:"pass"`         //
	Count       int     `json:"count"`        // layers of the shape
	MS          float64 `json:"ms"`           // once; median
	GFLOPS      float64 `json:"gflops"`       // nominal; 0 for what multiplies nothing
	PeakPercent float64 `json:"peak_percent"` // of peak_gflops
	GBPerS      float64 `json:"gb_per_s"`     // of maps and weights that the pass reads and writes, each counted once
}

// kernelTime is how long a pass is repeated, if --steps times take less; only
// tests change it.
var kernelTime = 25 * time.Millisecond

// Kernels times each shape of layer in the encoder by itself, over the rows of
// a training batch, and the product of projections.
func Kernels(ctx context.Context, w Workload, watch func() Machine) (*LayerSpeed, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	layers, err := model.Layers(w.Encoder, w.Input)
	if err != nil {
		return nil, err
	}
	r := &LayerSpeed{Bench: "kernels", workload: w.report(layers), Rows: 2 * w.Batch}
	largest := 0
	for _, l := range layers {
		for _, s := range [][3]int{l.In, l.Out} {
			largest = max(largest, kernel.Blocks(r.Rows)*kernel.Lanes*s[0]*s[1]*s[2])
		}
	}
	if err := fits(4*4*int64(largest), "timing the layers"); err != nil {
		return nil, err
	}
	r.Machine = watch()
	m := newBuffers(largest)
	for range 3 {
		r.PeakGFLOPS = max(r.PeakGFLOPS, kernel.Peak()/1e9)
	}
	for _, s := range shapes(layers) {
		passes, err := m.passes(s.layer, r.Rows, s.first)
		if err != nil {
			return nil, err
		}
		for _, p := range passes {
			if err := r.time(ctx, p, nameOf(s.layer), s.count); err != nil {
				return nil, err
			}
		}
	}
	p := similarities(r.Rows)
	return r, r.time(ctx, p, fmt.Sprintf("product %d×%d·%dᵀ", r.Rows, projection, r.Rows), 1)
}

// time adds the time of one pass to the report.
func (r *LayerSpeed) time(ctx context.Context, p pass, name string, count int) error {
	run := func() error { p.run(); return nil }
	took, err := repeat(ctx, 1, r.Steps, run)
	if err != nil {
		return err
	}
	once := median(took)
	if more := int(kernelTime.Seconds()/once) - r.Steps; more > 0 {
		if took, err = repeat(ctx, 0, more, run); err != nil {
			return err
		}
		once = median(took)
	}
	row := Pass{Name: name, Pass: p.name, Count: count, MS: 1e3 * once, GFLOPS: p.flops / once / 1e9, GBPerS: p.bytes / once / 1e9}
	row.PeakPercent = 100 * row.GFLOPS / r.PeakGFLOPS
	if p.conv {
		r.Layers = append(r.Layers, row)
		r.ConvMS += row.MS * float64(count)
	} else {
		r.Parts = append(r.Parts, row)
		r.PartsMS += row.MS * float64(count)
	}
	return nil
}

// A shape is layers that do the same work.
type shape struct {
	layer model.Layer
	count int
	first bool // of the network: nobody needs the gradient of its data
}

// shapes are the different ones among the layers, in the order of the first of
// each.
func shapes(layers []model.Layer) []shape {
	var all []shape
	at := map[model.Layer]int{}
	for i, l := range layers {
		key := l
		key.Name = ""
		if j, ok := at[key]; ok && i > 0 {
			all[j].count++
			continue
		}
		if i > 0 { // the first may have the shape of another, which does more
			at[key] = len(all)
		}
		all = append(all, shape{l, 1, i == 0})
	}
	return all
}

func nameOf(l model.Layer) string {
	to := fmt.Sprintf("%d×%d", l.Out[1], l.Out[2])
	switch l.Kind {
	case "conv", "linear":
		stride := fmt.Sprint(l.Stride[1])
		if l.Stride[0] != l.Stride[1] && l.In[1] > 1 {
			stride = fmt.Sprintf("%d×%d", l.Stride[0], l.Stride[1])
		}
		return fmt.Sprintf("%s %d→%d %d×%d/%s to %s", l.Kind, l.In[0], l.Out[0], l.Kernel[0], l.Kernel[1], stride, to)
	case "batch_norm":
		name := fmt.Sprintf("norm %d of %s", l.Out[0], to)
		if l.Residual {
			name += " + residual"
		}
		if l.ReLU {
			name += ", ReLU"
		}
		if l.Kernel[0] > 0 {
			name = fmt.Sprintf("norm %d of %d×%d, ReLU, pool to %s", l.In[0], l.In[1], l.In[2], to)
		}
		return name
	}
	return fmt.Sprintf("%s %d of %d×%d", l.Kind, l.In[0], l.In[1], l.In[2])
}

// Write shows a report for a person.
func (r *LayerSpeed) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "kernels of %s over %d views of %d × %d; peak %.0f GFLOP/s on %d threads\n", r.Encoder, r.Rows, r.Mels, r.Frames, r.PeakGFLOPS, r.Threads)
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format, args...)
		}
	}
	line("%-40s%-9s%3s%10s%10s%8s%8s\n", "", "pass", "×", "ms", "GFLOP/s", "% peak", "GB/s")
	for _, p := range r.Layers {
		line("%-40s%-9s%3d%10.3f%10.0f%8.0f%8.1f\n", p.Name, p.Pass, p.Count, p.MS, p.GFLOPS, p.PeakPercent, p.GBPerS)
	}
	for _, p := range r.Parts {
		line("%-40s%-9s%3d%10.3f%26.1f\n", p.Name, p.Pass, p.Count, p.MS, p.GBPerS)
	}
	line("convolutions %.1f ms, all else %.1f ms a step of both views\n%s\n", r.ConvMS, r.PartsMS, r.Machine)
	return err
}
