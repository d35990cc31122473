package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
)

func example() *Checkpoint {
	r := rand.New(rand.NewPCG(1, 2))
	c := &Checkpoint{Meta: map[string]string{"step": "17", "config": "a: \"b\"\n\"crc32c\":\"x\" <ü>"}, Arrays: map[string]kernel.Array{}}
	for name, shape := range map[string][]int{"encoder.conv1.weight": {4, 1, 3, 3}, "encoder.bn1.bias": {4}, "scalar": nil, "empty": {3, 0, 2}, "naïve \"name\"": {2, 3}} {
		a := kernel.New(shape...)
		for i := range a.Data {
			a.Data[i] = r.Float32() - 0.5
		}
		c.Arrays[name] = a
	}
	odd := c.Arrays["encoder.conv1.weight"].Data
	odd[0], odd[1], odd[2] = float32(math.NaN()), float32(math.Inf(-1)), math.Float32frombits(1<<31)
	return c
}

func save(t testing.TB, c *Checkpoint) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.safetensors")
	if err := Save(path, c); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// equal compares bits, so that NaN is equal to itself.
func equal(a, b *Checkpoint) bool {
	if !reflect.DeepEqual(a.Meta, b.Meta) || len(a.Arrays) != len(b.Arrays) {
		return false
	}
	for name, x := range a.Arrays {
		y, ok := b.Arrays[name]
		if !ok || !slices.Equal(x.Shape, y.Shape) || len(x.Data) != len(y.Data) {
			return false
		}
		for i := range x.Data {
			if math.Float32bits(x.Data[i]) != math.Float32bits(y.Data[i]) {
				return false
			}
		}
	}
	return true
}

