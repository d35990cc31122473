package pipeline

import (
	"bytes"
	"fmt"
	"math"
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

// Where a value's course is known, a terminal shows it with a bar, as far as there
// is room; elsewhere the lines stay what they are.
func TestProgressCourse(t *testing.T) {
	var b bytes.Buffer
	p := Console{Err: NewTerminal(&b)}.Progress("pretrain", 0, 32)
	for i := range 8 {
		p.Mark(float64(8 - i))
	}
	for columns, want := range map[int]string{
		200: "pretrain  8/32  ████░░░░░░░░░░░░  loss 1.0000  █▇▆▅▄▃▂▁",
		60:  "pretrain  8/32  ████░░░░░░░░░░░░  loss 1.0000  █▇▆▅▄▃▂▁",
		58:  "pretrain  8/32  ████░░░░░░░░░░░░  loss 1.0000  █▇▆▅▄▃▂▁",
		55:  "pretrain  8/32  loss 1.0000  █▇▆▅▄▃▂▁",
		30:  "pretrain  8/32  loss 1.0000",
		12:  "pretrain  8",
		0:   "",
	} {
		if got := p.fitted(8, "loss 1.0000", columns); got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
	b.Reset()
	p = Console{Err: &b}.Progress("pretrain", 0, 1)
	p.Mark(1)
	p.At(1, "loss 1")
	if b.String() != "pretrain 1/1  loss 1\n" {
		t.Errorf("%q", &b)
	}
}

func TestSparkline(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		values []float64
		most   int
		want   string
	}{
		{nil, 4, ""}, {[]float64{3}, 4, "▁"}, {[]float64{1, 1}, 4, "▁▁"}, {[]float64{0, 7, 3}, 4, "▁█▄"},
		{[]float64{0, 2, 6, 8}, 2, "▁█"}, {[]float64{nan, 0, inf, 1}, 9, " ▁ █"}, {[]float64{nan}, 9, " "}, {[]float64{-1e308, 1e308}, 9, "▁█"},
	} {
		if got := Sparkline(c.values, c.most); got != c.want {
			t.Errorf("%v: %q, want %q", c.values, got, c.want)
		}
	}
}

// A page takes the place of the one before, and what is written begins below it.
func TestTerminalPage(t *testing.T) {
	var b bytes.Buffer
	s := NewTerminal(&b)
	s.turn([]string{"one", "tw\x1bo"})
	s.turn([]string{"three"})
	fmt.Fprintln(s, "clr: done")
	s.turn([]string{"four"})
	if want := "\r\033[Jone\ntw\ufffdo\n\033[2A\r\033[Jthree\nclr: done\n\r\033[Jfour\n"; b.String() != want {
		t.Errorf("%q", &b)
	}
}
