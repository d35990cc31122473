package embedding

import (
	"encoding/binary"
	"errors"
)

// Types of Thrift's compact protocol, in which Parquet's metadata is written.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

var (
	errShort = errors.New("its metadata ends early")
	errDeep  = errors.New("its metadata is no Thrift")
)

// A compact reads the protocol. It keeps no list or text for its length's word
// alone, and after the first error reads zeros.
type compact struct {
	b     []byte // what is left
	depth int
	err   error
}

func (c *compact) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.b = nil
}

func (c *compact) byte() byte {
	if len(c.b) == 0 {
		c.fail(errShort)
		return 0
	}
	b := c.b[0]
	c.b = c.b[1:]
	return b
}

func (c *compact) unsigned() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail(errShort)
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *compact) integer() int64 {
	v := c.unsigned()
	return int64(v>>1) ^ -int64(v&1)
}

func (c *compact) text() []byte {
	n := c.unsigned()
	if n > uint64(len(c.b)) {
		c.fail(errShort)
		return nil
	}
	t := c.b[:n]
	c.b = c.b[n:]
	return t
}

// structure calls field for each, which reads it or skips it.
func (c *compact) structure(field func(id int64, kind byte)) {
	if c.depth++; c.depth > 32 {
		c.fail(errDeep)
	}
	id := int64(0)
	for c.err == nil {
		head := c.byte()
		if head == 0 {
			break
		}
		if delta := head >> 4; delta > 0 {
			id += int64(delta)
		} else {
			id = c.integer()
		}
		field(id, head&15)
	}
	c.depth--
}

// list calls element for each, which reads it or skips it.
func (c *compact) list(element func(kind byte)) {
	if c.depth++; c.depth > 32 {
		c.fail(errDeep)
	}
	head := c.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = c.unsigned()
	}
	for ; n > 0 && c.err == nil; n-- {
		element(head & 15)
	}
	c.depth--
}

// skip passes a field over; in lists a truth is a byte.
func (c *compact) skip(kind byte, inList bool) {
	switch kind {
	case thriftTrue, thriftFalse:
		if inList {
			c.byte()
		}
	case thriftByte:
		c.byte()
	case 4, thriftI32, thriftI64:
		c.unsigned()
	case thriftDouble:
		for range 8 {
			c.byte()
		}
	case thriftBinary:
		c.text()
	case thriftList, thriftSet:
		c.list(func(kind byte) { c.skip(kind, true) })
	case thriftMap:
		if n := c.unsigned(); n > 0 {
			kinds := c.byte()
			for ; n > 0 && c.err == nil; n-- {
				c.skip(kinds>>4, true)
				c.skip(kinds&15, true)
			}
		}
	case thriftStruct:
		c.structure(func(_ int64, kind byte) { c.skip(kind, false) })
	default:
		c.fail(errDeep)
	}
}

// A compactWriter writes the protocol: fields in the order of their numbers.
type compactWriter struct {
	b    []byte
	last []int // field of each structure that is open
}

func (c *compactWriter) begin() { c.last = append(c.last, 0) }

func (c *compactWriter) end() {
	c.b = append(c.b, 0)
	c.last = c.last[:len(c.last)-1]
}

func (c *compactWriter) field(id int, kind byte) {
	last := &c.last[len(c.last)-1]
	c.b = append(c.b, byte(id-*last)<<4|kind)
	*last = id
}

func (c *compactWriter) integer(v int64) {
	c.b = binary.AppendUvarint(c.b, uint64(v)<<1^uint64(v>>63))
}

func (c *compactWriter) i32(id int, v int64) {
	c.field(id, thriftI32)
	c.integer(v)
}

func (c *compactWriter) i64(id int, v int64) {
	c.field(id, thriftI64)
	c.integer(v)
}

func (c *compactWriter) text(s string) {
	c.b = append(binary.AppendUvarint(c.b, uint64(len(s))), s...)
}

func (c *compactWriter) list(id int, kind byte, n int) {
	c.field(id, thriftList)
	if n < 15 {
		c.b = append(c.b, byte(n)<<4|kind)
		return
	}
	c.b = binary.AppendUvarint(append(c.b, 15<<4|kind), uint64(n))
}