func TestRoundTrip(t *testing.T) {
	for name, c := range map[string]*Checkpoint{"example": example(), "empty": {Meta: map[string]string{}}} {
		path := save(t, c)
		got, err := Load(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !equal(c, got) {
			t.Errorf("%s: loaded %v, saved %v", name, got, c)
		}
		if again := save(t, got); !bytes.Equal(read(t, path), read(t, again)) {
			t.Errorf("%s: saved again, the bytes differ", name)
		}
	}
}

// The layout as its own documentation tells it, read without our reader.
func TestLayout(t *testing.T) {
	c := example()
	b := read(t, save(t, c))
	n := binary.LittleEndian.Uint64(b)
	if n%8 != 0 {
		t.Errorf("header of %d bytes is not padded to 8", n)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	var meta map[string]string
	if err := json.Unmarshal(header["__metadata__"], &meta); err != nil {
		t.Fatal(err)
	}
	if meta["step"] != "17" {
		t.Errorf("metadata is %v", meta)
	}
	for name, a := range c.Arrays {
		var e struct {
			DType   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets []uint64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(header[name], &e); err != nil {
			t.Fatal(err)
		}
		data := b[8+n+e.Offsets[0] : 8+n+e.Offsets[1]]
		if e.DType != "F32" || e.Shape == nil || !slices.Equal(e.Shape, a.Shape) || len(data) != 4*len(a.Data) {
			t.Fatalf("%s is %+v, want shape %v", name, e, a.Shape)
		}
		for i, v := range a.Data {
			if got := binary.LittleEndian.Uint32(data[4*i:]); got != math.Float32bits(v) {
				t.Errorf("%s[%d] is %x, want %g", name, i, got, v)
			}
		}
	}
}

func TestWriteSafetensors(t *testing.T) {
	var b bytes.Buffer
	tensors := []Tensor{
		{Name: "b.bias", Shape: []int{3}, F32: []float32{1, 2, 3}},
		{Name: "z.num_batches_tracked", I64: []int64{1 << 40}},
		{Name: "a.weight", Shape: []int{1, 1}, F32: []float32{4}},
	}
	if err := WriteSafetensors(&b, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	want := `{"__metadata__":{"format":"pt"},` +
		`"a.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},` +
		`"b.bias":{"dtype":"F32","shape":[3],"data_offsets":[12,24]},` +
		`"z.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`
	n := binary.LittleEndian.Uint64(b.Bytes())
	if got := strings.TrimRight(string(b.Bytes()[8:8+n]), " "); got != want {
		t.Errorf("header is\n%s, want\n%s", got, want)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	put(t, path, b.Bytes())
	got, meta, err := LoadTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].I64[0] != 1<<40 || got[1].F32[0] != 4 || got[2].F32[2] != 3 || meta["format"] != "pt" {
		t.Errorf("read %v, %v", got, meta)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "no checksums") {
		t.Errorf("as a checkpoint: %v, want it refused for lack of checksums", err)
	}
}

// Numbers of other widths come as float32, also where a chunk ends; no
// checkpoint of ours holds them.
func TestOtherDTypes(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for dtype, values := range map[string]map[uint64]float64{
		"F16": {0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 1.0 / (1 << 24), 0x83ff: -1023.0 / (1 << 24), 0x0400: 1.0 / (1 << 14), 0x3555: 0x1.554p-2,
			0: 0, 0x8000: math.Copysign(0, -1), 0x7c00: inf, 0xfc00: -inf, 0x7e01: nan},
		"BF16": {0x3f80: 1, 0xc000: -2, 0x0001: 0x1p-133, 0x4049: 3.140625, 0x7f80: inf, 0x7fc0: nan, 0x8000: math.Copysign(0, -1)},
		"F64": {math.Float64bits(1): 1, math.Float64bits(0.1): float64(float32(0.1)), math.Float64bits(1e300): inf, math.Float64bits(1e-300): 0,
			math.Float64bits(1 + 0x1p-24): 1, math.Float64bits(nan): nan},
	} {
		width, keys := int(widths[dtype]), slices.Sorted(maps.Keys(values))
		n := chunk/width + len(keys) + 1
		var data []byte
		for i := range n {
			data = append(data, binary.LittleEndian.AppendUint64(nil, keys[i%len(keys)])[:width]...)
		}
		path := filepath.Join(t.TempDir(), "x.safetensors")
		b := file(fmt.Sprintf(`{"a":{"dtype":"%s","shape":[%d],"data_offsets":[0,%d]}}`, dtype, n, n*width), 0)
		put(t, path, append(b, data...))
		got, _, err := LoadTensors(path)
		if err != nil || len(got) != 1 || len(got[0].F32) != n {
			t.Fatalf("%s: %v, %v", dtype, got, err)
		}
		for i, v := range got[0].F32 {
			want := float32(values[keys[i%len(keys)]])
			if math.Float32bits(v) != math.Float32bits(want) && !(v != v && want != want) {
				t.Fatalf("%s %#x: %g, want %g", dtype, keys[i%len(keys)], v, want)
			}
		}

		a := file(`{"__metadata__":{"crc32c":"00000000","crc32c:a":"00000000"},"a":{"dtype":"`+dtype+`","shape":[0],"data_offsets":[0,0]}}`, 0)
		seal(a)
		put(t, path, a)
		_, err = Load(path)
		if refused(t, dtype, path, err); !strings.Contains(err.Error(), "of type "+dtype) {
			t.Errorf("as a checkpoint, %v", err)
		}
	}
}

func TestLoadOther(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "missing"))
	if !errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) != fault.Data {
		t.Errorf("missing file: %v", err)
	}
	dir := t.TempDir()
	_, err = Load(dir)
	refused(t, "folder", dir, err)
}

func TestRestore(t *testing.T) {
	c := &Checkpoint{Arrays: map[string]kernel.Array{"a": {Shape: []int{2}, Data: []float32{1, 2}}, "b": {Shape: []int{1, 1}, Data: []float32{3}}}}
	state := map[string]kernel.Array{"a": kernel.New(2), "b": kernel.New(1, 1)}
	live := state["a"].Data
	if err := c.Restore(state); err != nil || live[1] != 2 || state["b"].Data[0] != 3 {
		t.Errorf("restored %v, %v", state, err)
	}
	for want, state := range map[string]map[string]kernel.Array{
		"it has no c":                {"a": kernel.New(2), "b": kernel.New(1, 1), "c": kernel.New(1)},
		"the run has no b":           {"a": kernel.New(2)},
		"shape [1 1], the run's has": {"a": kernel.New(2), "b": kernel.New(1)},
	} {
		err := c.Restore(state)
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Data {
			t.Errorf("%v, want %q", err, want)
		}
		if state["a"].Data[0] != 0 {
			t.Errorf("%s: something was copied", want)
		}
	}
}

func TestMistakesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"reserved": func() { Save("/dev/null/x", &Checkpoint{Meta: map[string]string{"crc32c:x": ""}}) },
		"shape": func() {
			WriteSafetensors(&bytes.Buffer{}, []Tensor{{Name: "a", Shape: []int{2}, F32: []float32{1}}}, nil)
		},
		"neither":  func() { WriteSafetensors(&bytes.Buffer{}, []Tensor{{Name: "a", Shape: []int{0}}}, nil) },
		"metadata": func() { WriteSafetensors(&bytes.Buffer{}, []Tensor{{Name: "__metadata__", F32: []float32{1}}}, nil) },
		"twice": func() {
			WriteSafetensors(&bytes.Buffer{}, []Tensor{{Name: "a", F32: []float32{1}}, {Name: "a", F32: []float32{1}}}, nil)
		},
	} {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "checkpoint: ") {
					t.Errorf("%s: panic %q", name, v)
				}
			}()
			f()
		}()
	}
	if err := WriteSafetensors(&bytes.Buffer{}, []Tensor{{Name: "a\xff", F32: []float32{1}}}, nil); err == nil {
		t.Error("a name that is not UTF-8 was written")
	}
}

// What lies in memory is what the machine-independent loops make.
func TestTensorTwins(t *testing.T) {
	for _, n := range []int{0, 1, chunk/8 + 3, chunk/2 + 1} {
		f, k := make([]float32, n), make([]int64, n)
		r := rand.New(rand.NewPCG(3, uint64(n)))
		for i := range n {
			f[i], k[i] = math.Float32frombits(r.Uint32()), int64(r.Uint64())
		}
		for _, x := range []Tensor{{F32: f}, {I64: k}} {
			var fast, twin bytes.Buffer
			buf := make([]byte, chunk)
			x.each(buf, func(b []byte) error { fast.Write(b); return nil })
			x.eachTwin(buf, func(b []byte) error { twin.Write(b); return nil })
			if !bytes.Equal(fast.Bytes(), twin.Bytes()) {
				t.Fatalf("%d values of %s: other bytes", n, x.dtype())
			}
			a, b := Tensor{F32: make([]float32, len(x.F32)), I64: make([]int64, len(x.I64))}, Tensor{F32: make([]float32, len(x.F32)), I64: make([]int64, len(x.I64))}
			if x.F32 == nil {
				a.F32, b.F32 = nil, nil
			}
			back := a
			back.take(x.dtype(), fast.Bytes())
			takeTwin(b.F32, b.I64, fast.Bytes())
			if !bytes.Equal(raw(a.F32), raw(b.F32)) || !slices.Equal(a.I64, b.I64) || !bytes.Equal(append(raw(a.F32), raw(a.I64)...), twin.Bytes()) {
				t.Errorf("%d values of %s come back otherwise", n, x.dtype())
			}
		}
	}
}
