package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unsafe"
)

// A Tensor is a named array as files of other tools hold it; exactly one of
// F32 and I64 is not nil. A nil Shape is a scalar.
type Tensor struct {
	Name  string
	Shape []int
	F32   []float32
	I64   []int64
}

// widths are the bytes of one value of each dtype that can be read.
var widths = map[string]uint64{"F32": 4, "I64": 8, "F16": 2, "BF16": 2, "F64": 8}

// rounded decode the dtypes whose values come as the nearest float32. Only F64
// loses anything by it.
var rounded = map[string]func(b []byte) float32{
	"F16":  func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) },
	"BF16": func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) },
	"F64":  func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) },
}

// half is a number of IEEE 754's binary16: a sign, 5 bits of exponent, 10 of
// fraction.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero, and numbers below the least normal one
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 31: // infinite, or none
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

func (t Tensor) dtype() string {
	if t.I64 != nil {
		return "I64"
	}
	return "F32"
}

// check panics on a tensor that its maker put together wrongly.
func (t Tensor) check() {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	switch {
	case t.Name == metadataKey:
		panic("checkpoint: a tensor is named " + metadataKey)
	case (t.F32 == nil) == (t.I64 == nil):
		panic("checkpoint: tensor " + t.Name + " needs either F32 or I64")
	case n != len(t.F32)+len(t.I64):
		panic(fmt.Sprintf("checkpoint: tensor %s has shape %v and %d values", t.Name, t.Shape, len(t.F32)+len(t.I64)))
	}
}

// WriteSafetensors writes a safetensors file with exactly the given metadata
// and reproducible bytes: the widest dtype first, so that every tensor is
// aligned, then by name; keys sorted; the header padded to 8 bytes.
func WriteSafetensors(w io.Writer, tensors []Tensor, meta map[string]string) error {
	return write(w, tensors, meta, func([]byte) {})
}

func write(w io.Writer, tensors []Tensor, meta map[string]string, finish func(header []byte)) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b Tensor) int {
		if wa, wb := widths[a.dtype()], widths[b.dtype()]; wa != wb {
			return int(wb) - int(wa)
		}
		return strings.Compare(a.Name, b.Name)
	})
	entries := make([]entry, len(tensors))
	end := uint64(0)
	for i, t := range tensors {
		t.check()
		if i > 0 && t.Name == tensors[i-1].Name {
			panic("checkpoint: two tensors are named " + t.Name)
		}
		from := end
		end += widths[t.dtype()] * uint64(len(t.F32)+len(t.I64))
		entries[i] = entry{Name: t.Name, DType: t.dtype(), Shape: t.Shape, Offsets: [2]uint64{from, end}}
	}
	header, err := encodeHeader(entries, meta)
	if err != nil {
		return err
	}
	finish(header)
	if _, err := w.Write(header); err != nil {
		return err
	}
	buf := make([]byte, chunk)
	for _, t := range tensors {
		if err := t.each(buf, func(b []byte) error { _, err := w.Write(b); return err }); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how many bytes of a tensor are converted at a time.
const chunk = 1 << 16

// each hands out the tensor's bytes, little-endian, a chunk at a time: where
// they lie in memory so, as they are, and else in buf, which holds a chunk.
func (t Tensor) each(buf []byte, f func([]byte) error) error {
	if inMemory {
		b := raw(t.F32)
		if t.I64 != nil {
			b = raw(t.I64)
		}
		for c := range slices.Chunk(b, chunk) {
			if err := f(c); err != nil {
				return err
			}
		}
		return nil
	}
	return t.eachTwin(buf, f)
}

// inMemory says that numbers lie in memory as in files.
var inMemory = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// raw is the memory of values.
func raw[T float32 | int64](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(T(0))))
}

func (t Tensor) eachTwin(buf []byte, f func([]byte) error) error {
	for x := range slices.Chunk(t.F32, chunk/4) {
		for i, v := range x {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(v))
		}
		if err := f(buf[:4*len(x)]); err != nil {
			return err
		}
	}
	for x := range slices.Chunk(t.I64, chunk/8) {
		for i, v := range x {
			binary.LittleEndian.PutUint64(buf[8*i:], uint64(v))
		}
		if err := f(buf[:8*len(x)]); err != nil {
			return err
		}
	}
	return nil
}

// sum is the CRC-32C of the tensor's bytes, as it stands in the metadata.
func (t Tensor) sum(buf []byte) string {
	crc := uint32(0)
	t.each(buf, func(b []byte) error { crc = crc32.Update(crc, castagnoli, b); return nil }) // f never fails
	return fmt.Sprintf("%08x", crc)
}

// LoadTensors reads a safetensors file of any tool, of the dtypes F32, F16, BF16,
// F64 (all as F32) and I64, in the order of the data. Checksums that Save wrote are checked; without them only
// the structure is. Errors are as for Load.
func LoadTensors(path string) (tensors []Tensor, meta map[string]string, err error) {
	return load(path, false)
}

// load reads and checks the file at path; with strict, a file without
// checksums is refused.
func load(path string, strict bool) (tensors []Tensor, meta map[string]string, err error) {
	meta, err = open(path, func(f io.Reader, size uint64) (map[string]string, error) {
		return scan(path, f, size, strict, collect(&tensors))
	})
	return tensors, meta, err
}

