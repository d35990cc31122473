package survey

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"clr/internal/audio"
)

// Stats tell what is in a corpus. Times are seconds, levels are magnitudes with
// full scale at 1.
type Stats struct {
	Manifest   string       `json:"manifest"`
	Clips      int          `json:"clips"`
	Recordings int          `json:"recordings"` // files
	Unreadable int          `json:"unreadable"` // clips; nothing below counts them but labels, splits, folds and groups, as clips
	Seconds    float64      `json:"seconds"`
	Duration   Distribution `json:"duration"`
	Peak       Distribution `json:"peak"`
	RMS        Distribution `json:"rms"`
	Rates      []Part       `json:"sample_rates"`
	Channels   []Part       `json:"channels"`
	Encodings  []Part       `json:"encodings"` // container and encoding of the samples
	Labels     []Part       `json:"labels,omitempty"`
	Splits     []Part       `json:"splits,omitempty"`
	Folds      []Part       `json:"folds,omitempty"`
	Groups     []Part       `json:"groups,omitempty"`
}

// A Distribution is how values lie.
type Distribution struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Mean   float64 `json:"mean"`
	Max    float64 `json:"max"`
}

// A Part is the clips with one value: of a column, or of what was heard.
type Part struct {
	Value    string       `json:"value"`
	Clips    int          `json:"clips"`
	Seconds  float64      `json:"seconds"`
	Duration Distribution `json:"duration"`
}

// Measure makes statistics of what was heard of a corpus.
func Measure(c *audio.Corpus, heard []Hearing) *Stats {
	s := &Stats{Manifest: c.Path, Clips: len(c.Items), Recordings: Recordings(c)}
	all, readable := make([]int, len(heard)), []int(nil)
	for i := range c.Items {
		all[i] = i
		if heard[i].Err == nil {
			readable = append(readable, i)
		}
	}
	s.Unreadable = len(all) - len(readable)
	of := func(value func(Hearing) float64) []float64 {
		var values []float64
		for _, i := range readable {
			values = append(values, value(heard[i]))
		}
		return values
	}
	lengths := of(func(h Hearing) float64 { return h.Seconds })
	s.Seconds, s.Duration = sum(lengths), spread(lengths)
	s.Peak = spread(of(func(h Hearing) float64 { return h.Peak }))
	s.RMS = spread(of(func(h Hearing) float64 { return h.RMS }))

	parts := func(clips []int, values func(i int) []string) []Part { return partsOf(heard, clips, values) }
	s.Rates = parts(readable, func(i int) []string { return []string{strconv.Itoa(heard[i].Form.Rate)} })
	s.Channels = parts(readable, func(i int) []string { return []string{strconv.Itoa(heard[i].Form.Channels)} })
	s.Encodings = parts(readable, func(i int) []string { return []string{heard[i].Form.Container + " " + heard[i].Form.Encoding} })
	s.Labels = parts(all, func(i int) []string { return c.Items[i].Labels() })
	for column, into := range map[string]*[]Part{"split": &s.Splits, "fold": &s.Folds, "group": &s.Groups} {
		*into = parts(all, func(i int) []string {
			if v := c.Items[i].Value(column); v != "" {
				return []string{v}
			}
			return nil
		})
	}
	return s
}

// partsOf divides clips by their values, numbers in their order, words in theirs.
func partsOf(heard []Hearing, clips []int, values func(i int) []string) []Part {
	count, lengths := map[string]int{}, map[string][]float64{}
	for _, i := range clips {
		for _, v := range values(i) {
			count[v]++
			if heard[i].Err == nil {
				lengths[v] = append(lengths[v], heard[i].Seconds)
			}
		}
	}
	parts := []Part{} // in JSON [], not null
	for _, v := range slices.SortedFunc(maps.Keys(count), byNumber) {
		parts = append(parts, Part{v, count[v], sum(lengths[v]), spread(lengths[v])})
	}
	return parts
}

func byNumber(a, b string) int {
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	if errA == nil && errB == nil {
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	}
	if (errA == nil) != (errB == nil) {
		return map[bool]int{true: -1, false: 1}[errA == nil]
	}
	return cmp.Compare(a, b)
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

func spread(values []float64) Distribution {
	if len(values) == 0 {
		return Distribution{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Distribution{sorted[0], median(sorted), sum(values) / float64(len(values)), sorted[len(sorted)-1]}
}

// rows is how many values of a column a person is shown; JSON has all.
const rows = 40

// Write writes the statistics as tables.
func (s *Stats) Write(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s in %s, %s\n", s.Manifest, count(s.Clips, "clip"), count(s.Recordings, "recording"), hours(s.Seconds))
	if s.Unreadable > 0 {
		fmt.Fprintf(w, "%s cannot be read: clr data check %s says why\n", count(s.Unreadable, "clip"), s.Manifest)
	}
	cells := [][]string{{"", "min", "median", "mean", "max"}}
	line := func(name string, d Distribution, show func(float64) string) {
		cells = append(cells, []string{name, show(d.Min), show(d.Median), show(d.Mean), show(d.Max)})
	}
	line("duration, s", s.Duration, seconds)
	line("peak, dBFS", s.Peak, dbfs)
	line("rms, dBFS", s.RMS, dbfs)
	if err := aligned(w, cells); err != nil {
		return err
	}
	for _, part := range []struct {
		name  string
		parts []Part
	}{{"sample rate", s.Rates}, {"channels", s.Channels}, {"encoding", s.Encodings}, {"split", s.Splits}, {"fold", s.Folds}, {"label", s.Labels}, {"group", s.Groups}} {
		if err := table(w, part.name, part.parts); err != nil {
			return err
		}
	}
	return nil
}

// table writes the parts of one column; names are on the left, numbers on the
// right.
func table(w io.Writer, name string, parts []Part) error {
	if len(parts) == 0 {
		return nil
	}
	cells := [][]string{{name, "clips", "hours", "min s", "median s", "mean s", "max s"}}
	for _, p := range parts[:min(len(parts), rows)] {
		cells = append(cells, []string{p.Value, strconv.Itoa(p.Clips), fmt.Sprintf("%.3f", p.Seconds/3600),
			seconds(p.Duration.Min), seconds(p.Duration.Median), seconds(p.Duration.Mean), seconds(p.Duration.Max)})
	}
	if err := aligned(w, cells); err != nil {
		return err
	}
	if more := len(parts) - rows; more > 0 {
		_, err := fmt.Fprintf(w, "and %d more; --json has all\n", more)
		return err
	}
	return nil
}

// aligned writes rows below an empty line, the first column on the left.
func aligned(w io.Writer, cells [][]string) error {
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	b.WriteByte('\n')
	for _, row := range cells {
		fmt.Fprintf(&b, "%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(&b, "  %*s", widths[i+1], cell)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func seconds(v float64) string { return fmt.Sprintf("%.3f", v) }

func hours(s float64) string {
	if s < 3600 {
		return fmt.Sprintf("%.1f minutes", s/60)
	}
	return fmt.Sprintf("%.2f hours", s/3600)
}
