package audio

import (
	"clr/internal/fault"
)

// A reel is a recording that is kept open while clips are cut from it. Those
// in the order of their starts take one pass through the file.
type reel struct {
	*input
	c    *Corpus
	o    *original
	path string
	tape *tape // nil: not in
}

// open opens the recording of an item.
func (o *Originals) open(it Item) (*reel, error) {
	in, err := openInput(o.corpus.fsys, it.File)
	if err != nil {
		return nil, err
	}
	return &reel{input: in, c: o.corpus, o: o.files[it.File], path: it.File}, nil
}

// jumps says that clips in any order cost no more than in theirs.
func (l *reel) jumps() bool { return l.tape != nil && l.tape.s.walk == nil }

// attempts is how often a file is read that changes while it is read.
const attempts = 3

// clip reads an item as a clip of a rate. Its samples are good until the next
// is read.
func (l *reel) clip(it Item, rate int) (Clip, error) {
	for range attempts {
		if l.tape == nil {
			if err := l.o.compare(l.input); err != nil {
				return Clip{}, fault.New(fault.Data, fault.Remedy(err), "%s: %w", l.path, err)
			}
		}
		c, failed := l.cut(it, rate)
		same, err := l.same()
		if same {
			return c, failed
		}
		if l.tape = nil; err == nil {
			err = l.look()
		}
		if err != nil {
			return Clip{}, fault.New(fault.Data, replace, "%w", err)
		}
	}
	return Clip{}, fault.New(fault.Data, "wait until nobody writes the recordings", "%s changes while it is read", l.path)
}

func (l *reel) cut(it Item, rate int) (c Clip, err error) {
	defer named(l.path, &err)
	if l.tape == nil {
		s, err := open(l.input)
		if err != nil {
			return Clip{}, err
		}
		l.tape = newTape(s, l.c.reader.mix)
	}
	return l.c.reader.clip(l.tape, rate, it.Start, it.End)
}
