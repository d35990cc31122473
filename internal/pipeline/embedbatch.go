package pipeline

import (
	"context"
	"fmt"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/host"
	"clr/internal/model"
)

// streamBatch is how many windows go through the encoder at once where clips come as
// a stream: a large network's weights, which no cache holds, are read half as often as
// with embedBatch, to the same bits.
const streamBatch = 2 * embedBatch

// A batcher embeds clips as they come: their windows fill batches, and a clip is
// done when the last of its windows is.
type batcher struct {
	net   *model.Embedder
	views *augment.Views
	pool  string
	hop   int
	size  int         // values of a window
	in    []float32   // (streamBatch, C, F, T)
	out   []float32   // (streamBatch, H)
	owner []*openClip // of each window in the batch

	done func(clip int, seconds float64, x []float32) error // is told of each clip, in the order in which they came
	row  []float32
}

// An openClip has windows in the batch, or still to come into one.
type openClip struct {
	clip    int
	seconds float64
	windows int // that are not embedded yet
	pool    *pool
}

// batcher makes one, if there is memory for it.
func (f *frozen) batcher() (*batcher, error) {
	drafted := model.DraftParams()
	draft, err := model.NewEmbedder(f.c.headed(), drafted, "encoder", streamBatch, f.input, f.c.Engine.ExactConv)
	if err != nil {
		return nil, err
	}
	graph, weights, windows := int64(draft.Plan().Bytes), 4*int64(drafted.Values()), 8*streamBatch*int64(f.input.Values())
	if err := host.MemoryLimit().Fits(graph+weights+windows, "embedding", fmt.Sprintf("graph %s, weights %s, %d windows of %s %s",
		host.Bytes(graph), host.Bytes(weights), streamBatch, f.input, host.Bytes(windows)), "embed where there is more memory"); err != nil {
		return nil, err
	}
	net, err := f.embedder(f.state, streamBatch)
	if err != nil {
		return nil, err
	}
	size := f.input.Values()
	b := &batcher{net: net, views: f.views(f.state.norm), pool: f.c.Embed.Pool, hop: f.hop(), size: size,
		in: make([]float32, streamBatch*size), out: make([]float32, streamBatch*net.Dim())}
	b.row = make([]float32, newPool(b.pool, 0, net.Dim()).dim)
	return b, nil
}

// dim is the number of values of a clip's embedding.
func (b *batcher) dim() int { return len(b.row) }

// add takes a clip, and says whether a batch has become full and was embedded.
func (b *batcher) add(ctx context.Context, h audio.Heard) (flushed bool, err error) {
	n := b.views.Count(h.Spectrogram.Frames, b.hop)
	c := &openClip{h.Clip, h.Seconds, n, newPool(b.pool, 1, b.net.Dim())}
	for w := range n {
		at := len(b.owner) * b.size
		if err := b.views.Window(b.in[at:at+b.size], &h.Spectrogram, b.hop, w); err != nil {
			return flushed, fmt.Errorf("clip %d: %w", h.Clip, err)
		}
		if b.owner = append(b.owner, c); len(b.owner) == streamBatch {
			if err := b.flush(ctx); err != nil {
				return flushed, err
			}
			flushed = true
		}
	}
	return flushed, nil
}

// flush embeds what is in the batch.
func (b *batcher) flush(ctx context.Context) error {
	if len(b.owner) == 0 {
		return nil
	}
	d := b.net.Dim()
	h := b.out[:len(b.owner)*d]
	if err := b.net.Embed(ctx, h, b.in[:len(b.owner)*b.size]); err != nil {
		return err
	}
	for w, c := range b.owner {
		c.pool.add(0, h[w*d:(w+1)*d])
		if c.windows--; c.windows > 0 {
			continue
		}
		for k, v := range c.pool.finish() {
			b.row[k] = float32(v)
		}
		if err := b.done(c.clip, c.seconds, b.row); err != nil {
			return err
		}
	}
	b.owner = b.owner[:0]
	return nil
}
