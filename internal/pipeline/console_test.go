package pipeline

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Elsewhere than on a terminal there is a line at every tenth, and one at the
// end.
func TestProgressLines(t *testing.T) {
	for _, c := range []struct{ from, total, lines int }{{0, 1000, 10}, {0, 7, 7}, {500, 1000, 5}, {999, 1000, 1}, {0, 1, 1}, {0, 0, 0}} {
		var b bytes.Buffer
		p := Console{Err: &b}.Progress("embed", c.from, c.total)
		for done := c.from + 1; done <= c.total; done++ {
			p.At(done, "")
		}
		if got := strings.Count(b.String(), "\n"); got != c.lines {
			t.Errorf("from %d to %d: %d lines, want %d:\n%s", c.from, c.total, got, c.lines, &b)
		}
		if c.total > 0 && !strings.Contains(b.String(), "embed 1000/1000\n") && c.total == 1000 {
			t.Errorf("no last line in\n%s", &b)
		}
	}
	var b bytes.Buffer
	p := Console{Err: &b, Quiet: true}.Progress("embed", 0, 1)
	p.At(1, "")
	Console{Err: &b, Quiet: true}.Say("x")
	if b.Len() > 0 {
		t.Errorf("quiet, it says %q", &b)
	}
	Console{Err: &b, Quiet: true}.Warn("%d %%", 3)
	if b.String() != "warning: 3 %\n" {
		t.Errorf("it warns %q", &b)
	}
}

// The time left is judged by what was done now, not by what a run before did.
func TestProgressTimeLeft(t *testing.T) {
	p := Console{}.Progress("pretrain", 90, 110)
	p.start = p.start.Add(-10 * time.Second)
	if got := p.line(100, "loss 1"); got != "pretrain 100/110  loss 1  10s left" {
		t.Errorf("%q", got)
	}
	if got := p.line(90, ""); got != "pretrain  90/110" {
		t.Errorf("%q", got)
	}
}

// A name from somebody's file cannot move a terminal's cursor or draw over lines.
func TestTerminalObeysNoNames(t *testing.T) {
	var b bytes.Buffer
	n, err := NewTerminal(&b).Write([]byte("a\tb\n\x1b[2Jc\rd\xff狗\u009b\n"))
	if want := "a\tb\n\ufffd[2Jc\ufffdd\ufffd狗\ufffd\n"; b.String() != want || n != 18 || err != nil {
		t.Errorf("%q, %d, %v; want %q", &b, n, err, want)
	}
}

// On a terminal one line is drawn again and again, and ended once.
func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := Console{Err: NewTerminal(&b)}.Progress("features", 0, 100)
	for done := 1; done <= 100; done++ {
		p.At(done, "")
	}
	p.End()
	if s := b.String(); strings.Count(s, "\n") != 1 || !strings.HasSuffix(s, "\r\033[Kfeatures 100/100\n") || strings.Count(s, "\r") > 3 {
		t.Errorf("%q", s)
	}
}

// What is written while a line is open begins below it, and work that stops
// early leaves none open.
func TestTerminalBeginsAFreshLine(t *testing.T) {
	var b bytes.Buffer
	con := Console{Err: NewTerminal(&b)}
	p := con.Progress("embed", 0, 9)
	p.End()
	con.Say("begin")
	p.At(1, "")
	con.Warn("first")
	con.Warn("second")
	p.drawn = time.Time{}
	p.At(2, "")
	p.End()
	p.End()
	fmt.Fprintln(con.Err, "clr: it broke")
	const want = "begin\n\r\033[Kembed 1/9\nwarning: first\nwarning: second\n\r\033[Kembed 2/9\nclr: it broke\n"
	if b.String() != want {
		t.Errorf("%q", &b)
	}
}
