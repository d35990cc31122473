package audio

import (
	"io"
	"io/fs"

	"clr/internal/fault"
)

// A reel is a recording that is kept open while clips are cut from it. Those
// in the order of their starts take one pass through the file.
type reel struct {
	c    *Corpus
	o    *original
	path string
	r    io.ReadSeeker
	f    fs.File
	as   fs.FileInfo // what the file was when the tape was put in
	tape *tape       // nil: not in
}

// open opens the recording of an item.
func (o *Originals) open(it Item) (*reel, error) {
	r, f, err := seekable(o.corpus.fsys, it.File)
	if err != nil {
		return nil, err
	}
	return &reel{c: o.corpus, o: o.files[it.File], path: it.File, r: r, f: f}, nil
}

func (l *reel) close() { l.f.Close() }

// seeks says that clips in any order cost no more than in theirs.
func (l *reel) seeks() bool { return l.tape != nil && l.tape.s.seek != nil }

// attempts is how often a file is read that changes while it is read.
const attempts = 3

// clip reads an item as a clip of a rate. Its samples are good until the next
// is read.
func (l *reel) clip(it Item, rate int) (Clip, error) {
	for range attempts {
		if l.tape != nil && l.tape.passed(FrameAt(it.Start, l.tape.s.rate)) {
			l.tape = nil
		}
		if l.tape == nil {
			info, err := l.o.compare(l.r, l.f)
			if err != nil {
				return Clip{}, fault.New(fault.Data, fault.Remedy(err), "%s: %w", l.path, err)
			}
			l.as = info
		}
		c, failed := l.cut(it, rate)
		after, err := l.f.Stat()
		if err != nil {
			return Clip{}, fault.New(fault.Data, replace, "%w", err)
		}
		if sameFile(l.as, after) {
			return c, failed
		}
		l.tape = nil
	}
	return Clip{}, fault.New(fault.Data, "wait until nobody writes the recordings", "%s changes while it is read", l.path)
}

func (l *reel) cut(it Item, rate int) (c Clip, err error) {
	defer named(l.path, &err)
	if l.tape == nil {
		s, err := open(l.r)
		if err != nil {
			return Clip{}, err
		}
		l.tape = newTape(s, l.c.reader.mix)
	}
	return l.c.reader.clip(l.tape, rate, it.Start, it.End)
}
