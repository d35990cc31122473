package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"clr/internal/host"
)

// A Console is where a command speaks: results to Out, all else to Err. Where
// Err is a *Terminal, progress redraws one line.
type Console struct {
	Out, Err io.Writer
	JSON     bool // results as JSON instead of tables
	Quiet    bool // no progress
}

// A Terminal is a terminal's screen, on which one line may be open: progress,
// drawn again and again. Whatever else is written begins below it, and commands
// nothing: names come from other people's files.
type Terminal struct {
	mu     sync.Mutex
	screen io.Writer
	open   bool
	page   int // lines of the page that is open
}

// NewTerminal makes one of a writer that understands \r and \033[K.
func NewTerminal(screen io.Writer) *Terminal { return &Terminal{screen: screen} }

// columns is how wide the screen is, many where it does not say.
func (t *Terminal) columns() int {
	if f, ok := t.screen.(*os.File); ok {
		if n := host.Columns(f); n > 0 {
			return n
		}
	}
	return math.MaxInt
}

func (t *Terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.close()
	t.page = 0
	if _, err := t.screen.Write(bytes.Map(inert, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// inert shows what a terminal would obey as a character that it does not.
func inert(c rune) rune {
	if unicode.IsControl(c) && c != '\n' && c != '\t' {
		return unicode.ReplacementChar
	}
	return c
}

// draw puts a line in the place of the one that is open.
func (t *Terminal) draw(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.screen, "\r\033[K%s", line)
	t.open = true
}

// turn puts a page of lines in the place of the one that is open. Lines are cut to
// the screen's width, for only then it is known how many there are.
func (t *Terminal) turn(lines []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.close()
	var b strings.Builder
	if t.page > 0 {
		fmt.Fprintf(&b, "\033[%dA", t.page)
	}
	b.WriteString("\r\033[J")
	for _, l := range lines {
		b.Write(bytes.Map(inert, []byte(within(l, t.columns()))))
		b.WriteByte('\n')
	}
	t.page = len(lines)
	_, err := io.WriteString(t.screen, b.String())
	return err
}

// within shortens a line to what a screen shows of it without beginning another.
func within(line string, columns int) string {
	if utf8.RuneCountInString(line) < columns {
		return line
	}
	return string([]rune(line)[:max(0, columns-1)])
}

// end leaves the line as it is.
func (t *Terminal) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.close()
}

func (t *Terminal) close() {
	if t.open {
		fmt.Fprintln(t.screen)
	}
	t.open = false
}

// Say prints one line about what is happening.
func (c Console) Say(format string, args ...any) {
	if !c.Quiet {
		fmt.Fprintf(c.Err, format+"\n", args...)
	}
}

// Warn prints one line that a person should not miss, even with Quiet.
func (c Console) Warn(format string, args ...any) {
	fmt.Fprintf(c.Err, "warning: "+format+"\n", args...)
}

// Show writes a result as JSON: indented, names as they are.
func (c Console) Show(v any) error {
	e := json.NewEncoder(c.Out)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Progress starts a progress display of total units, of which from were done
// before. On a terminal it redraws one line; elsewhere it prints a line at every
// tenth.
func (c Console) Progress(what string, from, total int) *Progress {
	p := &Progress{con: c, what: what, from: from, total: total, start: time.Now()}
	if total > 0 {
		p.tenth = from * 10 / total
	}
	return p
}

// A Progress shows how far a piece of work has come, to one goroutine.
type Progress struct {
	con         Console
	what        string
	from, total int
	start       time.Time
	tenth       int
	drawn       time.Time
	course      []float64 // see Mark
}

// Mark says what a value came to at the end of a stretch, such as the loss of an
// epoch: on a terminal the line has its course, and a bar.
func (p *Progress) Mark(v float64) { p.course = append(p.course, v) }

// Sizes of what a terminal's line has beside words.
const (
	barWide    = 16
	courseWide = 12
)

// fitted is the line with as much of bar and course as the screen has room for.
func (p *Progress) fitted(done int, detail string, columns int) string {
	line := p.line(done, detail)
	if len(p.course) == 0 {
		return within(line, columns)
	}
	drawn := strings.TrimSpace(detail + "  " + Sparkline(p.course, courseWide))
	for _, wide := range []string{p.line(done, bar(done, p.total)+"  "+drawn), p.line(done, drawn)} {
		if utf8.RuneCountInString(wide) < columns {
			return wide
		}
	}
	return within(line, columns)
}

// bar shows a part of a whole.
func bar(done, total int) string {
	full := done * barWide / max(total, 1)
	return strings.Repeat("█", full) + strings.Repeat("░", barWide-full)
}

// Sparkline draws values as at most so many bars of eight heights, from the least
// to the greatest; where several share a bar, it is their mean. Values that are not
// finite are blanks.
func Sparkline(values []float64, most int) string {
	var means []float64
	parts, least, greatest := min(len(values), most), math.Inf(1), math.Inf(-1)
	for k := range parts {
		from, to := k*len(values)/parts, (k+1)*len(values)/parts
		sum := 0.0
		for _, v := range values[from:to] {
			sum += v / float64(to-from)
		}
		means = append(means, sum)
		if isFinite(sum) {
			least, greatest = min(least, sum), max(greatest, sum)
		}
	}
	heights, line := []rune("▁▂▃▄▅▆▇█"), make([]rune, 0, parts)
	for _, v := range means {
		switch {
		case !isFinite(v):
			line = append(line, ' ')
		case greatest <= least:
			line = append(line, heights[0])
		default:
			line = append(line, heights[int(math.Round((v/2-least/2)/(greatest/2-least/2)*float64(len(heights)-1)))])
		}
	}
	return string(line)
}

// At says that done units are finished; detail stands at the end of the line.
func (p *Progress) At(done int, detail string) {
	if p.con.Quiet || p.total == 0 {
		return
	}
	last := done == p.total
	if t, ok := p.con.Err.(*Terminal); ok {
		if now := time.Now(); last || now.Sub(p.drawn) > 100*time.Millisecond {
			p.drawn = now
			t.draw(p.fitted(done, detail, t.columns()))
		}
		if last {
			t.end()
		}
		return
	}
	if tenth := done * 10 / p.total; tenth > p.tenth || last {
		p.tenth = tenth
		fmt.Fprintln(p.con.Err, p.line(done, detail))
	}
}

// Of is At where the total comes out while the work is done.
func (p *Progress) Of(done, total int, detail string) {
	p.total = total
	p.At(done, detail)
}

// End ends the line that may be open, for work that stops before it is done;
// twice is once.
func (p *Progress) End() {
	if t, ok := p.con.Err.(*Terminal); ok {
		t.end()
	}
}

func (p *Progress) line(done int, detail string) string {
	s := fmt.Sprintf("%s %*d/%d", p.what, len(fmt.Sprint(p.total)), done, p.total)
	if detail != "" {
		s += "  " + detail
	}
	spent := time.Since(p.start)
	if done > p.from && done < p.total && spent > 2*time.Second {
		left := time.Duration(float64(spent) / float64(done-p.from) * float64(p.total-done))
		s += fmt.Sprintf("  %s left", left.Round(time.Second))
	}
	return s
}
