package audio

import (
	"encoding/hex"

	"clr/internal/fault"
)

// Corpus is a corpus as the store has it: the windows of its lines, without the
// lines that were left out. The store must hold exactly these, in order, with a
// feature at a rate; the error says what differs. Whether the recordings
// themselves have changed since, only Build and Originals find out.
func (s *Store) Corpus(c *Corpus, feature FeatureOptions, rate int) (*Corpus, error) {
	settings, err := c.reading.settings(feature, rate)
	if err != nil {
		return nil, err
	}
	diff, err := differences(s.settings, settings)
	if err != nil {
		return nil, s.damaged("%w", err)
	}
	if len(diff) > 0 {
		return nil, s.differs("%s", diff[0])
	}
	items, err := s.items(c)
	if err != nil {
		return nil, err
	}
	if len(items) != len(s.clips) {
		return nil, s.differs("it holds %d clips, %s lists %d", len(s.clips), c.Path, len(items))
	}
	for i, it := range items {
		have := s.clips[i]
		if have.path != it.Path || have.start != it.Start || have.end != it.End {
			return nil, s.differs("clip %d is %s from %v to %v s, line %d of %s is %s from %v to %v s",
				i, have.path, have.start, have.end, it.Line, c.Path, it.Path, it.Start, it.End)
		}
		if sum := hex.EncodeToString(have.sum[:]); it.SHA256 != "" && it.SHA256 != sum {
			return nil, s.differs("%s had the SHA-256 %s, line %d of %s says %s", it.Path, sum, it.Line, c.Path, it.SHA256)
		}
	}
	held := *c
	held.Items = items
	return &held, nil
}

// Left is how many lines of the manifest the store leaves out, and of how many.
func (s *Store) Left() (left, lines int) {
	for _, l := range s.lines {
		if l.clips == 0 {
			left++
		}
	}
	return left, max(len(s.lines), len(s.clips))
}

func (s *Store) differs(format string, args ...any) error {
	return fault.New(fault.Data, "run clr features again; it computes only what is missing", "feature store "+s.path+": "+format, args...)
}

// items are the clips that a corpus's lines should have given.
func (s *Store) items(c *Corpus) ([]Item, error) {
	w := c.reading.Windows
	if s.lines == nil && !w.on() {
		return c.Items, nil
	}
	if s.lines == nil {
		return nil, s.differs("its clips are whole lines, windows of %v s are asked for", w.Length)
	}
	if len(s.lines) != len(c.Items) {
		return nil, s.differs("it was made of %d lines, %s has %d", len(s.lines), c.Path, len(c.Items))
	}
	if left, lines := s.Left(); !c.reading.OnError.allows(left, lines) {
		return nil, s.differs("%d of %d lines are left out, which on_error does not allow", left, lines)
	}
	var items []Item
	for i, l := range s.lines {
		it := c.Items[i]
		if l.clips == 0 {
			if l.was.path != it.Path || l.was.start != it.Start || l.was.end != it.End {
				return nil, s.differs("it leaves out %s from %v to %v s, line %d of %s is %s from %v to %v s",
					l.was.path, l.was.start, l.was.end, it.Line, c.Path, it.Path, it.Start, it.End)
			}
			continue
		}
		windows, err := w.cut(it, l.seconds, l.clips)
		if err != nil || len(windows) != l.clips {
			return nil, s.differs("line %d of %s gave %d clips, not as many as now", it.Line, c.Path, l.clips)
		}
		items = append(items, windows...)
	}
	return items, nil
}

// lengths are those of the recordings, in seconds, that were measured for the
// windows of a store; nil is none.
func (s *Store) lengths() map[[32]byte]float64 {
	known := map[[32]byte]float64{}
	if s == nil {
		return known
	}
	clip := 0
	for _, l := range s.lines {
		if l.clips > 0 && l.seconds > 0 {
			known[s.clips[clip].sum] = l.seconds
		}
		clip += l.clips
	}
	return known
}
