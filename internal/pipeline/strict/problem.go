package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing that is wrong with a config, and where.
type Problem struct {
	at   origin
	text string
	hint string // what to do about it, or empty
}

// Problems are all that is wrong with a config, in the order of the file.
type Problems []Problem

// Error shows each problem with its place, its line and a caret.
func (p Problems) Error() string {
	var b strings.Builder
	for i, one := range p {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(one.String())
	}
	return b.String()
}

func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.at.source == nil:
		b.WriteString(p.text)
	case p.at.line == 0:
		fmt.Fprintf(&b, "%s: %s", p.at.source.name, p.text)
	default:
		fmt.Fprintf(&b, "%s:%d:%d: %s", p.at.source.name, p.at.line, p.at.column, p.text)
		b.WriteString(p.excerpt())
	}
	if p.hint != "" {
		b.WriteString("\n  hint: " + p.hint)
	}
	return b.String()
}

// excerpt is the source line with a caret under the place.
func (p Problem) excerpt() string {
	if p.at.line > len(p.at.source.lines) {
		return ""
	}
	line := []rune(p.at.source.lines[p.at.line-1])
	before := min(p.at.column-1, len(line))
	width := max(1, min(p.at.width, len(line)-before))
	gap := strings.Map(func(r rune) rune { // tabs stay tabs, so that the caret stands where the terminal puts the text
		if r == '\t' {
			return r
		}
		return ' '
	}, string(line[:before]))
	number := fmt.Sprint(p.at.line)
	return fmt.Sprintf("\n  %s | %s\n  %*s | %s^%s", number, string(line), len(number), "", gap, strings.Repeat("~", width-1))
}

// sorted puts problems in the order of the file, those of the file as a whole
// first and those of overrides last.
func sorted(p []Problem) Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.at.rank(), b.at.rank()), a.at.line-b.at.line, a.at.column-b.at.column)
	})
	return p
}

func (o origin) rank() int {
	if o.line == 0 && o.source != nil && o.source.lines == nil {
		return 1
	}
	return 0
}

// Nearest finds what a person meant by a word that is not among those known,
// or nothing where none is close. Of two as close it takes the one that begins
// like the word: people get first letters right.
func Nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, at := "", 2*((utf8.RuneCountInString(word)+2)/3)+2
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := 2 * distance(word, strings.ToLower(k))
		if k != "" && !strings.HasPrefix(word, k[:1]) {
			d++
		}
		if d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, changes and swaps of
// neighbours between two words (optimal string alignment).
func distance(s, t string) int {
	a, b := []rune(s), []rune(t)
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		older, old, row := rows[(i+2)%3], rows[i%3], rows[(i+1)%3] // two above, one above, this one
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
