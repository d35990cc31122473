package survey

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// listed is how many findings of a kind a person is shown; JSON has all.
const listed = 20

// Write writes the report for people: the findings by kind, errors first.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, c := range Codes {
		var of []Finding
		for _, f := range r.Findings {
			if f.Code == c.Name {
				of = append(of, f)
			}
		}
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s\n  %s\n", c.Severity, c.Name, c.What, c.Remedy)
		for _, f := range of[:min(len(of), listed)] {
			b.WriteString("    ")
			if f.Line > 0 {
				fmt.Fprintf(&b, "%s:%d: ", r.Manifest, f.Line)
			}
			if f.Path != "" {
				b.WriteString(f.Path + ": ")
			}
			b.WriteString(f.Message + "\n")
		}
		if more := len(of) - listed; more > 0 {
			fmt.Fprintf(&b, "    and %d more; --json has all\n", more)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s: %s: %s\n", r.Manifest, count(r.Clips, "clip"), r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// Verdict counts the findings.
func (r *Report) Verdict() string {
	return fmt.Sprintf("%s, %s, %s", count(r.Errors, "error"), count(r.Warnings, "warning"), count(r.Notes, "note"))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// dbfs is a magnitude in decibels below full scale.
func dbfs(v float64) string {
	if v == 0 {
		return "-inf"
	}
	return fmt.Sprintf("%.1f", 20*math.Log10(v))
}

// median is the middle of sorted values, 0 where there are none.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
