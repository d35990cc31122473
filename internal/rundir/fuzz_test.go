package rundir

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/health"
)

// A log that is opened for a run holds, line by line, steps that rise up to the
// run's; what it loses of a checkpoint's steps is kept aside. What is read of it
// comes back as it was.
func FuzzLog(f *testing.F) {
	whole := []byte(line("0") + line("1") + `{"step":4,"epoch":1,"loss":0.5,"lr":1e-3,"grad_norm":1,"z_std":0.25,"digest":"ab","clips_per_s":9,"wait_s":0}` + "\n")
	for _, b := range fuzztest.Some(whole, 4) {
		f.Add(b, uint16(5))
	}
	f.Add(whole, uint16(2))
	f.Add(append(whole, "null\n\x00\x00\n{}"...), uint16(9))
	dir := f.TempDir()
	path, aside := filepath.Join(dir, MetricsFile), filepath.Join(dir, "metrics-changed.jsonl")
	f.Fuzz(func(t *testing.T, b []byte, upTo uint16) {
		put(t, path, b)
		os.Remove(aside)
		var err error
		var lines []Line
		fuzztest.Bounded(t, len(b), 1<<20, func() { lines, err = ReadLog(dir) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
		}
		rising(t, lines, math.MaxInt)
		var followed []Line
		var torn error
		tail := TailLog(dir)
		fuzztest.Bounded(t, len(b), 1<<20, func() { followed, _, torn = tail.More() })
		if (torn == nil) != (err == nil) || err == nil && !slices.Equal(followed, lines) {
			t.Errorf("followed it is %v, %v; read %v, %v", followed, torn, lines, err)
		}
		if torn != nil {
			fuzztest.Refused(t, torn, fault.Data, path)
		}

		step := int(upTo)
		var log *Log
		var warning string
		fuzztest.Bounded(t, len(b), 1<<20, func() { log, warning, err = OpenLog(dir, step) })
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		kept, _ := os.ReadFile(path)
		if !bytes.HasPrefix(b, kept) || len(kept) > 0 && kept[len(kept)-1] != '\n' {
			t.Errorf("of %q it keeps %q", b, kept)
		}
		if lines, err = ReadLog(dir); err != nil {
			t.Fatal(err)
		}
		rising(t, lines, step)
		if (len(lines) < step) != (warning != "") {
			t.Errorf("%d lines before step %d: warning %q", len(lines), step, warning)
		}
		if was, err := os.ReadFile(aside); len(lines) < step && len(kept) < len(b) && (err != nil || !bytes.Equal(was, b)) {
			t.Errorf("what was there is lost: %v", err)
		}
		if err := log.Write(Line{Step: step}); err != nil {
			t.Fatal(err)
		}
		if again, err := ReadLog(dir); err != nil || len(again) != len(lines)+1 || !slices.Equal(again[:len(lines)], lines) {
			t.Errorf("with a line more: %v, %v", again, err)
		}
	})
}

func rising(t *testing.T, lines []Line, before int) {
	t.Helper()
	last := -1
	for _, l := range lines {
		if l.Step <= last || l.Step >= before || l.Epoch < 0 {
			t.Errorf("%+v behind step %d, before %d", l, last, before)
		}
		last = l.Step
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if again, ok := parseLine(b, noLine); !ok || again != l {
			t.Errorf("%s came back as %+v", b, again)
		}
	}
}

// health.jsonl is cut back like the log: what is kept is a part from its start, of
// rising steps before the run's; what was changed is kept aside, and said; a
// doctor can be shown what is read, whatever it is.
func FuzzHealth(f *testing.F) {
	whole := []byte(`{"step":4,"epoch":1,"loss":0.5,"chance":2,"z":{"pairs":9,"dimensions":4,"std":0.25,"std_spread":0.5,"rankme":3,"positive_histogram":[1,2]},"layers":[{"name":"a.b","weight":1,"gradient":1e-3,"update":0.1,"not_finite":0}],"knn":{"accuracy":0.5,"train":8,"test":4}}` + "\n" +
		`{"step":9,"epoch":2,"loss":0.5,"z":{},"layers":null,"drift":{"relative":0.1,"worst":"a","worst_by":0.2,"not_finite":0},"queue":{"age":3,"epochs":0.5,"turned":0.1},"warnings":[{"step":9,"code":"tower.same","severity":"caution","text":"t","try":"u"}]}` + "\n")
	for _, b := range fuzztest.Some(whole, 4) {
		f.Add(b, uint16(10))
	}
	f.Add(whole, uint16(5))
	f.Add(append(whole, "null\n\x00\x00\n{}"...), uint16(99))
	dir := f.TempDir()
	path, aside := filepath.Join(dir, HealthFile), filepath.Join(dir, "health-changed.jsonl")
	f.Fuzz(func(t *testing.T, b []byte, upTo uint16) {
		put(t, path, b)
		os.Remove(aside)
		os.Remove(filepath.Join(dir, MetricsFile))
		var err error
		fuzztest.Bounded(t, len(b), 1<<20, func() { _, err = ReadHealth(dir) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
		}
		step := int(upTo)
		var log *Log
		var warning string
		fuzztest.Bounded(t, len(b), 1<<20, func() { log, warning, err = OpenLog(dir, step) })
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		kept, _ := os.ReadFile(path)
		if !bytes.HasPrefix(b, kept) || len(kept) > 0 && kept[len(kept)-1] != '\n' {
			t.Errorf("of %q it keeps %q", b, kept)
		}
		last, doctor := -1, health.NewDoctor(health.Defaults)
		for _, h := range log.Seen {
			if h.Step <= last || h.Step >= step || h.Epoch < 0 {
				t.Errorf("%+v behind step %d, before %d", h, last, step)
			}
			last = h.Step
			doctor.See(h.Sample)
		}
		if was, err := os.ReadFile(aside); err == nil {
			if !bytes.Equal(was, b) || !strings.Contains(warning, aside) {
				t.Errorf("aside is %q of %q; %s", was, b, warning)
			}
		} else if rest := b[len(kept):]; bytes.IndexByte(rest, '\n') >= 0 {
			line, _, _ := bytes.Cut(rest, []byte("\n"))
			if h, ok := parseLine(line, noHealth); !ok || h.Step < step {
				t.Errorf("%q is thrown away", rest)
			}
		}
		if err := log.WriteHealth(Health{Sample: health.Sample{Step: step}}); err != nil {
			t.Fatal(err)
		}
		if again, err := ReadHealth(dir); err != nil || len(again) != len(log.Seen)+1 || !reflect.DeepEqual(again[:len(log.Seen)], log.Seen) && len(log.Seen) > 0 {
			t.Errorf("with a line more: %v, %v", again, err)
		}
	})
}

// A run.json that is read can be gone on with: the next session stands behind
// those there, which stay as they are.
func FuzzProvenance(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, ProvenanceFile)
	clock := Clock(func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC) })
	made := Provenance{Environment: Environment{Version: "v1", Binary: "ab", Go: "go1", CPU: "linux/amd64 avx2"}, Config: "cd", Corpus: "ef", Store: "01", Seed: 7}
	begin := func(t testing.TB) *Folder {
		folder, err := Open(dir, clock)
		if err != nil {
			t.Fatal(err)
		}
		return folder
	}
	for range 2 {
		folder := begin(f)
		if err := folder.Describe(made, []byte("seed: 7\n")); err != nil {
			f.Fatal(err)
		}
		if err := folder.End(nil); err != nil {
			f.Fatal(err)
		}
		folder.Close()
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range fuzztest.Some(whole, 4) {
		f.Add(b)
	}
	for _, text := range []string{"null", "{}", "[]", `{"sessions":[null,{}]}`, `{"clr":null,"seed":-1}`, strings.Repeat("[", 20000)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		put(t, path, b)
		var p Provenance
		var sessions []Session
		var err error
		fuzztest.Bounded(t, len(b), 1<<20, func() { p, sessions, err = Read(dir) })
		folder := begin(t)
		defer folder.Close()
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			fuzztest.Refused(t, folder.Describe(made, nil), fault.Data, path)
			return
		}
		if err := folder.Describe(p, nil); err != nil {
			t.Fatal(err)
		}
		q, more, err := Read(dir)
		if err != nil || q != p || len(more) != len(sessions)+1 {
			t.Fatalf("%+v with %d sessions came back as %+v with %d: %v", p, len(sessions), q, len(more), err)
		}
		for i, s := range sessions {
			was, _ := json.Marshal(s)
			is, _ := json.Marshal(more[i])
			fuzztest.Same(t, "a session", is, was)
		}
		if p.Hash() != q.Hash() {
			t.Error("the hash is another")
		}
		p.Environment.Differs(q.Environment)
	})
}
