package embedding

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/kernel"
)

// An array that is read is written again to one that reads the same.
func FuzzReadNPY(f *testing.F) {
	wide := npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }\n", "0123456789abcdef")
	for _, whole := range []string{npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "01234567"), wide,
		npy("{'descr': '<f4', 'fortran_order': True, 'shape': (), }\n", "0123")} {
		for _, b := range fuzztest.Damaged([]byte(whole)) {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a kernel.Array
		var err error
		fuzztest.Bounded(t, len(b), 1<<20, func() { a, err = ReadNPY(bytes.NewReader(b)) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, "npy")
			return
		}
		var out bytes.Buffer
		if err := WriteNPY(&out, a); err != nil {
			t.Fatal(err)
		}
		again, err := ReadNPY(&out)
		if err != nil || !reflect.DeepEqual(again.Shape, a.Shape) || len(again.Data) != len(a.Data) {
			t.Fatalf("%v came back as %v: %v", a.Shape, again.Shape, err)
		}
		for i := range a.Data {
			if math.Float32bits(a.Data[i]) != math.Float32bits(again.Data[i]) {
				t.Fatalf("value %d: %v came back as %v", i, a.Data[i], again.Data[i])
			}
		}
	})
}

// fuzz reads damaged tables: what is accepted is written again to one that reads
// the same.
func fuzz(f *testing.F, format string, seeds ...[]byte) {
	for _, whole := range seeds {
		for _, b := range fuzztest.Some(whole, 3) {
			f.Add(b)
		}
	}
	path := filepath.Join(f.TempDir(), "a.table")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		var table *Table
		var err error
		fuzztest.Bounded(t, len(b), 8<<20, func() { table, err = Read(path) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		for i, v := range table.X {
			if table.X[i] = float64(float32(v)); math.IsInf(table.X[i], 0) {
				return
			}
		}
		if err := os.WriteFile(path, written(t, format, table, 1), 0o644); err != nil {
			t.Fatal(err)
		}
		if again, err := Read(path); err != nil || !reflect.DeepEqual(again.X, table.X) || len(again.Columns) != len(table.Columns) {
			t.Errorf("%v came back as %v, %v", table, again, err)
		}
	})
}

func FuzzNPZ(f *testing.F) {
	var seeds [][]byte
	for _, name := range []string{"plain.npz", "packed.npz", "objects.npz"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	fuzz(f, "npz", append(seeds, written(f, "npz", example(), 5))...)
}
