package audio

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"

	"clr/internal/fault"
)

// A Stream is a corpus that is heard without a store: the features of its clips in
// the order of its lines, each made when its turn comes, and forgotten. They are
// those that a store would hold, to the bit. Of recordings no more is in memory
// than about a minute for each worker, however long they are; a clip that waits
// takes some hundred bytes.
type Stream struct{ b *builder }

// A Heard is what comes of a clip.
type Heard struct {
	Clip        int
	Spectrogram Spectrogram
	Seconds     float64 // that the clip lasts
	Err         error   // instead: why its line cannot be used, of which no other clip comes
}

// NewStream finds the clips of a corpus. Lines that it finds cannot be used are
// left out, and listed at the end beside the file that is written, out. Recordings
// are read to the end here only where the manifest has their SHA-256, or where
// windows depend on a length that their format does not tell.
func NewStream(ctx context.Context, out string, c *Corpus, feature FeatureOptions, rate int, o BuildOptions) (*Stream, error) {
	if err := feature.Check(rate); err != nil {
		return nil, err
	}
	b := &builder{path: out, corpus: c, feature: feature, rate: rate, workers: o.Workers, say: o.Say,
		originals: &Originals{corpus: c, files: map[string]*original{}}, lines: make([]taken, len(c.Items)), dead: make([]atomic.Bool, len(c.Items))}
	if b.workers < 1 {
		b.workers = runtime.GOMAXPROCS(0)
	}
	for _, it := range c.Items {
		if b.originals.files[it.File] == nil {
			b.originals.files[it.File] = new(original)
		}
	}
	windows := c.reading.Windows
	errs, err := Each(ctx, b.workers, len(c.Items), nil, func(i int) (err error) {
		it := c.Items[i]
		o := b.originals.files[it.File]
		if it.lost != nil || it.SHA256 != "" {
			if err := o.identify(c, it); err != nil {
				return err
			}
		}
		if windows.on() && it.End == 0 {
			b.lines[i].seconds, err = o.length(c.fsys, it.File)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, err := range errs {
		var items []Item
		if err == nil {
			items, err = windows.cut(c.Items[i], b.lines[i].seconds, maxWindows)
		}
		if err != nil {
			b.leave(i, err)
			continue
		}
		b.lines[i].clips = len(items)
		for _, it := range items {
			b.items, b.of = append(b.items, it), append(b.of, i)
		}
	}
	b.keys = make([]key, len(b.items)) // no record is asked for by its own
	return &Stream{b}, b.refuse()
}

// Len is the number of clips.
func (s *Stream) Len() int { return len(s.b.items) }

// Item is a clip as a line of a manifest.
func (s *Stream) Item(clip int) Item { return s.b.items[clip] }

// Line is the line that a clip is of, the first being 0.
func (s *Stream) Line(clip int) int { return s.b.of[clip] }

// Mark tells a clip's line from another: by its path, stretch and windows, and by
// what its file's size and time say of the content.
func (s *Stream) Mark(clip int) ([sha256.Size]byte, error) {
	line := s.b.of[clip]
	it := s.b.corpus.Items[line]
	info, err := fs.Stat(s.b.corpus.fsys, it.File)
	if err != nil {
		return [sha256.Size]byte{}, fault.New(fault.Data, "bring the file back, and start again", "%w", err)
	}
	return sha256.Sum256(fmt.Appendf(nil, "%q %v %v %d %s %d %d", it.Path, it.Start, it.End, s.b.lines[line].clips, it.SHA256, info.Size(), info.ModTime().UnixNano())), nil
}

// Leave says that a line cannot be used, as was found earlier.
func (s *Stream) Leave(line int, err error) { s.b.leave(line, err) }

// Left says whether a clip's line is left out.
func (s *Stream) Left(clip int) bool { return s.b.lines[s.b.of[clip]].err != nil }

// LeftOut is how many lines are left out.
func (s *Stream) LeftOut() int { return s.b.left }

// Refused says whether more lines cannot be used than may be left out: the rest
// is then heard for the sake of Finish's list.
func (s *Stream) Refused() bool { return !s.b.corpus.reading.OnError.allows(s.b.left, len(s.b.lines)) }

// Each hears the clips from one on. f is called in their order, on the caller's
// goroutine; what it is given is its own.
func (s *Stream) Each(ctx context.Context, from int, f func(Heard) error) error {
	b := s.b
	todo := make([]int, 0, len(b.items)-from)
	for i := from; i < len(b.items); i++ {
		if !s.Left(i) {
			todo = append(todo, i)
		}
	}
	return b.produce(ctx, todo, func(item int, r made) error {
		line := b.of[item]
		var mistake *fault.Panic
		switch {
		case errors.As(r.err, &mistake):
			return fmt.Errorf("%s:%d: %s: %w", b.corpus.Path, b.items[item].Line, b.items[item].Path, r.err)
		case b.dead[line].Load():
			return nil
		case r.err != nil:
			b.leave(line, r.err)
			if s.Refused() && b.left >= maxFaults {
				return b.refuse() // enough to begin with
			}
			return f(Heard{Clip: item, Err: r.err})
		}
		head, ok := decodeHead(r.data, align, int64(len(r.data)))
		if !ok {
			panic("audio: a record was laid out wrong")
		}
		return f(Heard{Clip: item, Spectrogram: Spectrogram{head.bins, head.frames, floats(r.data[align:][:head.size()])}, Seconds: r.audio})
	})
}

// Finish is the error of a corpus of which more cannot be used than may be left
// out; otherwise it lists and tells what is.
func (s *Stream) Finish() error {
	if err := s.b.refuse(); err != nil {
		return err
	}
	if err := s.b.quarantine(); err != nil {
		return err
	}
	s.b.tell()
	return nil
}
