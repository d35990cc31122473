package rundir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

// line is a line of a log as it matters here.
func line(step string) string { return `{"step":` + step + `,"epoch":0,"loss":1}` + "\n" }

func TestLinesBefore(t *testing.T) {
	l := line
	for _, c := range []struct {
		what      string
		log       string
		step      int
		want      string
		unchanged bool
	}{
		{what: "empty", step: 3},
		{what: "all", log: l("0") + l("1"), step: 2, unchanged: true},
		{what: "fewer than the checkpoint", log: l("0") + l("1"), step: 9, unchanged: true},
		{what: "from the future", log: l("0") + l("1") + l("2") + l("3"), step: 2, want: l("0") + l("1")},
		{what: "only from the future", log: l("0") + l("1"), step: 0},
		{what: "torn last line", log: l("0") + l("1")[:9], step: 5, want: l("0")},
		{what: "last line without its end", log: l("0") + l("1")[:len(l("1"))-1], step: 5, want: l("0")},
		{what: "torn in the middle", log: l("0") + l("1")[:9] + "\n" + l("2"), step: 5, want: l("0")},
		{what: "zeros of a file system after a power cut", log: l("0") + "\x00\x00\x00\n" + l("1"), step: 5, want: l("0")},
		{what: "a gap is kept", log: l("0") + l("4"), step: 5, unchanged: true},
		{what: "said twice", log: l("0") + l("1") + l("1") + l("2"), step: 5, want: l("0") + l("1")},
		{what: "backwards", log: l("0") + l("3") + l("1") + l("2"), step: 5, want: l("0") + l("3")},
		{what: "without a step", log: l("0") + "{}\n" + l("1"), step: 5, want: l("0")},
		{what: "null", log: "null\n" + l("1"), step: 5},
		{what: "another field", log: l("0") + strings.Replace(l("1"), "loss", "lozs", 1), step: 5, want: l("0")},
		{what: "two in a line", log: l("0") + strings.ReplaceAll(l("1"), "\n", l("2")), step: 5, want: l("0")},
	} {
		if c.unchanged {
			c.want = c.log
		}
		if got, _ := linesBefore([]byte(c.log), c.step, noLine); string(got) != c.want {
			t.Errorf("%s: kept %q, want %q", c.what, got, c.want)
		}
	}
}

func TestOpenLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, MetricsFile)
	for _, c := range []struct {
		what, before string
		step         int
		after        []int
		warns        string
	}{
		{"no file", "", 0, []int{0}, ""},
		{"goes on", line("0"), 1, []int{0, 1}, ""},
		{"drops what came after the checkpoint", line("0") + line("1") + line("2") + `{"st`, 1, []int{0, 1}, ""},
		{"begins anew", line("0") + line("1"), 0, []int{0}, ""},
		{"lacks steps", line("0") + line("1"), 5, []int{0, 1, 5}, "holds 2 of the 5 steps"},
		{"lacks all", "", 5, []int{5}, "holds 0 of the 5 steps"},
		{"changed in the middle", line("0") + line("01") + line("2"), 3, []int{0, 3}, "line 2 is no step after the one before it, and the file as it was is kept as " + filepath.Join(dir, "metrics-changed.jsonl")},
	} {
		os.Remove(path)
		if c.before != "" {
			put(t, path, []byte(c.before))
		}
		log, warning, err := OpenLog(dir, c.step)
		if err != nil {
			t.Fatal(c.what, err)
		}
		if !strings.Contains(warning, c.warns) || (warning == "") != (c.warns == "") {
			t.Errorf("%s: warning %q", c.what, warning)
		}
		for _, err := range []error{log.Write(Line{Step: c.step, Loss: 1}), log.Sync(), log.Close()} {
			if err != nil {
				t.Fatal(c.what, err)
			}
		}
		lines, err := ReadLog(dir)
		if err != nil {
			t.Fatal(c.what, err)
		}
		var got []int
		for _, l := range lines {
			got = append(got, l.Step)
		}
		if !slices.Equal(got, c.after) {
			t.Errorf("%s: steps %v, want %v", c.what, got, c.after)
		}
	}
	if _, _, err := OpenLog(filepath.Join(dir, "missing"), 0); fault.KindOf(err) != fault.Usage {
		t.Errorf("no folder: %v", err)
	}
}

func TestReadLog(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadLog(dir); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("no log: %v", err)
	}
	for log, want := range map[string]int{
		line("0") + line("1") + `{"step":2,"lo`: 2, // killed while it wrote
		line("0") + line("0"):                   -1,
		line("0") + "x\n" + line("1"):           -1,
	} {
		put(t, filepath.Join(dir, MetricsFile), []byte(log))
		lines, err := ReadLog(dir)
		if want < 0 {
			if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("%q: %v", log, err)
			}
		} else if err != nil || len(lines) != want {
			t.Errorf("%q: %d lines, %v", log, len(lines), err)
		}
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}
