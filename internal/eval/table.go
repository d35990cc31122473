package eval

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	tableWidth = 80 // columns of a terminal
	nameWidth  = 16 // for classes, splits and rows
)

// WriteTable writes the report for a terminal of 80 columns: every row's
// scores, then the first row split by split and class by class.
func (r Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	r.scores(&b)
	if len(r.Rows) > 0 {
		first := r.Rows[0]
		first.splitTable(&b, r.By, r.Multi)
		first.classTable(&b, r.Multi)
		if !r.Multi {
			first.confusionTable(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) scores(b *strings.Builder) {
	what := r.Probe + " probe"
	if r.Probe == Finetuning {
		what = "finetuning"
	}
	if len(r.Rows) == 0 {
		fmt.Fprintf(b, "%s: no rows\n", what)
		return
	}
	labels := ""
	if r.Multi {
		labels = ", several a clip"
	}
	fmt.Fprintf(b, "%s: %d classes%s, %s by %s, %s\n", what, len(r.Classes), labels,
		count(len(r.Rows[0].splits()), "split"), r.By, count(r.Rows[0].Clips, "test clip"))
	if r.Protocol != "" {
		wrap(b, append([]string{"protocol " + r.Protocol + ": "}, strings.SplitAfter(r.Settings, ", ")...))
	}
	b.WriteByte('\n')
	first := headline(r.Multi)
	table := [][]string{{"", "dim", first.name + " %", "95 % interval", "macro-F1 %", "log loss"}}
	for _, row := range r.Rows {
		spread := len(row.Folds) > 1
		dim := "-"
		if row.Dim > 0 {
			dim = strconv.Itoa(row.Dim)
		}
		table = append(table, []string{row.Name, dim,
			plusMinus(100*first.of(row.Mean), 100*first.of(row.Std), 1, spread),
			row.interval(first.key),
			plusMinus(100*row.Mean.MacroF1, 100*row.Std.MacroF1, 1, spread),
			plusMinus(row.Mean.LogLoss, row.Std.LogLoss, 3, spread)})
	}
	Align(b, table, 1)
}

// Align writes lines of cells, each column as wide as it needs to be, so that no
// name is cut; the column right, if it is one, with its ends below one another.
func Align(b *strings.Builder, lines [][]string, right int) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		text := ""
		for i, cell := range line {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == right {
				cell, space = space+cell, ""
			}
			text += cell + space + "  "
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
}

// A headlined is the score that a report puts first.
type headlined struct {
	name, key string
	of        func(Metrics) float64
}

func headline(multi bool) headlined {
	if multi {
		return headlined{"mAP", "map", func(m Metrics) float64 { return float64(m.MAP) }}
	}
	return headlined{"accuracy", "accuracy", func(m Metrics) float64 { return m.Accuracy }}
}

// interval is a metric's interval in percent; a dash where it has none.
func (r Row) interval(key string) string {
	i, ok := r.Intervals[key]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.1f..%.1f", 100*i[0], 100*i[1])
}

// others writes the row's scores that have no column, a dash for undefined ones.
func (r Row) others(b *strings.Builder) {
	m := r.Mean
	parts := []string{fmt.Sprintf("balanced accuracy %.1f", 100*m.Balanced)}
	if r.Confusion == nil {
		parts = append(parts, fmt.Sprintf("all labels right %.1f", 100*m.Accuracy), fmt.Sprintf("micro-F1 %.1f", 100*m.MicroF1))
	} else {
		parts = append(parts, "mAP "+defined(100*m.MAP, 1))
	}
	parts = append(parts, "ROC-AUC "+defined(100*m.AUC, 1), "d' "+defined(m.DPrime, 2), fmt.Sprintf("ECE %.1f", 100*m.ECE))
	if m.Top5 > 0 {
		parts = append(parts, fmt.Sprintf("top-5 %.1f", 100*m.Top5))
	}
	for i := range parts[1:] {
		parts[i] += "; "
	}
	wrap(b, parts)
}

// wrap writes parts one behind the other, in lines that fit.
func wrap(b *strings.Builder, parts []string) {
	line := ""
	for _, p := range parts {
		if line != "" && utf8.RuneCountInString(line+strings.TrimRight(p, " ")) > tableWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = ""
		}
		line += p
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func defined(s Score, digits int) string {
	if !s.known() {
		return "-"
	}
	return strconv.FormatFloat(float64(s), 'f', digits, 64)
}

func (r Row) splitTable(b *strings.Builder, by string, multi bool) {
	first := headline(multi)
	seeds := len(r.Folds) > len(r.splits())
	fmt.Fprintf(b, "\n%s\n\n", r.Name)
	r.others(b)
	fmt.Fprintf(b, "\n%-*s", nameWidth, short(by))
	if seeds {
		fmt.Fprintf(b, " %6s", "seed")
	}
	fmt.Fprintf(b, " %6s %6s %10s %10s  %s\n", "train", "test", first.name, "macro-F1", "chosen")
	for _, f := range r.Folds {
		fmt.Fprintf(b, "%-*s", nameWidth, short(f.Fold))
		if seeds {
			fmt.Fprintf(b, " %6d", f.Seed)
		}
		fmt.Fprintf(b, " %6d %6d %10.1f %10.1f  %s\n", f.Train, f.Test, 100*first.of(f.Metrics), 100*f.MacroF1, f.Choice)
		if f.Choice.Head != "" {
			fmt.Fprintf(b, "  head: %s\n", f.Choice.Head)
		}
		if f.Choice.Note != "" {
			fmt.Fprintf(b, "  note: %s\n", f.Choice.Note)
		}
	}
}

func (r Row) classTable(b *strings.Builder, multi bool) {
	fmt.Fprintf(b, "\n%-*s %10s %8s %8s", nameWidth, "class", "precision", "recall", "F1")
	if multi {
		fmt.Fprintf(b, " %8s", "AP")
	}
	fmt.Fprintf(b, " %8s\n", "clips")
	for _, c := range r.PerClass {
		fmt.Fprintf(b, "%-*s %10.1f %8.1f %8.1f", nameWidth, short(c.Class), 100*c.Precision, 100*c.Recall, 100*c.F1)
		if multi {
			fmt.Fprintf(b, " %8s", defined(100*c.AP, 1))
		}
		fmt.Fprintf(b, " %8d\n", c.Support)
	}
}

// confusionTable writes the matrix where it fits, and else the commonest
// mistakes.
func (r Row) confusionTable(b *strings.Builder) {
	k, most := len(r.Confusion), 0
	for _, row := range r.Confusion {
		most = max(most, slices.Max(row))
	}
	width := max(len(strconv.Itoa(most)), len(strconv.Itoa(k))) + 1
	if nameWidth+5+k*width > tableWidth {
		r.mistakes(b)
		return
	}
	fmt.Fprintf(b, "\n%-*s    ", nameWidth, "true, predicted")
	for c := range k {
		fmt.Fprintf(b, "%*d", width, c+1)
	}
	b.WriteByte('\n')
	for c, row := range r.Confusion {
		fmt.Fprintf(b, "%3d %-*s", c+1, nameWidth, short(r.PerClass[c].Class))
		for _, n := range row {
			if n == 0 {
				fmt.Fprintf(b, "%*s", width, ".")
			} else {
				fmt.Fprintf(b, "%*d", width, n)
			}
		}
		b.WriteByte('\n')
	}
}

func (r Row) mistakes(b *strings.Builder) {
	type mistake struct{ from, to, n int }
	var all []mistake
	for from, row := range r.Confusion {
		for to, n := range row {
			if from != to && n > 0 {
				all = append(all, mistake{from, to, n})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mistake) int { return cmp.Compare(b.n, a.n) })
	fmt.Fprintf(b, "\n%-*s %-*s %6s of\n", nameWidth, "true", nameWidth, "predicted", "clips")
	for _, m := range all[:min(len(all), 15)] {
		fmt.Fprintf(b, "%-*s %-*s %6d of %d\n", nameWidth, short(r.PerClass[m.from].Class), nameWidth, short(r.PerClass[m.to].Class), m.n, r.PerClass[m.from].Support)
	}
}

// String says what was chosen, e.g. "C 0.01" or "lr 0.001, epoch 12".
func (c Choice) String() string {
	switch {
	case c.C != 0:
		return fmt.Sprintf("C %.2g", c.C)
	case c.K != 0:
		return fmt.Sprintf("k %d", c.K)
	case c.LearningRate != 0:
		return fmt.Sprintf("lr %.2g, epoch %d", c.LearningRate, c.Epoch)
	}
	return ""
}

// splits lists the different splits of a row, in order.
func (r Row) splits() []string {
	var out []string
	for _, f := range r.Folds {
		if !slices.Contains(out, f.Fold) {
			out = append(out, f.Fold)
		}
	}
	return out
}

func plusMinus(mean, std float64, digits int, spread bool) string {
	if !spread {
		return fmt.Sprintf("%.*f", digits, mean)
	}
	return fmt.Sprintf("%.*f ± %.*f", digits, mean, digits, std)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// short cuts a name to the width of its column.
func short(name string) string {
	if utf8.RuneCountInString(name) <= nameWidth {
		return name
	}
	return string([]rune(name)[:nameWidth-1]) + "…"
}
