package audio

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync/atomic"
)

// A taken is what a build knows of a line of the manifest.
type taken struct {
	seconds float64 // of its recording, where windows depend on it
	err     error   // why the line cannot be used
	clips   int     // that it gives
}

// identify finds what each line's file holds, and cuts the lines into clips.
func (b *builder) identify(ctx context.Context) error {
	lines := b.corpus.Items
	b.originals = &Originals{corpus: b.corpus, files: map[string]*original{}}
	for _, it := range lines {
		if b.originals.files[it.File] == nil {
			b.originals.files[it.File] = new(original)
		}
	}
	known := b.old.lengths()
	b.lines = make([]taken, len(lines))
	errs, err := Each(ctx, b.workers, len(lines), nil, func(i int) (err error) {
		it := lines[i]
		o := b.originals.files[it.File]
		if err := o.identify(b.corpus, it); err != nil || !b.corpus.reading.Windows.on() || it.End != 0 {
			return err
		}
		if b.lines[i].seconds = known[o.sum]; b.lines[i].seconds == 0 {
			b.lines[i].seconds, err = o.length(b.corpus.fsys, it.File)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.left, b.dead = 0, make([]atomic.Bool, len(lines))
	for i, err := range errs {
		if err == nil {
			_, err = b.corpus.reading.Windows.cut(lines[i], b.lines[i].seconds, maxWindows)
		}
		if err != nil {
			b.leave(i, err)
		}
	}
	if err := b.refuse(); err != nil {
		return err
	}
	b.cut()
	return b.retry(ctx)
}

// cut makes the clips of the lines that are not left out, their keys, and the
// order in which records are made: that of the recordings in the manifest, and
// in each that of the clips' starts, so that one pass is enough.
func (b *builder) cut() {
	b.items, b.of, b.keys = nil, nil, nil
	rank := map[string]int{}
	for i, line := range b.corpus.Items {
		if _, ok := rank[line.File]; !ok {
			rank[line.File] = len(rank)
		}
		if b.lines[i].err != nil {
			continue
		}
		items, err := b.corpus.reading.Windows.cut(line, b.lines[i].seconds, maxWindows)
		if err != nil {
			panic("audio: a line is cut that was refused: " + err.Error())
		}
		b.lines[i].clips = len(items)
		for _, it := range items {
			b.items, b.of = append(b.items, it), append(b.of, i)
			b.keys = append(b.keys, sha256.Sum256(fmt.Appendf(nil, "%x %v %v %s", b.originals.files[it.File].sum, it.Start, it.End, b.settings)))
		}
	}
	order := make([]int, len(b.items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		x, y := b.items[i], b.items[j]
		return cmp.Or(cmp.Compare(rank[x.File], rank[y.File]), cmp.Compare(x.Start, y.Start))
	})
	b.number, b.unique, b.twins = map[key]int{}, nil, map[int][]int{}
	for _, i := range order {
		if n, ok := b.number[b.keys[i]]; ok {
			b.twins[n] = append(b.twins[n], i)
			continue
		}
		b.number[b.keys[i]] = len(b.unique)
		b.unique = append(b.unique, i)
	}
	b.cutAt = b.left
	b.stats.Clips, b.stats.Shared = len(b.items), len(b.items)-len(b.unique)
}

// retry makes the clips of lines that the old store left out, for what could
// not be read then may be readable now.
func (b *builder) retry(ctx context.Context) error {
	if b.old == nil {
		return nil
	}
	left := map[storedClip]bool{}
	for _, l := range b.old.lines {
		if l.clips == 0 {
			left[l.was] = true
		}
	}
	var again [][]int // clips of one line
	for i, it := range b.items {
		line := b.corpus.Items[b.of[i]]
		switch {
		case !left[storedClip{start: line.Start, end: line.End, sum: b.originals.files[it.File].sum, path: line.Path}]:
		case i > 0 && b.of[i-1] == b.of[i]:
			again[len(again)-1] = append(again[len(again)-1], i)
		default:
			again = append(again, []int{i})
		}
	}
	if len(again) == 0 {
		return nil
	}
	errs, err := Each(ctx, b.workers, len(again), nil, func(n int) error {
		m := maker{builder: b}
		j := job{items: again[n], out: make(chan made, len(again[n]))}
		m.work(ctx, j)
		for range j.items {
			if r := <-j.out; r.err != nil {
				return r.err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for n, err := range errs {
		if err != nil {
			b.leave(b.of[again[n][0]], err)
		}
	}
	if err := b.refuse(); err != nil {
		return err
	}
	b.cut()
	return nil
}
