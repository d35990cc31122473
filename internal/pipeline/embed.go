package pipeline

import (
	"context"
	"fmt"
	"math"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/model"
)

// EmbedOptions say how a clip of any length becomes one embedding.
type EmbedOptions struct {
	Hop        float64 `yaml:"hop" doc:"from one window to the next, as a fraction of view.frames"`
	Pool       string  `yaml:"pool" doc:"over a clip's windows: mean, max, or mean_max (both, one after the other)"`
	HeadLayers int     `yaml:"head_layers" doc:"hidden layers of the method's projector that stay on the encoder, as SimCLR v2 has it: an embedding is what the last of them gives; 0 is the encoder alone"`
	Weights    string  `yaml:"weights" doc:"of a run that keeps an average of its encoder (update.ema): ema, or raw for the last ones"`
}

// Check refuses what cannot be done.
func (o EmbedOptions) Check() error {
	if !(o.Hop > 0 && o.Hop <= 1) {
		return fault.New(fault.Usage, "half a window is 0.5", "hop is %g: it must be above 0 and at most 1", o.Hop)
	}
	switch o.Pool {
	case "mean", "max", "mean_max":
	default:
		return fault.New(fault.Usage, "use mean, max or mean_max", "pool is %q", o.Pool)
	}
	if o.HeadLayers < 0 {
		return fault.New(fault.Usage, "0 is the encoder alone", "head_layers is %d, must not be negative", o.HeadLayers)
	}
	if o.Weights != "ema" && o.Weights != "raw" {
		return fault.New(fault.Usage, "use ema or raw", "weights is %q", o.Weights)
	}
	return nil
}

// headed is what embeddings come from: the encoder, with what is kept of the projector.
func (c *Config) headed() model.Encoder {
	if c.Embed.HeadLayers == 0 {
		return c.Encoder
	}
	projector, _ := method.ProjectorOf(c.Method)
	return model.Headed{Encoder: c.Encoder, Projector: projector, Layers: c.Embed.HeadLayers}
}

// An encoderState is an encoder's weights and what its input was normalised by.
type encoderState struct {
	params *model.Params
	norm   normalization
}

// trained is the encoder of a checkpoint.
func (d *data) trained(cp *checkpoint.Checkpoint) (encoderState, error) {
	norm, err := d.normalizationOf(cp)
	if err != nil {
		return encoderState{}, err
	}
	e, err := d.fresh(norm)
	if err != nil {
		return e, err
	}
	if err := e.params.Load(d.c.embeds(), cp.Arrays); err != nil {
		return e, fault.New(fault.Data, "probe with the config that the run was trained with", "the checkpoint does not fit the encoder: %w", err)
	}
	return e, nil
}

// fresh is the encoder with the random weights that training starts from.
func (d *data) fresh(n normalization) (encoderState, error) {
	p := model.NewParams(d.c.Seed)
	if _, err := d.embedder(encoderState{params: p}, 1); err != nil { // building names the weights
		return encoderState{}, err
	}
	return encoderState{p, n}, nil
}

func (d *data) embedder(e encoderState, n int) (*model.Embedder, error) {
	return model.NewEmbedder(d.c.headed(), e.params, "encoder", n, d.input, d.c.Engine.ExactConv)
}

// EngineOptions change how results are computed, and their last digits.
type EngineOptions struct {
	ExactConv bool `yaml:"exact_conv" doc:"convolve directly everywhere: slower, rounding errors of up to 1e-6 instead of 3e-6"`
}

// embedBatch is how many windows go through the encoder at once.
const embedBatch = 64

// embed computes one embedding for each clip of the corpus, in its order:
// windows over the clip, each through the encoder, pooled.
func (d *data) embed(ctx context.Context, e encoderState, show *Progress) (x []float64, dim int, err error) { // (N, D)
	return d.embedEach(ctx, e, show, nil)
}

