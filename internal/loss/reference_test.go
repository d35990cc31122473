package loss

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"clr/internal/kernel"
)

// references are arrays that PyTorch computed; see testdata/reference/README.md.
const references = "../../testdata/reference"

type referenceFile struct {
	File      string
	Shape     []int
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

type referenceParams struct {
	Temperature, Margin, Lambda, Sim, Var, Cov, Epsilon float64
	Iterations                                          int
	Smoothing                                           float64 `json:"label_smoothing"`
}

type referenceCase struct {
	Name            string
	Params          referenceParams
	Inputs, Outputs map[string]referenceFile
}

func reference(t *testing.T, name string) referenceCase {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(references, "losses", "manifest.json"))
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

var npyHeader = regexp.MustCompile(`'descr': '<(f4|f8|i8)', 'fortran_order': False`)

// array reads an npy file of float32, float64 or int64.
func (f referenceFile) array(t *testing.T) kernel.Array {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(references, f.File))
	if err != nil {
		t.Fatal(err)
	}
	end := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	kind := npyHeader.FindSubmatch(b[:end])
	if kind == nil {
		t.Fatalf("%s: cannot read its header", f.File)
	}
	a := kernel.New(f.Shape...)
	for i := range a.Data {
		switch at := b[end:]; string(kind[1]) {
		case "f4":
			a.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(at[4*i:]))
		case "f8":
			a.Data[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(at[8*i:])))
		default:
			a.Data[i] = float32(int64(binary.LittleEndian.Uint64(at[8*i:])))
		}
	}
	return a
}

// compare holds values against the reference, by both of its tolerances.
func (f referenceFile) compare(t *testing.T, what string, got []float32) {
	t.Helper()
	want := f.array(t).Data
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var worst, diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		worst = math.Max(worst, math.Abs(d))
		diff, norm = diff+d*d, norm+float64(want[i])*float64(want[i])
	}
	if rel := math.Sqrt(diff / norm); !(worst <= f.Tolerance.MaxAbs && rel <= f.Tolerance.RelL2) {
		t.Errorf("%s: off by %g at most (allowed %g), %g in all (allowed %g)", what, worst, f.Tolerance.MaxAbs, rel, f.Tolerance.RelL2)
	}
}
