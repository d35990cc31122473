package embedding

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// npyMagic opens a file of NumPy's format; two bytes of version follow.
const npyMagic = "\x93NUMPY"

// chunk is how many bytes of an array are converted at a time.
const chunk = 1 << 16

// A header says how the values of an array lie in a file.
type header struct {
	kind  byte // f, i, u, b (boolean), U, S
	width int  // bytes of a value; of U, four a letter
	order binary.ByteOrder
	shape []int
	n     int // values
}

var npyDict = regexp.MustCompile(`^\{'descr': *'([^']*)', *'fortran_order': *(True|False), *'shape': *\(([0-9L, ]*)\),? *\}\s*$`)

var npyType = regexp.MustCompile(`^([<>=|])([fiubUS])([0-9]{1,9})$`)

// errObjects is an array of Python objects, which only Python can read.
var errObjects = fault.New(fault.Data, "save strings as numpy.array(labels, dtype=str)", "its values are Python objects")

// readHeader reads what stands before the values: versions 1.0 to 3.0.
func readHeader(r io.Reader) (h header, err error) {
	head := make([]byte, len(npyMagic)+2)
	if _, err := io.ReadFull(r, head); err != nil {
		return h, fmt.Errorf("reading the header: %w", err)
	}
	version := head[len(npyMagic)]
	if string(head[:len(npyMagic)]) != npyMagic || version < 1 || version > 3 {
		return h, errors.New("it is not a .npy file of version 1.0 to 3.0")
	}
	length := make([]byte, 4) // of what follows
	if version == 1 {
		length = length[:2]
	}
	if _, err := io.ReadFull(r, length); err != nil {
		return h, fmt.Errorf("reading the header: %w", err)
	}
	n := binary.LittleEndian.Uint32(append(length, 0, 0, 0, 0)[:4])
	if n > 1<<16 {
		return h, fmt.Errorf("its header claims to have %d bytes, NumPy's have some dozens", n)
	}
	dict := make([]byte, n)
	if _, err := io.ReadFull(r, dict); err != nil {
		return h, fmt.Errorf("reading the header: %w", err)
	}
	m := npyDict.FindSubmatch(dict)
	if m == nil {
		return h, fmt.Errorf("cannot read the header %.200q", dict)
	}
	for _, s := range strings.FieldsFunc(string(m[3]), func(c rune) bool { return c == ',' || c == ' ' || c == 'L' }) {
		d, err := strconv.Atoi(s)
		if h.n = 1; err == nil {
			for _, e := range h.shape {
				h.n *= e
			}
		}
		if err != nil || len(h.shape) == 32 || d > 0 && h.n > math.MaxInt/16/d {
			return h, fmt.Errorf("its shape (%.200s) is too large", m[3])
		}
		h.shape = append(h.shape, d)
	}
	h.n = 1
	for _, d := range h.shape {
		h.n *= d
	}
	if string(m[2]) == "True" && len(h.shape) > 1 {
		return h, fault.New(fault.Data, "save numpy.ascontiguousarray of it", "it is in Fortran order")
	}
	return h, h.types(string(m[1]))
}

// types reads the type of the values, such as <f4.
func (h *header) types(descr string) error {
	if descr == "|O" {
		return errObjects
	}
	m := npyType.FindStringSubmatch(descr)
	if m == nil {
		return fmt.Errorf("its values are %.40q, known are floats, integers and strings", descr)
	}
	h.kind, h.order = m[2][0], binary.LittleEndian
	h.width, _ = strconv.Atoi(m[3])
	if m[1] == ">" {
		h.order = binary.BigEndian
	}
	known := map[byte]string{'f': "48", 'i': "1248", 'u': "1248", 'b': "1", 'U': m[3], 'S': m[3]}
	if !strings.Contains(known[h.kind], m[3]) {
		return fmt.Errorf("its values are %s, of floats f4 and f8 are known, of integers 1, 2, 4 and 8 bytes", descr)
	}
	if h.kind == 'U' {
		h.width *= 4
	}
	if h.n > 0 && h.width > math.MaxInt/16/h.n {
		return fmt.Errorf("its values, %d of %s, are too large", h.n, descr)
	}
	return nil
}

// each hands out the bytes of each value. The caller has seen that a value's
// width is no mere claim.
func (h header) each(r io.Reader, f func([]byte)) error {
	if h.width == 0 || h.n == 0 {
		for range h.n {
			f(nil)
		}
		return nil
	}
	buf := make([]byte, max(chunk/h.width, 1)*h.width)
	for at := 0; at < h.n; {
		b := buf[:min(h.n-at, len(buf)/h.width)*h.width]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("reading value %d of %d: %w", at, h.n, err)
		}
		at += len(b) / h.width
		for ; len(b) > 0; b = b[h.width:] {
			f(b[:h.width])
		}
	}
	return nil
}

// integer is a value of the kinds i, u and b, as 64 bits.
func (h header) integer(b []byte) uint64 {
	switch {
	case h.width == 1 && h.kind == 'i':
		return uint64(int8(b[0]))
	case h.width == 1:
		return uint64(b[0])
	case h.width == 2 && h.kind == 'i':
		return uint64(int16(h.order.Uint16(b)))
	case h.width == 2:
		return uint64(h.order.Uint16(b))
	case h.width == 4 && h.kind == 'i':
		return uint64(int32(h.order.Uint32(b)))
	case h.width == 4:
		return uint64(h.order.Uint32(b))
	}
	return h.order.Uint64(b)
}

