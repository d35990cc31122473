package audio

import (
	"context"
	"errors"
	"slices"

	"clr/internal/fault"
)

// A maker is one worker.
type maker struct {
	builder *builder
	feature Feature
	spec    Spectrogram
}

// work does a job: first it reads all clips, so that the recording can go on
// to the next job, then it extracts their features.
func (m *maker) work(ctx context.Context, j job) {
	b := m.builder
	clips, results := make([]Clip, len(j.items)), make([]made, len(j.items))
	var l *reel
	give := func() {
		if j.give != nil {
			j.give <- l
			j.give, l = nil, nil
		}
	}
	if j.take != nil {
		select {
		case l = <-j.take:
		case <-ctx.Done():
		}
	}
	bad := -1 // line
	for n, item := range j.items {
		line := b.of[item]
		if results[n].err = ctx.Err(); results[n].err != nil {
			continue
		}
		if line == bad || b.dead[line].Load() { // nobody asks for it any more
			results[n].err = errAgain
			continue
		}
		results[n].err = fault.Guard(func() (err error) {
			if results[n].data = b.reuse(b.keys[item]); results[n].data != nil {
				results[n].reused = true
				return nil
			}
			if l == nil {
				if l, err = b.originals.open(b.items[item]); err != nil {
					return err
				}
			}
			clips[n], err = l.clip(b.items[item], b.rate)
			if n+1 < len(j.items) || j.give != nil { // else it is ours
				clips[n].Samples = slices.Clone(clips[n].Samples)
			}
			if l.jumps() && j.give != nil {
				j.give <- nil
				j.give = nil
			}
			return err
		})
		if results[n].err = b.within(item, results[n].err); results[n].err != nil {
			bad = line
		}
	}
	give()
	if l != nil {
		l.Close()
	}
	for n, item := range j.items {
		if r := &results[n]; r.err == nil && !r.reused {
			r.err = b.within(item, fault.Guard(func() (err error) { r.data, err = m.extract(item, clips[n]); return err }))
			r.audio = float64(len(clips[n].Samples)) / float64(max(1, clips[n].Rate))
		}
		clips[n] = Clip{}
		j.out <- results[n]
		results[n] = made{}
	}
}

// within says of which window an error is, where a line has several.
func (b *builder) within(item int, err error) error {
	it := b.items[item]
	if mistake := (*fault.Panic)(nil); err == nil || errors.As(err, &mistake) || b.lines[b.of[item]].clips == 1 {
		return err
	}
	return fault.New(fault.Data, fault.Remedy(err), "from %v s to %v s: %s", it.Start, it.End, reason(it, err))
}

// extract is the record of a clip.
func (m *maker) extract(item int, clip Clip) (_ []byte, err error) {
	b := m.builder
	if m.feature == nil {
		if m.feature, err = b.feature.New(b.rate); err != nil {
			return nil, err
		}
	}
	if err = m.feature.Extract(&m.spec, clip); err == nil {
		err = finite(&m.spec, clip)
	}
	if err != nil {
		return nil, fault.New(fault.Data, fault.Remedy(err), "%s: %w", b.items[item].Path, err)
	}
	return encodeSpectrogram(b.keys[item], &m.spec), nil
}

// finite sees that samples far beyond full scale have not made a value that is no
// number.
func finite(s *Spectrogram, c Clip) error {
	for i, v := range s.Data {
		if v-v != 0 {
			loudest := float32(0)
			for _, x := range c.Samples {
				loudest = max(loudest, x, -x)
			}
			return fault.New(fault.Data, "export the recording at full scale, -1 to 1, or take its line out of the manifest",
				"bin %d of frame %d is %v: the loudest sample is %v", i/s.Frames, i%s.Frames, v, loudest)
		}
	}
	return nil
}

// reuse copies a record of the old store; one that is damaged is made again.
func (b *builder) reuse(k key) (raw []byte) {
	if b.old == nil {
		return nil
	}
	n, ok := b.old.byKey[k]
	if !ok {
		return nil
	}
	err := fault.Guard(func() error {
		data, err := b.old.data(n)
		if err != nil {
			return err
		}
		r := b.old.records[n]
		if raw = encodeRecord(k, r.bins, r.frames, data); crc(raw[align:align+r.size()]) != r.crc {
			raw = nil // the file was cut off meanwhile
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return raw
}
