package eval

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// references are arrays that scikit-learn computed; see
// testdata/reference/README.md.
const references = "../../testdata/reference"

type referenceFile struct {
	File      string
	Shape     []int
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

type referenceCase struct {
	Name            string
	Inputs, Outputs map[string]referenceFile
}

func reference(t *testing.T, name string) referenceCase {
	t.Helper()
	group, _, _ := strings.Cut(name, "/")
	text, err := os.ReadFile(filepath.Join(references, group, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []referenceCase }
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cases {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no reference case %s", name)
	return referenceCase{}
}

var npyType = regexp.MustCompile(`'descr': '<(f4|f8|i8)'.*'fortran_order': False`)

// array reads an npy file of float32, float64 or int64.
func (f referenceFile) array(t *testing.T) []float64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(references, f.File))
	if err != nil {
		t.Fatal(err)
	}
	body := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	kind := npyType.FindStringSubmatch(string(b[:body]))
	if kind == nil {
		t.Fatalf("%s: unknown type in %q", f.File, b[:body])
	}
	b = b[body:]
	var out []float64
	for len(b) > 0 {
		switch kind[1] {
		case "f4":
			out, b = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))), b[4:]
		case "f8":
			out, b = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b))), b[8:]
		default:
			out, b = append(out, float64(int64(binary.LittleEndian.Uint64(b)))), b[8:]
		}
	}
	return out
}

func (f referenceFile) ints(t *testing.T) []int {
	t.Helper()
	var out []int
	for _, v := range f.array(t) {
		out = append(out, int(v))
	}
	return out
}

// match demands both tolerances of the manifest.
func (c referenceCase) match(t *testing.T, output string, got ...float64) {
	t.Helper()
	f, ok := c.Outputs[output]
	if !ok {
		t.Fatalf("%s has no output %s", c.Name, output)
	}
	want := f.array(t)
	if len(got) != len(want) {
		t.Fatalf("%s %s: got %d values, want %d", c.Name, output, len(got), len(want))
	}
	worst, difference, size := 0.0, 0.0, 0.0
	for i := range want {
		d := got[i] - want[i]
		worst = math.Max(worst, math.Abs(d))
		difference += d * d
		size += want[i] * want[i]
	}
	relative := math.Sqrt(difference / math.Max(size, 1e-300))
	if !(worst <= f.Tolerance.MaxAbs) || !(relative <= f.Tolerance.RelL2) {
		t.Errorf("%s %s: off by %.2g (may be %.2g), relative %.2g (may be %.2g)", c.Name, output, worst, f.Tolerance.MaxAbs, relative, f.Tolerance.RelL2)
	}
}

func floats(v []int) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// classNames are "c0", "c1", ...
func classNames(k int) []string {
	out := make([]string, k)
	for i := range out {
		out[i] = fmt.Sprint("c", i)
	}
	return out
}
