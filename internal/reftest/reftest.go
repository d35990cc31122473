// Package reftest holds what the tests of several packages share that compare
// with other programs: how the arrays in testdata/reference are found, read and
// held against ours, by the manifest's tolerances.
package reftest

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"clr/internal/kernel"
)

// dir is where the arrays are, from a package's folder in internal.
const dir = "../../testdata/reference"

// A Case is one of a manifest, with parameters P.
type Case[P any] struct {
	Name, Op        string
	Params          P
	Inputs, Outputs map[string]File
}

// A File is one array.
type File struct {
	File      string
	Shape     []int
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

// Cases are those of a folder's manifest.
func Cases[P any](t testing.TB, folder string) []Case[P] {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, folder, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []Case[P] }
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m.Cases
}

// Get is the case of a name, which begins with its folder's.
func Get[P any](t testing.TB, name string) Case[P] {
	t.Helper()
	folder, _, _ := strings.Cut(name, "/")
	for _, c := range Cases[P](t, folder) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no reference case %s", name)
	return Case[P]{}
}

var header = regexp.MustCompile(`'descr': '<(f4|f8|i8)', 'fortran_order': False`)

// Values reads a file of float32, float64 or int64.
func (f File) Values(t testing.TB) []float64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, f.File))
	if err != nil {
		t.Fatal(err)
	}
	body := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	kind := header.FindSubmatch(b[:body])
	if kind == nil {
		t.Fatalf("%s: unknown type in %q", f.File, b[:body])
	}
	var x []float64
	for b, le := b[body:], binary.LittleEndian; len(b) > 0; {
		switch string(kind[1]) {
		case "f4":
			x, b = append(x, float64(math.Float32frombits(le.Uint32(b)))), b[4:]
		case "f8":
			x, b = append(x, math.Float64frombits(le.Uint64(b))), b[8:]
		default:
			x, b = append(x, float64(int64(le.Uint64(b)))), b[8:]
		}
	}
	return x
}

// Array is the file in single precision.
func (f File) Array(t testing.TB) kernel.Array {
	t.Helper()
	a := kernel.New(f.Shape...)
	values := f.Values(t)
	if len(values) != len(a.Data) {
		t.Fatalf("%s: %d values of shape %v", f.File, len(values), f.Shape)
	}
	for i, v := range values {
		a.Data[i] = float32(v)
	}
	return a
}

// Ints are labels and the like.
func (f File) Ints(t testing.TB) []int {
	t.Helper()
	var out []int
	for _, v := range f.Values(t) {
		out = append(out, int(v))
	}
	return out
}

// Match demands both of a file's tolerances.
func Match[F float32 | float64](t testing.TB, f File, what string, got ...F) {
	t.Helper()
	want := f.Values(t)
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	worst, difference, size := 0.0, 0.0, 0.0
	for i := range want {
		d := float64(got[i]) - want[i]
		worst = math.Max(worst, math.Abs(d))
		difference += d * d
		size += want[i] * want[i]
	}
	relative := math.Sqrt(difference / math.Max(size, 1e-300))
	if !(worst <= f.Tolerance.MaxAbs) || !(relative <= f.Tolerance.RelL2) {
		t.Errorf("%s: off by %.3g at most (may be %.3g), relative %.3g (may be %.3g)", what, worst, f.Tolerance.MaxAbs, relative, f.Tolerance.RelL2)
	}
}
