// Package tfevents writes numbers as TensorBoard reads them: a file of records,
// each an event with scalars. It hides their framing, checksums and protocol
// buffers, of which the few fields that scalars need are written by hand.
//
// The formats are TensorFlow's: tensorflow/core/lib/io/record_writer.h,
// tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
package tfevents

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
)

// A Scalar is a value and what it is called; TensorBoard groups tags by what
// stands before their first slash.
type Scalar struct {
	Tag   string
	Value float64 // it is kept as a float32
}

// A Writer writes the events of one file.
type Writer struct{ w io.Writer }

// version is the first event's, by which readers know the format.
const version = "brain.Event:2"

// NewWriter begins a file at a time, in seconds since 1970.
func NewWriter(w io.Writer, wall float64) (*Writer, error) {
	t := &Writer{w}
	return t, t.record(appendBytes(event(wall), 3, []byte(version)))
}

// Write adds the scalars of a step, at a time. They are one event.
func (t *Writer) Write(wall float64, step int, scalars ...Scalar) error {
	var summary []byte
	for _, s := range scalars {
		value := appendBytes(nil, 1, []byte(s.Tag))
		value = binary.LittleEndian.AppendUint32(append(value, 2<<3|fixed32), math.Float32bits(float32(s.Value)))
		summary = appendBytes(summary, 1, value)
	}
	e := binary.AppendUvarint(append(event(wall), 2<<3|varint), uint64(step))
	return t.record(appendBytes(e, 5, summary))
}

// Wire types of protocol buffers.
const (
	varint  = 0
	fixed64 = 1
	lengthy = 2
	fixed32 = 5
)

// event is the start of one.
func event(wall float64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{1<<3 | fixed64}, math.Float64bits(wall))
}

func appendBytes(b []byte, field byte, v []byte) []byte {
	return append(binary.AppendUvarint(append(b, field<<3|lengthy), uint64(len(v))), v...)
}

// record frames an event: length, its checksum, the event, its checksum.
func (t *Writer) record(event []byte) error {
	le := binary.LittleEndian
	b := le.AppendUint64(nil, uint64(len(event)))
	b = le.AppendUint32(b, masked(b))
	b = le.AppendUint32(append(b, event...), masked(event))
	_, err := t.w.Write(b)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is a CRC-32C turned and shifted, so that data with checksums in it has
// another checksum than those.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