// verify tells whether Load would believe the file, without keeping its data.
func verify(path string) error {
	_, err := open(path, func(f io.Reader, size uint64) (map[string]string, error) {
		return scan(path, f, size, true, nil)
	})
	return err
}

// Names lists the arrays of a file that Save wrote, in their order, reading its header
// alone: what they hold is not looked at. Errors are as for Load.
func Names(path string) (names []string, err error) {
	_, err = open(path, func(f io.Reader, size uint64) (map[string]string, error) {
		entries, meta, err := readHeader(path, f, size, true)
		for _, e := range entries {
			names = append(names, e.Name)
		}
		return meta, err
	})
	return names, err
}

// collect makes memory for each tensor and lists it.
func collect(tensors *[]Tensor) func(entry) Tensor {
	return func(e entry) Tensor {
		t := Tensor{Name: e.Name, Shape: e.Shape}
		n := (e.Offsets[1] - e.Offsets[0]) / widths[e.DType]
		if e.DType == "I64" {
			t.I64 = make([]int64, n)
		} else {
			t.F32 = make([]float32, n)
		}
		*tensors = append(*tensors, t)
		return t
	}
}

func open(path string, read func(f io.Reader, size uint64) (map[string]string, error)) (map[string]string, error) {
	info, err := os.Stat(path) // before it is opened: a pipe without a writer would never be
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, damaged(path, "it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // another may have taken its name meanwhile
		return nil, unreadable(path, err)
	}
	return read(f, uint64(info.Size()))
}

// readHeader reads what f, the file at path with size bytes, begins with.
func readHeader(path string, f io.Reader, size uint64, strict bool) ([]entry, map[string]string, error) {
	head := make([]byte, 8)
	if size < 8 {
		return nil, nil, damaged(path, "%d bytes are too few for a header", size)
	}
	if err := fill(path, f, head); err != nil {
		return nil, nil, err
	}
	n := binary.LittleEndian.Uint64(head)
	if n > maxHeader || n > size-8 {
		return nil, nil, damaged(path, "the header claims %d bytes, the file has %d", n, size)
	}
	head = append(head, make([]byte, n)...)
	if err := fill(path, f, head[8:]); err != nil {
		return nil, nil, err
	}
	present, right := sealed(head)
	if present && !right {
		return nil, nil, damaged(path, "the header does not match its checksum")
	}
	if strict && !present {
		return nil, nil, damaged(path, "it carries no checksums")
	}
	entries, meta, err := decodeHeader(head[8:], size-8-n)
	if err != nil {
		return nil, nil, damaged(path, "%v", err)
	}
	return entries, meta, nil
}

// scan goes once through the size bytes of f, the file at path. into gives
// each tensor the memory to fill, once its size is known to be in the file; nil
// only checks.
func scan(path string, f io.Reader, size uint64, strict bool, into func(entry) Tensor) (map[string]string, error) {
	entries, meta, err := readHeader(path, f, size, strict)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, chunk)
	for _, e := range entries {
		want, ok := meta[sumPrefix+":"+e.Name]
		if strict && !ok {
			return nil, damaged(path, "array %s carries no checksum", e.Name)
		}
		if strict && e.DType != "F32" {
			return nil, damaged(path, "array %s is of type %s, checkpoints hold F32 only", e.Name, e.DType)
		}
		var t Tensor
		if into != nil {
			t = into(e)
		}
		crc := uint32(0)
		for left := e.Offsets[1] - e.Offsets[0]; left > 0; {
			b := buf[:min(left, chunk)]
			if err := fill(path, f, b); err != nil {
				return nil, err
			}
			crc = crc32.Update(crc, castagnoli, b)
			left -= uint64(len(b))
			t.take(e.DType, b)
		}
		if got := fmt.Sprintf("%08x", crc); ok && got != want {
			return nil, damaged(path, "array %s has checksum %s, it was written with %s", e.Name, got, want)
		}
	}
	return meta, nil
}

// take decodes b, of a dtype, into the tensor's next values; its slices are
// consumed, the memory stays the caller's.
func (t *Tensor) take(dtype string, b []byte) {
	decode, width := rounded[dtype], int(widths[dtype])
	switch {
	case t.F32 != nil && decode != nil:
		n := len(b) / width
		for i := range n {
			t.F32[i] = decode(b[i*width:])
		}
		t.F32 = t.F32[n:]
	case t.F32 != nil:
		n := len(b) / 4
		if inMemory {
			copy(raw(t.F32[:n]), b)
		} else {
			takeTwin(t.F32[:n], nil, b)
		}
		t.F32 = t.F32[n:]
	case t.I64 != nil:
		n := len(b) / 8
		if inMemory {
			copy(raw(t.I64[:n]), b)
		} else {
			takeTwin(nil, t.I64[:n], b)
		}
		t.I64 = t.I64[n:]
	}
}

func takeTwin(f []float32, n []int64, b []byte) {
	for i := range f {
		f[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	for i := range n {
		n[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// fill reads b from f. A file that got shorter since its size was asked for is
// as damaged as one that always was.
func fill(path string, f io.Reader, b []byte) error {
	_, err := io.ReadFull(f, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(path, "it ends early")
	}
	if err != nil {
		return unreadable(path, err)
	}
	return nil
}
