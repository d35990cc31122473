package pipeline

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Write shows a comparison, as text or as JSON.
func (c *Comparison) Write(con Console) error {
	if con.JSON {
		return con.Show(c)
	}
	var b strings.Builder
	for i, r := range c.Runs {
		fmt.Fprintf(&b, "%c  %s\n", 'A'+rune(i%26), r)
	}
	c.writeValues(&b, "config", c.Config)
	c.writeValues(&b, "made by", c.MadeBy)
	for _, f := range c.Folds {
		c.writeTraining(&b, f)
	}
	for _, p := range c.Probes {
		c.writeProbe(&b, p)
	}
	_, err := io.WriteString(con.Out, b.String())
	return err
}

func (c *Comparison) writeValues(b *strings.Builder, what string, all []Values) {
	if len(all) == 0 {
		fmt.Fprintf(b, "\n%s: the same\n", what)
		return
	}
	fmt.Fprintf(b, "\n%s\n", what)
	for _, v := range all {
		fmt.Fprintf(b, "  %s\n", v.Key)
		for i, x := range v.Values {
			if x == "" {
				x = "(none)"
			}
			fmt.Fprintf(b, "    %c  %s\n", 'A'+rune(i%26), x)
		}
	}
}

func (c *Comparison) writeTraining(b *strings.Builder, f FoldCompared) {
	title := strings.TrimSpace("training " + f.Fold)
	wide := max(12, len(title))
	fmt.Fprintf(b, "\n%-*s %7s %11s %11s %9s %10s %9s  %s\n", wide, title, "steps", "first loss", "last loss", "z std", "grad norm", "clips/s", "beside A")
	for i, t := range f.Runs {
		if t.Steps == 0 {
			fmt.Fprintf(b, "%-*c %7s\n", wide, 'A'+rune(i%26), "-")
			continue
		}
		how := ""
		switch {
		case i == 0 || f.Runs[0].Steps == 0:
		case t.Same:
			how = "the same bytes"
		case t.Parts != nil:
			how = fmt.Sprintf("parts at step %d (%s)", t.Parts.Step, t.Parts.What)
		default:
			how = fmt.Sprintf("the same for %d steps", min(t.Steps, f.Runs[0].Steps))
		}
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%-*c %7d %11.4f %11.4f %9.4f %10.3f %9.0f  %s", wide, 'A'+rune(i%26), t.Steps, t.FirstLoss, t.Loss, t.ZStd, t.GradNorm, t.ClipsPS, how), " "))
	}
}

func (c *Comparison) writeProbe(b *strings.Builder, p ProbeCompare) {
	measure := p.Runs[0].Measure
	fmt.Fprintf(b, "\n%-12s %12s %14s %10s  %s\n", p.Probe+" probe", measure+" %", "95 % interval", "macro-F1 %", "beside "+c.letter(p.Runs[0].Run))
	for _, s := range p.Runs {
		score, interval := s.Score.Percent(), "-"
		if s.Splits > 1 {
			score += " ± " + s.Std.Percent()
		}
		if s.Measure != measure { // of other labels
			score = s.Measure + " " + score
		}
		if i := s.Interval; i != nil {
			interval = fmt.Sprintf("%.1f..%.1f", 100*i[0], 100*i[1])
		}
		how := s.Why
		if t := s.Test; t != nil {
			how = fmt.Sprintf("%s; better on %d clips, worse on %d", s.tested(""), t.Better, t.Worse)
		} else if how != "" {
			how = "no test: " + how
		}
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%-12s %12s %14s %10.1f  %s", c.letter(s.Run), score, interval, 100*s.MacroF1, how), " "))
	}
}

func (c *Comparison) letter(run string) string {
	return string('A' + rune(slices.Index(c.Runs, run)%26))
}

func pValue(p float64) string {
	if p < 1e-300 {
		return "1e-300 or less"
	}
	if p < 0.0001 {
		return "1e" + fmt.Sprint(int(math.Ceil(math.Log10(p)))) + " or less"
	}
	return fmt.Sprintf("%.4f", p)
}
