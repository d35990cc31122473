package audio

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// referenceDir holds arrays that torchaudio computed; see its README.md.
const referenceDir = "../../testdata/reference"

// An array is one .npy file.
type array struct {
	shape []int
	data  []float64
}

type tensorEntry struct {
	File      string
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

type referenceCase struct {
	Name            string
	Params          json.RawMessage
	Inputs, Outputs map[string]tensorEntry
}

// params decodes the case's parameters over into, a struct or a map.
func (c referenceCase) params(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(c.Params, into); err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
}

func referenceCases(t *testing.T) map[string]referenceCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(referenceDir, "audio", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []referenceCase }
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	cases := map[string]referenceCase{}
	for _, c := range m.Cases {
		cases[c.Name] = c
	}
	return cases
}

var npyHeader = regexp.MustCompile(`'descr': '(<[fi][48])', 'fortran_order': False, 'shape': \(([^)]*)\)`)

func loadNPY(t *testing.T, file string) array {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(referenceDir, file))
	if err != nil {
		t.Fatal(err)
	}
	n := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	m := npyHeader.FindSubmatch(b[:n])
	if m == nil {
		t.Fatalf("%s: header %q", file, b[:n])
	}
	var a array
	for _, s := range strings.Split(string(m[2]), ",") {
		if s = strings.TrimSpace(s); s != "" {
			d, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			a.shape = append(a.shape, d)
		}
	}
	for b = b[n:]; len(b) > 0; {
		switch string(m[1]) {
		case "<f4":
			a.data, b = append(a.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))), b[4:]
		case "<f8":
			a.data, b = append(a.data, math.Float64frombits(binary.LittleEndian.Uint64(b))), b[8:]
		default:
			t.Fatalf("%s: type %s", file, m[1])
		}
	}
	return a
}

// wave is a case's input as a clip.
func (c referenceCase) wave(t *testing.T, rate int) Clip {
	t.Helper()
	a := loadNPY(t, c.Inputs["wave"].File)
	clip := Clip{Rate: rate, Samples: make([]float32, len(a.data))}
	for i, v := range a.data {
		clip.Samples[i] = float32(v)
	}
	return clip
}

// matches holds got, row-major, against an output within its tolerances.
func (c referenceCase) matches(t *testing.T, output string, rows, columns int, got []float64) {
	t.Helper()
	e, ok := c.Outputs[output]
	if !ok {
		t.Fatalf("%s has no output %s", c.Name, output)
	}
	want := loadNPY(t, e.File)
	if fmt.Sprint(want.shape) != fmt.Sprint([]int{rows, columns}) || len(got) != rows*columns {
		t.Fatalf("%s %s: shape (%d, %d) with %d values, want %v", c.Name, output, rows, columns, len(got), want.shape)
	}
	worst, num, den := 0.0, 0.0, 0.0
	for i, w := range want.data {
		d := got[i] - w
		if math.IsNaN(d) {
			t.Fatalf("%s %s: element %d is %v, want %v", c.Name, output, i, got[i], w)
		}
		worst = max(worst, math.Abs(d))
		num += d * d
		den += w * w
	}
	rel := math.Sqrt(num / max(den, 1e-300))
	t.Logf("%s %s: max|d| %.2g (allowed %.2g), relative %.2g (%.2g)", c.Name, output, worst, e.Tolerance.MaxAbs, rel, e.Tolerance.RelL2)
	if worst > e.Tolerance.MaxAbs || rel > e.Tolerance.RelL2 {
		t.Errorf("%s %s: max|d| %g, allowed %g; relative %g, allowed %g", c.Name, output, worst, e.Tolerance.MaxAbs, rel, e.Tolerance.RelL2)
	}
}

// transposed turns (bins, frames) into (frames, bins).
func transposed(s Spectrogram) []float64 {
	out := make([]float64, 0, len(s.Data))
	for t := range s.Frames {
		for b := range s.Bins {
			out = append(out, float64(s.Data[b*s.Frames+t]))
		}
	}
	return out
}

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// sharedFolder finds a folder beside the project that holds more test data.
func sharedFolder(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("CLR_SHARED")
	if root == "" {
		root = "../../../shared"
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; set CLR_SHARED to the folder that holds data/", err)
		}
		t.Skipf("%v; set CLR_SHARED to the folder that holds data/", err)
	}
	return dir
}
