package pipeline

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A Console is where a command speaks: results to Out, all else to Err.
type Console struct {
	Out, Err io.Writer
	JSON     bool // results as JSON instead of tables
	Quiet    bool // no progress
	Terminal bool // Err is a terminal: progress may redraw its line
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

// A Progress shows how far a piece of work has come. Its methods may be called
// from several goroutines.
type Progress struct {
	con         Console
	what        string
	from, total int
	start       time.Time

	mu    sync.Mutex
	tenth int
	drawn time.Time
}

// At says that done units are finished; detail stands at the end of the line.
func (p *Progress) At(done int, detail string) {
	if p.con.Quiet || p.total == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := done == p.total
	if p.con.Terminal {
		if now := time.Now(); last || now.Sub(p.drawn) > 100*time.Millisecond {
			p.drawn = now
			fmt.Fprintf(p.con.Err, "\r\033[K%s", p.line(done, detail))
		}
		if last {
			fmt.Fprintln(p.con.Err)
		}
		return
	}
	if tenth := done * 10 / p.total; tenth > p.tenth || last {
		p.tenth = tenth
		fmt.Fprintln(p.con.Err, p.line(done, detail))
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
