package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// npyMagic opens a file of NumPy's format, version 1.0.
const npyMagic = "\x93NUMPY\x01\x00"

// WriteNPY writes a as a .npy file: version 1.0, <f4, C order.
func WriteNPY(w io.Writer, a kernel.Array) error {
	dims := make([]string, len(a.Shape))
	for i, d := range a.Shape {
		dims[i] = strconv.Itoa(d)
	}
	shape := strings.Join(dims, ", ")
	if len(dims) == 1 {
		shape += "," // a tuple of one
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape)
	// Magic, length and dictionary with its newline fill a multiple of 64.
	dict += strings.Repeat(" ", 63-(len(npyMagic)+2+len(dict))%64) + "\n"
	head := binary.LittleEndian.AppendUint16([]byte(npyMagic), uint16(len(dict)))
	if _, err := w.Write(append(head, dict...)); err != nil {
		return err
	}
	t := Tensor{Name: "npy", Shape: a.Shape, F32: a.Data}
	return t.each(make([]byte, chunk), func(b []byte) error { _, err := w.Write(b); return err })
}

var npyDict = regexp.MustCompile(`^\{'descr': *'([^']*)', *'fortran_order': *(True|False), *'shape': *\(([0-9, ]*)\),? *\}\s*$`)

// ReadNPY reads a .npy file of <f4 or <f8, in C order; <f8 is rounded. Memory
// is taken as the values arrive, never for what a header merely claims. What
// is not such a file, or ends early, gives a fault.Data error.
func ReadNPY(r io.Reader) (kernel.Array, error) {
	bad := func(format string, args ...any) (kernel.Array, error) {
		return kernel.Array{}, fault.New(fault.Data, "write it again with numpy.save, as float32 or float64 in C order", "npy: "+format, args...)
	}
	head := make([]byte, len(npyMagic)+2)
	if _, err := io.ReadFull(r, head); err != nil {
		return bad("reading the header: %w", err)
	}
	if string(head[:len(npyMagic)]) != npyMagic {
		return bad("it is not a .npy file of version 1.0")
	}
	dict := make([]byte, binary.LittleEndian.Uint16(head[len(npyMagic):]))
	if _, err := io.ReadFull(r, dict); err != nil {
		return bad("reading the header: %w", err)
	}
	m := npyDict.FindSubmatch(dict)
	if m == nil {
		return bad("cannot read the header %q", dict)
	}
	descr, fortran := string(m[1]), string(m[2])
	if descr != "<f4" && descr != "<f8" {
		return bad("its values are %s, known are <f4 and <f8", descr)
	}
	var shape []int
	n := 1
	for _, s := range strings.FieldsFunc(string(m[3]), func(c rune) bool { return c == ',' || c == ' ' }) {
		d, err := strconv.Atoi(s)
		if err != nil || d > 0 && n > math.MaxInt/16/d {
			return bad("its shape (%s) is too large", m[3])
		}
		shape, n = append(shape, d), n*d
	}
	if fortran == "True" && len(shape) > 1 {
		return bad("it is in Fortran order")
	}
	width := int(descr[2] - '0')
	data := make([]float32, 0, min(n, chunk/width))
	buf := make([]byte, chunk)
	for len(data) < n {
		b := buf[:min(n-len(data), chunk/width)*width]
		if _, err := io.ReadFull(r, b); err != nil {
			return bad("reading value %d of %d: %w", len(data), n, err)
		}
		for ; len(b) > 0; b = b[width:] {
			if width == 4 {
				data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			} else {
				data = append(data, float32(math.Float64frombits(binary.LittleEndian.Uint64(b))))
			}
		}
	}
	return kernel.Array{Shape: shape, Data: data}, nil
}