// embedEach is embed, and shows every window's embedding to a function.
func (d *data) embedEach(ctx context.Context, e encoderState, show *Progress, each func(clip int, h []float32)) (x []float64, dim int, err error) { // (N, D)
	defer show.End()
	if d.cache != nil {
		return d.cache.embedEach(ctx, d, e, show, each)
	}
	err = d.reading(func() error {
		all := make([]int, d.store.Len())
		for i := range all {
			all[i] = i
		}
		x, dim, err = d.pooled(ctx, e, all, show, each)
		return err
	})
	return x, dim, err
}

// reading calls f, which reads the store's memory, and believes it only if the
// store is what it was.
func (d *data) reading(f func() error) error {
	return fault.Guard(func() error {
		if err := f(); err != nil {
			return err
		}
		return d.store.Unchanged()
	})
}

// windows computes one embedding for each of some clips.
func (d *data) windows(ctx context.Context, e encoderState, clips []int, show *Progress) (x []float64, dim int, err error) { // (N, D)
	return d.pooled(ctx, e, clips, show, nil)
}

// pooled is windows, and shows each window's embedding, which is good until the
// function returns, with its row of x.
func (d *data) pooled(ctx context.Context, e encoderState, clips []int, show *Progress, each func(row int, h []float32)) (x []float64, dim int, err error) { // (N, D)
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		return nil, 0, err
	}
	views := d.views(e.norm)
	hop := d.hop()
	size := d.input.Values()
	p := newPool(d.c.Embed.Pool, len(clips), net.Dim())
	in := make([]float32, embedBatch*size) // (embedBatch, C, F, T)
	out := make([]float32, embedBatch*net.Dim())
	var owner []int // row of x of each window in the batch
	flush := func() error {
		h := out[:len(owner)*net.Dim()]
		if err := net.Embed(ctx, h, in[:len(owner)*size]); err != nil {
			return err
		}
		for w, clip := range owner {
			p.add(clip, h[w*net.Dim():(w+1)*net.Dim()])
			if each != nil {
				each(clip, h[w*net.Dim():(w+1)*net.Dim()])
			}
		}
		owner = owner[:0]
		return nil
	}
	for row, i := range clips {
		s, err := d.store.Spectrogram(i)
		if err != nil {
			return nil, 0, err
		}
		for w := range views.Count(s.Frames, hop) {
			at := len(owner) * size
			if err := views.Window(in[at:at+size], &s, hop, w); err != nil {
				return nil, 0, fmt.Errorf("%s: %w", d.corpus.Items[i].Path, err)
			}
			if owner = append(owner, row); len(owner) == embedBatch {
				if err := flush(); err != nil {
					return nil, 0, err
				}
			}
		}
		show.At(row+1, "")
	}
	if len(owner) > 0 {
		if err := flush(); err != nil {
			return nil, 0, err
		}
	}
	return p.finish(), p.dim, nil
}

// hop is how many frames lie between windows.
func (d *data) hop() int { return max(1, int(math.Round(d.c.Embed.Hop*float64(d.c.View.Frames)))) }

// A pool gathers the windows of each clip into one embedding.
type pool struct {
	how    string
	h, dim int // of a window, of a clip
	x      []float64
	count  []int
}

func newPool(how string, clips, h int) *pool {
	p := &pool{how: how, h: h, dim: h, count: make([]int, clips)}
	if how == "mean_max" {
		p.dim = 2 * h
	}
	p.x = make([]float64, clips*p.dim)
	return p
}

func (p *pool) add(clip int, h []float32) {
	row := p.x[clip*p.dim : (clip+1)*p.dim]
	first := p.count[clip] == 0
	p.count[clip]++
	if p.how != "max" {
		for k, v := range h {
			row[k] += float64(v)
		}
	}
	if p.how != "mean" {
		top := row[p.dim-p.h:]
		for k, v := range h {
			if first || float64(v) > top[k] {
				top[k] = float64(v)
			}
		}
	}
}

func (p *pool) finish() []float64 {
	if p.how == "max" {
		return p.x
	}
	for clip, n := range p.count {
		for k := range p.h {
			p.x[clip*p.dim+k] /= float64(n)
		}
	}
	return p.x
}
