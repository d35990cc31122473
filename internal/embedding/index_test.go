package embedding

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
)

// scanned is all that an index holds, as a table.
func scanned(t testing.TB, path string) (*Table, About, error) {
	t.Helper()
	x, err := OpenIndex(path)
	if err != nil {
		return nil, nil, err
	}
	defer x.Close()
	got := &Table{N: x.N, D: x.D}
	rows := make([][]float32, x.N)
	var mu sync.Mutex
	if err := x.Scan(t.Context(), func(first int, some []float32) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range len(some) / x.D {
			if rows[first+i] != nil {
				t.Errorf("row %d comes twice", first+i)
			}
			rows[first+i] = append([]float32{}, some[i*x.D:(i+1)*x.D]...)
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	for i, row := range rows {
		if row == nil {
			t.Errorf("row %d does not come", i)
		}
		for _, v := range row {
			got.X = append(got.X, float64(v))
		}
	}
	got.Columns, err = x.Columns("path", "label", "start", "end", "fold", "split", "speaker")
	return got, x.About, err
}

// What is gone through is what is read at once, whoever wrote it, and what a table
// says of itself comes with it.
func TestIndex(t *testing.T) {
	about := About{"clr.encoder": "0123", "clr.note": "ü\"\n"}
	long := &Table{N: 5000, D: 300, X: make([]float64, 1500000), Columns: Columns{"path": make([]string, 5000)}}
	for i := range long.X {
		long.X[i] = float64(i % 4093)
	}
	for _, table := range []*Table{example(), long} {
		for format := range Formats {
			var b strings.Builder
			w, err := NewWriter(&b, format, table.N, table.D, table.Columns, about)
			if err != nil {
				t.Fatal(err)
			}
			x := make([]float32, len(table.X))
			for i, v := range table.X {
				x[i] = float32(v)
			}
			if err := errors.Join(w.Write(x), w.Close()); err != nil {
				t.Fatal(err)
			}
			path := put(t, []byte(b.String()))
			want, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			got, said, err := scanned(t, path)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %d rows: %v\n%.200v", format, table.N, err, got)
			}
			if format != "npy" && !maps.Equal(said, about) {
				t.Errorf("%s says of itself %v", format, said)
			}
		}
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		want, err := Read(path)
		if err != nil {
			continue
		}
		n++
		got, said, err := scanned(t, path)
		if err != nil || !reflect.DeepEqual(got.X, want.X) || said["clr.encoder"] != "" {
			t.Errorf("%s: %v, %v", path, err, said)
		}
	}
	if n < 5 {
		t.Errorf("%d files of other programs", n)
	}
}

// A scan that is stopped ends with the reason.
func TestScanStops(t *testing.T) {
	x, err := OpenIndex(put(t, written(t, "parquet", example(), 5)))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	enough := errors.New("enough")
	if err := x.Scan(t.Context(), func(int, []float32) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Scan(ctx, func(int, []float32) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Formats for other programs hold every column and value.
func TestTexts(t *testing.T) {
	table := example()
	table.Columns["strange \"key\""] = []string{"a,b", "\"", "\n", "ü", "<"}
	rows, err := csv.NewReader(strings.NewReader(string(written(t, "csv", table, 2)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"path", "start", "end", "label", "fold", "speaker", "split", "strange \"key\"", "e0", "e1", "e2"}; !reflect.DeepEqual(rows[0], want) {
		t.Errorf("%q", rows[0])
	}
	if want := []string{"ü/ö.wav", "2.5", "3", "01", "-3", "c", "", "\n", "-0.25", "-0.125", "0"}; len(rows) != 6 || !reflect.DeepEqual(rows[3], want) {
		t.Errorf("%q", rows)
	}
	lines := strings.Split(strings.TrimSuffix(string(written(t, "jsonl", table, 2)), "\n"), "\n")
	want := `{"path":"ü/ö.wav","start":2.5,"end":3,"label":"01","fold":-3,"speaker":"c","strange \"key\"":"\n","embedding":[-0.25,-0.125,0]}`
	if len(lines) != 5 || lines[2] != want {
		t.Errorf("%d lines:\n%s, not\n%s", len(lines), lines[2], want)
	}
	for _, line := range lines {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil || len(object["embedding"].([]any)) != 3 {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := newJSONL(&strings.Builder{}, 1, 1, Columns{"embedding": {"a"}}); fault.KindOf(err) != fault.Usage {
		t.Errorf("two keys embedding: %v", err)
	}
}

// What OpenIndex takes, Read takes too, and neither takes memory for a claim.
func FuzzIndex(f *testing.F) {
	for _, format := range []string{"npz", "npy", "parquet"} {
		var b strings.Builder
		w, err := NewWriter(&b, format, 5, 3, example().Columns, About{"clr.encoder": "0123"})
		if err != nil {
			f.Fatal(err)
		}
		if err := errors.Join(w.Write(make([]float32, 15)), w.Close()); err != nil {
			f.Fatal(err)
		}
		for _, damaged := range fuzztest.Some([]byte(b.String()), 2) {
			f.Add(damaged)
		}
	}
	for _, name := range []string{"packed.npz", "plain.npz"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for _, damaged := range fuzztest.Some(b, 3) {
			f.Add(damaged)
		}
	}
	path := filepath.Join(f.TempDir(), "a.table")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		fuzztest.Bounded(t, len(b), 16<<20, func() {
			var x *Index
			if x, err = OpenIndex(path); err != nil {
				return
			}
			defer x.Close()
			if err = x.Scan(t.Context(), func(first int, rows []float32) error {
				if first < 0 || len(rows) == 0 || len(rows)%x.D != 0 || first+len(rows)/x.D > x.N {
					t.Errorf("rows from %d, %d values, of %d × %d", first, len(rows), x.N, x.D)
				}
				return nil
			}); err == nil {
				_, err = x.Columns("path", "label")
			}
		})
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
		}
	})
}
