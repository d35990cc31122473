// Package embedding reads and writes tables of embeddings, ours and other
// programs': NumPy's .npy and .npz, and Parquet. It hides the three formats.
//
// Memory is taken for what a file holds, never for what it claims: a header's
// sizes are held against the bytes that are there, and what is packed may unpack
// to 64 times the file's size and a MiB, which no embeddings come near.
package embedding

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"

	"clr/internal/fault"
)

// A Table is embeddings, a row each, and what else is known of the rows.
type Table struct {
	N, D    int
	X       []float64 // (N, D), all finite
	Columns Columns
}

// Columns are values of each row by the name of a manifest's column: path,
// label, start, end, fold, split or any other; numbers stand in them as text, and
// what is unknown is empty.
type Columns map[string][]string // each (N)

// Formats are the formats of tables, with what each holds.
var Formats = map[string]string{
	"npz":     "embeddings x, one float32 row per clip, and the manifest's columns as arrays (label as y)",
	"npy":     "embeddings, one float32 row per clip in the manifest's order",
	"parquet": "embeddings, a line per clip: the manifest's columns, embedding as a list of float32",
}

// Texts are formats that are written for other programs, and not read.
var Texts = map[string]string{
	"csv":   "embeddings, a line per clip: path, start and end where they are known, label, the manifest's other columns, then the values e0, e1, ...",
	"jsonl": "embeddings, an object per line: the same keys, the values as embedding",
}

// Format tells a table's format by its first bytes; empty if it is none.
func Format(head []byte) string {
	for name, magic := range map[string]string{"npz": "PK\x03\x04", "npy": npyMagic, "parquet": parquetMagic} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	return ""
}

// Read reads a table of any of the Formats, told by its first bytes. What is no
// such file, or is damaged, or holds a value that is not finite, gives a
// fault.Data error that names the file.
func Read(path string) (*Table, error) {
	t, err := read(path)
	if err != nil {
		return nil, unusable(path, err)
	}
	return t, nil
}

// unusable says of which file an error is.
func unusable(path string, err error) error {
	return fault.New(fault.Data, cmp.Or(fault.Remedy(err), "write it again, see docs/embeddings.md"), "%s: %w", path, err)
}

func read(path string) (*Table, error) {
	in, format, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer in.file.Close()
	var t *Table
	switch format {
	case "npz":
		t, err = readNPZ(in)
	case "npy":
		t, err = readPlain(in)
	case "parquet":
		t, err = readParquet(in)
	}
	if err != nil {
		return nil, err
	}
	return t, t.check()
}

// openSource opens a file of one of the Formats.
func openSource(path string) (in *source, format string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fault.New(fault.Data, "name a file of embeddings: .npz, .npy or .parquet", "embeddings: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	if !info.Mode().IsRegular() {
		return nil, "", fault.New(fault.Data, "name a file of embeddings: .npz, .npy or .parquet", "it is not a regular file")
	}
	head := make([]byte, 8)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	if format = Format(head[:n]); format == "" {
		return nil, "", fault.New(fault.Data, "save embeddings with numpy.savez, numpy.save, or as Parquet", "it begins with %q, which is no .npz, .npy or .parquet file", head[:n])
	}
	return &source{f, f, info.Size(), 64*info.Size() + 1<<20}, format, nil
}

// A source is the file of a table, and what may be unpacked from it.
type source struct {
	io.ReaderAt
	file io.Closer
	size int64
	left int64
}

// take counts n values of some bytes each that are about to be unpacked.
func (s *source) take(n, bytes int64) error {
	if n < 0 || n > s.left/max(1, bytes) {
		return fmt.Errorf("it claims to unpack to more than 64 times its %d bytes", s.size)
	}
	s.left -= n * bytes
	return nil
}

func (t *Table) check() error {
	if t.N < 1 || t.D < 1 {
		return fmt.Errorf("%d embeddings of %d values are no table", t.N, t.D)
	}
	for i, v := range t.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fault.New(fault.Data, "see what made this row, or leave it out", "row %d, column %d of the embeddings is %v, not a finite number", i/t.D, i%t.D, v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Columns)) {
		if n := len(t.Columns[name]); n != t.N {
			return fmt.Errorf("%s has %d values for %d embeddings", name, n, t.N)
		}
	}
	return nil
}

// A Writer takes a table's embeddings, one or more rows at a time, in order.
type Writer interface {
	Write(x []float32) error
	Close() error // refuses a table that lacks rows
}

// About says what embeddings are of, by keys such as clr.encoder: Parquet and .npz
// hold it, of which OpenIndex reads it again; the other formats have no place for it.
type About map[string]string

// NewWriter begins a table of n embeddings of d values in one of the Formats or Texts,
// with what is known about the whole table. It holds some rows at most, so that a table
// may be larger than the memory. The same rows in any portions give the same bytes.
func NewWriter(w io.Writer, format string, n, d int, columns Columns, about About) (Writer, error) {
	if err := (&Table{N: n, D: d, Columns: columns}).check(); err != nil {
		return nil, err
	}
	switch format {
	case "npz":
		return newNPZ(w, n, d, columns, about)
	case "npy":
		return newPlain(w, n, d)
	case "parquet":
		return newParquet(w, n, d, columns, about)
	case "csv":
		return newCSV(w, n, d, columns)
	case "jsonl":
		return newJSONL(w, n, d, columns)
	}
	panic("embedding: there is no format " + format)
}

// A kind is what the values of a column are, all of them or empty.
type kind int

const (
	texts kind = iota
	integers
	reals
)

// kindOf chooses how a column is written: times as reals, folds as integers where
// they are, and the rest, labels too, as they stand.
func kindOf(name string, values []string) kind {
	all := func(number func(string) bool) bool {
		return !slices.ContainsFunc(values, func(v string) bool { return v != "" && !number(v) })
	}
	switch name {
	case "start", "end":
		if all(func(v string) bool { _, err := strconv.ParseFloat(v, 64); return err == nil }) {
			return reals
		}
	case "fold":
		if !slices.Contains(values, "") && all(func(v string) bool {
			n, err := strconv.ParseInt(v, 10, 64)
			return err == nil && strconv.FormatInt(n, 10) == v
		}) {
			return integers
		}
	}
	return texts
}

// decimal is the text of a number; one that is unknown (NaN) has none.
func decimal(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// appendNumber adds a value of a column of numbers, little-endian.
func (k kind) appendNumber(b []byte, v string) []byte {
	if k == integers {
		n, _ := strconv.ParseInt(v, 10, 64)
		return binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(number(v)))
}

// number undoes decimal.
func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}
