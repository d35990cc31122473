package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The reference arrays were computed by PyTorch in float64; the manifest holds
// the tolerance of each.
const referenceDir = "../../testdata/reference"

type manifest struct {
	Cases []struct {
		Name            string
		Params          map[string]any
		Inputs, Outputs map[string]struct {
			File      string
			Shape     []int
			Tolerance struct {
				MaxAbs float64 `json:"max_abs"`
				RelL2  float64 `json:"rel_l2"`
			}
		}
	}
}

type referenceCase struct {
	t       *testing.T
	m       *manifest
	i       int
	number  func(key string) int
	in      func(key string) (Array, bool)
	matches func(key string, got []float32)
}

// eachReference calls f for each case whose name starts so.
func eachReference(t *testing.T, prefix string, f func(t *testing.T, c referenceCase)) {
	raw, err := os.ReadFile(filepath.Join(referenceDir, "layers", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	found := false
	for i, c := range m.Cases {
		if !strings.HasPrefix(c.Name, "layers/"+prefix) {
			continue
		}
		found = true
		t.Run(strings.TrimPrefix(c.Name, "layers/"), func(t *testing.T) {
			f(t, referenceCase{t: t, m: &m, i: i,
				number: func(key string) int { return int(c.Params[key].(float64)) },
				in: func(key string) (Array, bool) {
					a, ok := c.Inputs[key]
					if !ok {
						return Array{}, false
					}
					return readNPY(t, a.File), true
				},
				matches: func(key string, got []float32) {
					t.Helper()
					o, ok := c.Outputs[key]
					if !ok {
						t.Fatalf("no output %q in the manifest", key)
					}
					want := readNPY64(t, o.File)
					if len(want) != len(got) {
						t.Fatalf("%s: %d values, want %d", key, len(got), len(want))
					}
					var worst, num, den float64
					for i, w := range want {
						d := math.Abs(float64(got[i]) - w)
						worst = math.Max(worst, d)
						num += d * d
						den += w * w
					}
					if rel := math.Sqrt(num / den); !(worst <= o.Tolerance.MaxAbs) || !(rel <= o.Tolerance.RelL2) {
						t.Errorf("%s: max abs %.3g (allowed %.3g), relative L2 %.3g (allowed %.3g)", key, worst, o.Tolerance.MaxAbs, rel, o.Tolerance.RelL2)
					}
				},
			})
		})
	}
	if !found {
		t.Fatalf("no case %q in the manifest", prefix)
	}
}

func (c referenceCase) must(key string) Array {
	c.t.Helper()
	a, ok := c.in(key)
	if !ok {
		c.t.Fatalf("no input %q in the manifest", key)
	}
	return a
}

var npyShape = regexp.MustCompile(`'shape': \(([^)]*)\)`)

// readNPY64 reads a version 1 file of little-endian float64.
func readNPY64(t *testing.T, file string) []float64 {
	v, _ := readNPYFile(t, file)
	return v
}

func readNPY(t *testing.T, file string) Array {
	v, shape := readNPYFile(t, file)
	a := New(shape...)
	for i, f := range v {
		a.Data[i] = float32(f)
	}
	return a
}

func readNPYFile(t *testing.T, file string) (values []float64, shape []int) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(referenceDir, file))
	if err != nil {
		t.Fatal(err)
	}
	head := 10 + int(binary.LittleEndian.Uint16(raw[8:]))
	text := string(raw[10:head])
	if !bytes.HasPrefix(raw, []byte("\x93NUMPY\x01")) || !strings.Contains(text, "'fortran_order': False") {
		t.Fatalf("%s: not a plain npy file: %s", file, text)
	}
	n := 1
	for _, d := range strings.Split(npyShape.FindStringSubmatch(text)[1], ",") {
		if d = strings.TrimSpace(d); d != "" {
			k, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, k)
			n *= k
		}
	}
	values = make([]float64, n)
	for i := range values {
		if strings.Contains(text, "'<f4'") {
			values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[head+4*i:])))
		} else {
			values[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[head+8*i:]))
		}
	}
	return values, shape
}

func shape4(a Array) (n, c, h, w int) {
	s := a.Shape
	switch len(s) {
	case 2:
		return s[0], s[1], 1, 1
	case 3:
		return s[0], s[1], 1, s[2]
	}
	return s[0], s[1], s[2], s[3]
}

func toLanes(a Array) []float32 {
	n, c, h, w := shape4(a)
	dst := make([]float32, Blocks(n)*Lanes*c*h*w)
	ToLanes(dst, a.Data, n, c, h, w)
	return dst
}

func fromLanes(x []float32, n, c, h, w int) []float32 {
	dst := make([]float32, n*c*h*w)
	FromLanes(dst, x, n, c, h, w)
	return dst
}
