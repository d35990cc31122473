package embedding

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
)

const npyFolder = "../../testdata/reference/optim/"

// What NumPy wrote is read, and written again to the same bytes.
func TestNPYIsNumPys(t *testing.T) {
	for file, shape := range map[string][]int{"sgd_momentum.in.grad_w.npy": {5, 4, 3}, "sgd_momentum.in.b0.npy": {4}} {
		b, err := os.ReadFile(filepath.Join(npyFolder, file))
		if err != nil {
			t.Fatal(err)
		}
		a, err := ReadNPY(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Shape, shape) {
			t.Errorf("%s has shape %v, want %v", file, a.Shape, shape)
		}
		var again bytes.Buffer
		if err := WriteNPY(&again, a); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), b) {
			t.Errorf("%s, written again:\n%q\nwant\n%q", file, again.Bytes(), b)
		}
	}
	b, err := os.ReadFile(filepath.Join(npyFolder, "cosine_warmup.out.lr.npy")) // float64
	if err != nil {
		t.Fatal(err)
	}
	if a, err := ReadNPY(bytes.NewReader(b)); err != nil || len(a.Data) != 100 || a.Data[9] != 0.3 {
		t.Errorf("float64: %v, %v", a, err)
	}
}

func TestNPYRoundTrip(t *testing.T) {
	for _, shape := range [][]int{nil, {0}, {1}, {3, 0}, {20000, 2}, {1, 2, 3, 4}} {
		a := kernel.New(shape...)
		for i := range a.Data {
			a.Data[i] = float32(i)
		}
		var b bytes.Buffer
		if err := WriteNPY(&b, a); err != nil {
			t.Fatal(err)
		}
		got, err := ReadNPY(&b)
		if err != nil || !slices.Equal(got.Shape, a.Shape) || !slices.Equal(got.Data, a.Data) {
			t.Errorf("shape %v came back as %v, %v", shape, got.Shape, err)
		}
	}
}

func npy(dict, data string) string {
	return npyMagic + "\x01\x00" + string([]byte{byte(len(dict)), byte(len(dict) >> 8)}) + dict + data
}

func TestNPYRefused(t *testing.T) {
	for what, c := range map[string]struct{ file, want string }{
		"nothing":   {"", "reading the header"},
		"other":     {"RIFF....WAVEfmt ", "not a .npy file"},
		"version 4": {"\x93NUMPY\x04\x00\x10\x00\x00\x00", "version 1.0"},
		"long":      {"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header"},
		"objects":   {npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "01234567"), "Python objects"},
		"half":      {npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }", "01"), "<f2"},
		"cut":       {npyMagic + "\x01\x00\xff\x00{", "reading the header"},
		"dict":      {npy("{'descr': 7}", ""), "cannot read"},
		"dtype":     {npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", "01234567"), "i8"},
		"fortran":   {npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "0123456789abcdef"), "Fortran"},
		"early":     {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "0123"), "value 0 of 2"},
		"overflow":  {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", ""), "too large"},
		"number":    {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", ""), "too large"},
	} {
		_, err := ReadNPY(strings.NewReader(c.file))
		if err == nil || fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func TestNPYClaimsCostNothing(t *testing.T) {
	r := strings.NewReader(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,), }", strings.Repeat("0", 1000)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadNPY(r)
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; err == nil || taken > 1<<19 {
		t.Errorf("%v: took %d bytes", err, taken)
	}
}
