package onnx

import (
	"encoding/binary"
	"io"
	"math"
)

// A message is fields of a protocol buffer, one after the other (protobuf.dev,
// Encoding).
type message []byte

// Kinds of fields on the wire.
const (
	varint  = 0
	bytesOf = 2
	fixed32 = 5
)

func (m *message) tag(field, kind int) {
	*m = binary.AppendUvarint(*m, uint64(field<<3|kind))
}

func (m *message) number(field int, v int64) {
	m.tag(field, varint)
	*m = binary.AppendUvarint(*m, uint64(v))
}

func (m *message) float(field int, v float32) {
	m.tag(field, fixed32)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
}

// begin is the start of a field of so many bytes, which follow.
func (m *message) begin(field, size int) {
	m.tag(field, bytesOf)
	*m = binary.AppendUvarint(*m, uint64(size))
}

func (m *message) text(field int, s string) {
	m.begin(field, len(s))
	*m = append(*m, s...)
}

func (m *message) message(field int, sub message) {
	m.begin(field, len(sub))
	*m = append(*m, sub...)
}

// A part is bytes and behind them numbers, which are not copied as bytes before
// they are written.
type part struct {
	head message
	raw  []float32
}

// chunk is how many numbers are converted at a time.
const chunk = 1 << 14

func (p part) write(w io.Writer) error {
	if _, err := w.Write(p.head); err != nil {
		return err
	}
	buf := make([]byte, 0, 4*min(chunk, len(p.raw)))
	for at := 0; at < len(p.raw); at += chunk {
		buf = buf[:0]
		for _, v := range p.raw[at:min(at+chunk, len(p.raw))] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}
