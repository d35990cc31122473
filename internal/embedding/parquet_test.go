package embedding

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
)

var others = []string{"duckdb-plain", "duckdb-snappy", "duckdb-gzip", "duckdb-zstd", "duckdb-version2", "polars"}

func TestOthersParquet(t *testing.T) {
	want := &Table{5, 3, numbers(), Columns{"label": {"dog", "cat", "dog", "Fluß", "cat"}, "fold": {"1", "2", "1", "2", "1"},
		"start": {"0", "0.5", "", "0", "1.25"}, "path": {"a.wav", "a.wav", "a.wav", "a.wav", "b.wav"}}}
	for _, name := range others {
		if got, err := Read(filepath.Join("testdata", name+".parquet")); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
}

// with is a Parquet file of ours whose footer is another.
func with(t testing.TB, footer func(b []byte) []byte) []byte {
	t.Helper()
	b := written(t, "parquet", example(), 5)
	n := int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	foot := footer(bytes.Clone(b[len(b)-8-n : len(b)-8]))
	b = append(b[:len(b)-8-n], foot...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(foot))), parquetMagic...)
}

func TestParquetRefused(t *testing.T) {
	whole := written(t, "parquet", example(), 5)
	other := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("no %q in the footer", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	values := bytes.Index(whole, []byte("\x00\x00\x80\xbf")) // -1
	broken := bytes.Clone(whole)
	broken[values] ^= 1
	for what, c := range map[string]struct {
		file []byte
		want string
	}{
		"cut":         {whole[:len(whole)-9], "ends early"},
		"magic alone": {[]byte("PAR1PAR1"), "ends early"},
		"sums":        {broken, "column embedding.list.element: after 0 of 15 values: the checksum"},
		"no list":     {with(t, other("\x15\x08\x25\x00\x18\x07element", "\x15\x02\x25\x00\x18\x07element")), "0 of its columns are lists of floats"},
		"footer":      {with(t, func(b []byte) []byte { return b[:len(b)/2] }), "metadata ends early"},
		"no footer":   {with(t, func([]byte) []byte { return nil }), "ends early"},
		"deep":        {with(t, func([]byte) []byte { return bytes.Repeat([]byte("\x1c"), 100) }), "no Thrift"},
		"more rows":   {with(t, other("\x16\x0a\x19\x1c", "\x16\x0c\x19\x1c")), "has 5 rows, the file claims 6"},
		"huge list":   {with(t, other("\x15\x02\x19", "\x15\x02\x19\xfc\xff\xff\xff\xff\x0f\x15\x02\x19")), ""},
	} {
		_, err := Read(put(t, c.file))
		if err == nil {
			t.Errorf("%s is read", what)
			continue
		}
		fuzztest.Refused(t, err, fault.Data, "a.table")
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func FuzzParquet(f *testing.F) {
	var seeds [][]byte
	for _, name := range others {
		b, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	fuzz(f, "parquet", append(seeds, written(f, "parquet", example(), 5))...)
}

// A table without embeddings has its columns in the order of their names, numbers as
// doubles.
func TestWriteColumns(t *testing.T) {
	want := Columns{"status": {"done", "failed", ""}, "loss": {"0.5", "", "-3"}, "empty": {"", "", ""}}
	var b bytes.Buffer
	if err := WriteColumns(&b, []string{"status", "loss", "empty"}, want); err != nil {
		t.Fatal(err)
	}
	in := &source{bytes.NewReader(b.Bytes()), int64(b.Len()), 1 << 20}
	foot, err := readFooter(in)
	if err != nil || foot.rows != 3 || len(foot.leaves) != 3 {
		t.Fatalf("%+v, %v", foot, err)
	}
	got := &Table{N: 3, Columns: Columns{}}
	for i, kind := range []int64{physBytes, physDouble, physBytes} {
		if l := foot.leaves[i]; l.kind != kind || l.name() != []string{"status", "loss", "empty"}[i] {
			t.Errorf("column %d is %+v", i, l)
		}
		if err := got.texts(in, foot, foot.leaves[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got.Columns, want) {
		t.Errorf("%v, want %v", got.Columns, want)
	}
	b.Reset()
	if err := WriteColumns(&b, []string{"loss"}, Columns{}); err != nil || Format(b.Bytes()) != "parquet" {
		t.Errorf("no rows: %v", err)
	}
}
