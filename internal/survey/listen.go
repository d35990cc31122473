// Package survey hears every recording of a corpus once, and tells what is in
// it (Stats) and what is wrong with it (Check). It hides how recordings are
// measured while they stream by, so that neither their length nor their number
// matters, and what makes two of them the same.
package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"clr/internal/audio"
	"clr/internal/disk"
)

// A Hearing is what was heard of one clip.
type Hearing struct {
	Form    audio.Form // of its recording
	Err     error      // why the clip cannot be read; then there is nothing else
	File    string     // SHA-256 of the recording's file, if asked for
	Sound   [32]byte   // SHA-256 of rate, channels and decoded samples: a WAV and a FLAC of one sound are equal
	Seconds float64
	Peak    float64 // greatest magnitude; full scale is 1
	RMS     float64 // root mean square
	DC      float64 // greatest mean of a channel, as a magnitude
	Clipped float64 // share of samples in flat tops (see meter)
}

// Options are how a corpus is heard.
type Options struct {
	Workers  int            // 0 is GOMAXPROCS
	Hash     bool           // of the files too
	Progress func(done int) // is told of recordings done, in one goroutine; may be nil
}

// Listen hears each clip of a corpus: a recording is decoded once, however many
// clips are cut from it. What cannot be read is told in the clip's Err.
func Listen(ctx context.Context, c *audio.Corpus, o Options) ([]Hearing, error) {
	heard := make([]Hearing, len(c.Items))
	files, clips := recordings(c)
	errs, err := audio.Each(ctx, o.Workers, len(files), o.Progress, func(i int) error {
		listen(ctx, c, files[i], clips[files[i]], o.Hash, heard)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return heard, errors.Join(errs...)
}

// recordings are the files of a corpus, each with the items cut from it.
func recordings(c *audio.Corpus) (files []string, clips map[string][]int) {
	clips = map[string][]int{}
	for i, it := range c.Items {
		if clips[it.File] == nil {
			files = append(files, it.File)
		}
		clips[it.File] = append(clips[it.File], i)
	}
	return files, clips
}

// Recordings counts the files of a corpus.
func Recordings(c *audio.Corpus) int {
	files, _ := recordings(c)
	return len(files)
}

// listen hears the clips of one file.
func listen(ctx context.Context, c *audio.Corpus, file string, clips []int, hash bool, heard []Hearing) {
	starts := slices.Clone(clips)
	slices.SortStableFunc(starts, func(a, b int) int { return cmp.Compare(c.Items[a].Start, c.Items[b].Start) })
	waiting, meters := starts, []*meter(nil)
	finish := func(m *meter) { heard[m.clip] = m.hearing() }
	form, frames, err := audio.Scan(c.FS(), file, func(form audio.Form, at int64, block []float32) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := at + int64(len(block)/form.Channels)
		for len(waiting) > 0 && audio.FrameAt(c.Items[waiting[0]].Start, form.Rate) < end {
			meters = append(meters, newMeter(waiting[0], c.Items[waiting[0]], form))
			waiting = waiting[1:]
		}
		meters = slices.DeleteFunc(meters, func(m *meter) bool {
			m.add(at, block)
			over := m.last >= 0 && end >= m.last
			if over {
				finish(m)
			}
			return over
		})
		return nil
	})
	if ctx.Err() != nil {
		return
	}
	for _, m := range meters {
		finish(m)
	}
	sum := ""
	if hash && err == nil {
		sum, err = disk.Hash(c.FS(), file)
	}
	for _, i := range clips {
		h := &heard[i]
		h.Form, h.File, h.Err = form, sum, err
		if err == nil {
			h.Err = outside(c.Items[i], float64(frames)/float64(form.Rate))
		}
	}
}

// errRange marks clips that lie outside of their recordings.
var errRange = errors.New("the clip is not in its recording")

// outside says that a clip is not in its recording, of a length in seconds.
func outside(it audio.Item, length float64) error {
	switch {
	case it.Start >= length:
		return fmt.Errorf("it starts at %v s, the recording ends at %v s: %w", it.Start, length, errRange)
	case it.End > length+audio.EndSlack:
		return fmt.Errorf("it ends at %v s, the recording at %v s: %w", it.End, length, errRange)
	}
	return nil
}
