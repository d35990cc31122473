package audio

import (
	"math"
	"slices"
	"strconv"

	"clr/internal/fault"
)

// Windows cut each line of a manifest into clips of equal length.
type Windows struct {
	Length float64 `yaml:"length" doc:"seconds of a window; 0 takes each line as one clip. The one that reaches the line's end is the last; it is kept if at least half of it is there, or if it is the only one"`
	Hop    float64 `yaml:"hop" doc:"seconds from one window's start to the next one's; 0 is length"`
}

// Check refuses what is no window.
func (w Windows) Check() error {
	const least, most = 1e-3, 1e6 // seconds
	switch {
	case w == Windows{}:
		return nil
	case !(w.Length >= least && w.Length <= most):
		return fault.New(fault.Usage, "give it in seconds; 0 for both length and hop takes each line whole", "length is %v, it must be %v to %v s", w.Length, least, most)
	case w.Hop != 0 && !(w.Hop >= least && w.Hop <= most):
		return fault.New(fault.Usage, "give it in seconds; 0 is the length", "hop is %v, it must be 0, or %v to %v s", w.Hop, least, most)
	}
	return nil
}

// on says that lines are cut.
func (w Windows) on() bool { return w.Length > 0 }

// micro is how exactly windows are placed, in seconds; less than a sample.
const micro = 1e-6

// maxWindows is how many a manifest or a header may claim for one line; 194 days
// at a hop of one second.
const maxWindows = 1 << 24

// cut gives the windows of a line, if they are not too many. How many seconds
// its recording has matters only where the line has no end.
func (w Windows) cut(line Item, seconds float64, most int) ([]Item, error) {
	if !w.on() {
		return []Item{line}, nil
	}
	end := line.End
	if end == 0 {
		end = seconds
	}
	if !(line.Start < end) {
		return nil, fault.New(fault.Data, "mend start and end in the manifest", "the clip starts at %v s, the recording ends at %v s", line.Start, seconds)
	}
	hop := w.Hop
	if hop == 0 {
		hop = w.Length
	}
	if (end-line.Start-w.Length)/hop > float64(most) {
		return nil, fault.New(fault.Data, "mend start and end in the manifest, or set windows.hop higher",
			"the line from %v s to %v s would give more than %d windows", line.Start, end, most)
	}
	var all []Item
	for k := 0; ; k++ {
		start := line.Start
		if k > 0 {
			start = toMicro(line.Start + float64(float64(k)*hop))
			if end-start < w.Length/2-micro {
				return all, nil
			}
		}
		stop := toMicro(start + w.Length)
		all = append(all, line.between(start, min(stop, end)))
		if stop > end-micro {
			return all, nil
		}
	}
}

// toMicro is the decimal with six places that is meant by a sum of seconds:
// 0.3, not 0.30000000000000004.
func toMicro(seconds float64) float64 { return math.Round(seconds*1e6) / 1e6 }

// between is a line's item for a part of it, in its fields too.
func (it Item) between(start, end float64) Item {
	it.Start, it.End = start, end
	it.columns, it.row = slices.Clone(it.columns), slices.Clone(it.row)
	for _, v := range []struct {
		name  string
		value float64
	}{{"start", start}, {"end", end}} {
		text := strconv.FormatFloat(v.value, 'f', -1, 64)
		if i := slices.Index(it.columns, v.name); i >= 0 && i < len(it.row) {
			it.row[i] = text
			continue
		}
		it.columns, it.row = append(it.columns, v.name), append(it.row, text)
	}
	return it
}
