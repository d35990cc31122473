package pipeline

import (
	"os"
	"path/filepath"
	"testing"
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
	} {
		if c.unchanged {
			c.want = c.log
		}
		if got := string(linesBefore([]byte(c.log), c.step)); got != c.want {
			t.Errorf("%s: kept %q, want %q", c.what, got, c.want)
		}
	}
}

func TestOpenMetrics(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, metricsFile)
	for _, c := range []struct {
		what, before string
		step         int
		after        string
	}{
		{"no file", "", 0, line("0")},
		{"goes on", line("0"), 1, line("0") + line("1")},
		{"drops what came after the checkpoint", line("0") + line("1") + line("2") + `{"st`, 1, line("0") + line("1")},
		{"begins anew", line("0") + line("1"), 0, line("0")},
	} {
		os.Remove(path)
		if c.before != "" {
			put(t, path, []byte(c.before))
		}
		log, err := openMetrics(dir, c.step)
		if err != nil {
			t.Fatal(c.what, err)
		}
		if err := log.write(stepLine{Step: c.step, Loss: 1}); err != nil {
			t.Fatal(c.what, err)
		}
		if err := log.sync(); err != nil {
			t.Fatal(c.what, err)
		}
		if err := log.close(); err != nil {
			t.Fatal(c.what, err)
		}
		got := steps(t, dir)
		want := linesOf(t, []byte(c.after))
		if len(got) != len(want) {
			t.Fatalf("%s: steps %v, want %v", c.what, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: steps %v, want %v", c.what, got, want)
			}
		}
	}
	if _, err := openMetrics(filepath.Join(dir, "missing"), 0); err == nil {
		t.Error("no folder, and no error")
	}
}
