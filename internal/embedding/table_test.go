package embedding

import (
	"archive/zip"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
)

// numbers are the embeddings of all files in testdata.
func numbers() []float64 {
	x := make([]float64, 15)
	for i := range x {
		x[i] = float64(i)/8 - 1
	}
	return x
}

func TestNumPysTables(t *testing.T) {
	for file, columns := range map[string]Columns{
		"plain.npz":   {"label": {"0", "1", "0", "2", "1"}, "fold": {"1", "2", "1", "2", "1"}},
		"float64.npy": {},
		"packed.npz": {"label": {"dog", "cat", "dog", "Fluß", "cat"}, "split": {"train", "valid", "train", "test", "test"},
			"start": {"0", "0.5", "0", "0", "1.25"}, "end": {"0.5", "", "1", "1", "2"}, "path": {"a.wav", "a.wav", "a.wav", "a.wav", "b.wav"}},
	} {
		got, err := Read(filepath.Join("testdata", file))
		if want := (&Table{5, 3, numbers(), columns}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", file, got, err, want)
		}
	}
	_, err := Read("testdata/objects.npz")
	fuzztest.Refused(t, err, fault.Data, "objects.npz")
	if !strings.Contains(err.Error(), "y: its values are Python objects") || !strings.Contains(fault.Remedy(err), "dtype=str") {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
}

// written is a table as NewWriter writes it, its rows in portions.
func written(t testing.TB, format string, table *Table, portion int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, format, table.N, table.D, table.Columns, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(table.X))
	for i, v := range table.X {
		x[i] = float32(v)
	}
	for rows := range slices.Chunk(x, portion*table.D) {
		if err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.table")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func example() *Table {
	return &Table{5, 3, numbers(), Columns{"path": {"a.wav", "a.wav", "ü/ö.wav", "c", "d"}, "label": {"dog", "", "01", "dog", "2"},
		"start": {"0", "0.1", "2.5", "", "1e-09"}, "end": {"1", "", "3", "", "2"}, "fold": {"1", "2", "-3", "1", "1"}, "split": {"", "", "", "", ""}, "speaker": {"", "b", "c", "", "e"}}}
}

// What is written is read again, in whatever portions it is given.
func TestRoundTrip(t *testing.T) {
	mixed := example()
	mixed.Columns = Columns{"fold": {"1", "02", "1", "1", "1"}, "start": {"0", "later", "1", "1", "1"}} // text, or the zero would be lost
	long := &Table{N: 3000, D: 200, X: make([]float64, 600000), Columns: Columns{"label": make([]string, 3000)}}
	for i := range long.X {
		long.X[i] = float64(float32(math.Sin(float64(i))))
	}
	for i := range long.N {
		long.Columns["label"][i] = strings.Repeat("x", i%40)
	}
	for format := range Formats {
		for _, table := range []*Table{example(), mixed, long} {
			b := written(t, format, table, table.N)
			if again := written(t, format, table, 2); !bytes.Equal(again, b) {
				t.Errorf("%s: rows in two portions are other bytes", format)
			}
			want := table
			if format == "npy" {
				want = &Table{table.N, table.D, table.X, Columns{}}
			}
			if got, err := Read(put(t, b)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %d rows: %v\n%.400v", format, table.N, err, got)
			}
			if Format(b) != format {
				t.Errorf("%s begins like %q", format, Format(b))
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for format := range Formats {
		var b bytes.Buffer
		w, err := NewWriter(&b, format, 2, 3, Columns{"path": {"a", "b"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if w.Write(make([]float32, 2)) == nil || w.Write(make([]float32, 9)) == nil || w.Close() == nil {
			t.Errorf("%s: a part of a row, a row too many, or rows too few are written", format)
		}
		if _, err := NewWriter(&b, format, 2, 3, Columns{"path": {"a"}}, nil); err == nil {
			t.Errorf("%s: one path for two rows", format)
		}
	}
	if _, err := NewWriter(&bytes.Buffer{}, "npz", 1, 1, Columns{"y": {"a"}}, nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("a column y beside the labels: %v", err)
	}
}

// archive is a .npz file of texts.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i]})
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	one    = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"
	counts = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }"
)

func TestRefused(t *testing.T) {
	x := npy(one, "\x00\x00\x80\x3f\x00\x00\x80\x3f")
	good := string(archive(t, "x.npy", x, "y.npy", npy(counts, "\x00\x00\x01\x00")))
	for what, c := range map[string]struct{ file, want string }{
		"nothing":     {"", "no .npz, .npy or .parquet"},
		"csv":         {"path,label\n", "no .npz, .npy or .parquet"},
		"cut":         {good[:len(good)-30], "zip"},
		"no x":        {string(archive(t, "X.npy", x)), "no array x, it has X"},
		"twice":       {string(archive(t, "x.npy", x, "x.npy", x)), `two arrays "x"`},
		"labels":      {string(archive(t, "x.npy", x, "y.npy", npy(counts, "abcd"), "label.npy", npy(counts, "abcd"))), "labels twice"},
		"short":       {string(archive(t, "x.npy", x[:len(x)-1])), "x: reading value 0 of 2"},
		"long":        {string(archive(t, "x.npy", x+"0")), "longer than its values"},
		"sums":        {strings.Replace(good, "\x80\x3f", "\x80\x3e", 1), "checksum"},
		"flat":        {string(archive(t, "x.npy", npy(counts, "abcd"))), "x: the embeddings are of shape [2]"},
		"fewer":       {string(archive(t, "x.npy", x, "fold.npy", npy("{'descr': '<i2', 'fortran_order': False, 'shape': (1,), }", "ab"))), "fold: it is of shape [1], and there are 2 embeddings"},
		"nan":         {string(archive(t, "x.npy", x[:len(x)-2]+"\xc0\x7f")), "row 1, column 0 of the embeddings is NaN"},
		"infinite":    {npy(one, "\x00\x00\x80\x3f\x00\x00\x80\x7f"), "row 1, column 0 of the embeddings is +Inf"},
		"none":        {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 0), }", ""), "there are none"},
		"a bomb":      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000), }", "0123"), "64 times its"},
		"wide string": {string(archive(t, "x.npy", x, "y.npy", npy("{'descr': '<U9999999', 'fortran_order': False, 'shape': (2,), }", "0123"))), "64 times its"},
	} {
		_, err := Read(put(t, []byte(c.file)))
		if err == nil {
			t.Errorf("%s is read", what)
			continue
		}
		fuzztest.Refused(t, err, fault.Data, "a.table")
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	for _, path := range []string{"testdata/none.npz", "testdata"} {
		_, err := Read(path)
		fuzztest.Refused(t, err, fault.Data, path)
	}
}