// float is a value of the kind f.
func (h header) float(b []byte) float64 {
	if h.width == 4 {
		return float64(math.Float32frombits(h.order.Uint32(b)))
	}
	return math.Float64frombits(h.order.Uint64(b))
}

// text is any value as text; NumPy fills strings up with zeros.
func (h header) text(b []byte) string {
	switch h.kind {
	case 'f':
		v := h.float(b)
		if h.width == 4 && !math.IsNaN(v) {
			return strconv.FormatFloat(v, 'g', -1, 32)
		}
		return decimal(v)
	case 'u', 'b':
		return strconv.FormatUint(h.integer(b), 10)
	case 'i':
		return strconv.FormatInt(int64(h.integer(b)), 10)
	case 'U':
		var s strings.Builder
		for ; len(b) > 0 && h.order.Uint32(b) != 0; b = b[4:] {
			s.WriteRune(rune(min(h.order.Uint32(b), utf8.MaxRune+1))) // what is no letter becomes U+FFFD
		}
		return s.String()
	}
	return strings.TrimRight(string(b), "\x00")
}

// ReadNPY reads a .npy file of float32 or float64, in C order; float64 is
// rounded. Memory is taken as the values arrive, never for what a header merely
// claims. What is not such a file, or ends early, gives a fault.Data error.
func ReadNPY(r io.Reader) (kernel.Array, error) {
	bad := func(err error) (kernel.Array, error) {
		return kernel.Array{}, fault.New(fault.Data, "write it again with numpy.save, as float32 or float64 in C order", "npy: %w", err)
	}
	h, err := readHeader(r)
	if err != nil {
		return bad(err)
	}
	if h.kind != 'f' {
		return bad(fmt.Errorf("its values are %c%d, known are f4 and f8", h.kind, h.width))
	}
	data := make([]float32, 0, min(h.n, chunk/h.width))
	if err := h.each(r, func(b []byte) { data = append(data, float32(h.float(b))) }); err != nil {
		return bad(err)
	}
	return kernel.Array{Shape: h.shape, Data: data}, nil
}

// WriteNPY writes a as a .npy file: version 1.0, <f4, C order.
func WriteNPY(w io.Writer, a kernel.Array) error {
	if err := writeHeader(w, "<f4", a.Shape...); err != nil {
		return err
	}
	return writeFloats(w, a.Data)
}

func writeHeader(w io.Writer, descr string, shape ...int) error {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	tuple := strings.Join(dims, ", ")
	if len(dims) == 1 {
		tuple += ","
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, tuple)
	const before = len(npyMagic) + 4
	// Magic, version, length and dictionary with its newline fill a multiple of 64.
	dict += strings.Repeat(" ", 63-(before+len(dict))%64) + "\n"
	head := binary.LittleEndian.AppendUint16([]byte(npyMagic+"\x01\x00"), uint16(len(dict)))
	_, err := w.Write(append(head, dict...))
	return err
}

func writeFloats(w io.Writer, x []float32) error {
	buf := make([]byte, 0, min(4*len(x), chunk))
	for i, v := range x {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		if len(buf) == cap(buf) || i == len(x)-1 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}

// readPlain reads a table of which nothing but the embeddings is known.
func readPlain(in *source) (*Table, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(in, 0, in.size), chunk)
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: Columns{}}
	return t, t.values(in, h, r)
}

// values reads the embeddings behind their header.
func (t *Table) values(in *source, h header, r io.Reader) error {
	if h.kind != 'f' || len(h.shape) != 2 {
		return fault.New(fault.Data, "save them as a float32 array of shape (clips, values)", "the embeddings are of shape %v and type %c%d, must be a float array of two dimensions", h.shape, h.kind, h.width)
	}
	if h.n == 0 {
		return fmt.Errorf("the embeddings are of shape %v, there are none", h.shape)
	}
	if err := in.take(int64(h.n), int64(h.width)); err != nil {
		return err
	}
	t.N, t.D, t.X = h.shape[0], h.shape[1], make([]float64, 0, h.n)
	return h.each(r, func(b []byte) { t.X = append(t.X, h.float(b)) })
}

// A rows counts what a Writer is given.
type rows struct{ left, d int }

func (r *rows) add(x []float32) error {
	if len(x)%r.d != 0 || len(x)/r.d > r.left {
		return fmt.Errorf("embedding: %d values were given, %d rows of %d are left to write", len(x), r.left, r.d)
	}
	r.left -= len(x) / r.d
	return nil
}

func (r *rows) done() error {
	if r.left > 0 {
		return fmt.Errorf("embedding: %d rows were not written", r.left)
	}
	return nil
}

// A plain writes a .npy file.
type plain struct {
	rows
	w io.Writer
}

func newPlain(w io.Writer, n, d int) (*plain, error) {
	return &plain{rows{n, d}, w}, writeHeader(w, "<f4", n, d)
}

func (p *plain) Write(x []float32) error {
	if err := p.add(x); err != nil {
		return err
	}
	return writeFloats(p.w, x)
}

func (p *plain) Close() error { return p.done() }
