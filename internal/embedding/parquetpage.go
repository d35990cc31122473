package embedding

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Kinds of pages.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// A pageHead is what stands before a page.
type pageHead struct {
	kind             int64
	unpacked, packed int64
	sum              int64 // of the packed bytes; -1: none is given
	values           int64 // levels
	encoding         int64
	levels           [2]int64 // encodings of definition and repetition levels
	def, rep         int64    // version 2: bytes of the levels
	flat             bool     // version 2: not packed
}

func (c *compact) pageHead() (h pageHead) {
	h.sum, h.levels = -1, [2]int64{runsEncoding, runsEncoding}
	c.structure(func(id int64, kind byte) {
		switch {
		case kind == thriftI32 && id <= 4:
			switch v := c.integer(); id {
			case 1:
				h.kind = v
			case 2:
				h.unpacked = v
			case 3:
				h.packed = v
			case 4:
				h.sum = int64(uint32(v))
			}
		case kind == thriftStruct && (id == 5 || id == 7 || id == 8):
			c.structure(func(field int64, kind byte) {
				if kind != thriftI32 {
					if id == 8 && field == 7 {
						h.flat = kind == thriftFalse
					}
					c.skip(kind, false)
					return
				}
				switch v := c.integer(); {
				case field == 1:
					h.values = v
				case field == 2 && id != 8, field == 4 && id == 8:
					h.encoding = v
				case field == 3 && id == 5:
					h.levels[0] = v
				case field == 4 && id == 5:
					h.levels[1] = v
				case field == 5 && id == 8:
					h.def = v
				case field == 6 && id == 8:
					h.rep = v
				}
			})
		default:
			c.skip(kind, false)
		}
	})
	return h
}

// readPageHead reads the head of the page at from, and says how long it is.
func readPageHead(in *source, from, size int64) (pageHead, int64, error) {
	var c compact
	var h pageHead
	for _, most := range []int64{1 << 9, 1 << 16} { // a head holds the least and the greatest value, which may be texts
		if err := in.take(most, 1); err != nil {
			return h, 0, err
		}
		b := make([]byte, min(most, size))
		if _, err := in.ReadAt(b, from); err != nil {
			return h, 0, err
		}
		c = compact{b: b}
		if h = c.pageHead(); c.err == nil {
			return h, int64(len(b) - len(c.b)), nil
		}
	}
	return h, 0, c.err
}

// pages reads a leaf's stretch page by page: the levels of its values and those
// that are there. plain reads so many values that stand one after the other.
func pages[T any](in *source, l leaf, s stretch, plain func(l leaf, b []byte, n int) ([]T, error), each func(rep, def []byte, values []T) error) error {
	if l.def > math.MaxUint8 || l.rep > math.MaxUint8 {
		return errors.New("it is nested too deep")
	}
	var dictionary []T
	var packed, unpacked []byte
	seen := int64(0)
	for seen < s.values {
		h, n, err := readPageHead(in, s.from, s.size)
		if err != nil {
			return fmt.Errorf("after %d of %d values: %w", seen, s.values, err)
		}
		s.from, s.size = s.from+n, s.size-n
		if h.packed < 0 || h.packed > s.size || h.unpacked < 0 || h.values < 0 {
			return fmt.Errorf("after %d of %d values: a page claims %d bytes, %d are left", seen, s.values, h.packed, s.size)
		}
		if err := cmp.Or(in.take(h.unpacked, 1), in.take(h.values, 8)); err != nil {
			return err
		}
		packed = resized(packed, h.packed)
		if _, err := in.ReadAt(packed, s.from); err != nil {
			return err
		}
		s.from, s.size = s.from+h.packed, s.size-h.packed
		if h.sum >= 0 && crc32.ChecksumIEEE(packed) != uint32(h.sum) {
			return fmt.Errorf("after %d of %d values: the checksum of a page does not fit: it is damaged", seen, s.values)
		}
		if h.kind == pageIndex {
			continue
		}
		levels := int64(0) // bytes of levels that are not packed
		if h.kind == pageDataV2 {
			if h.def < 0 || h.rep < 0 || h.def > h.packed || h.rep > h.packed-h.def || h.def+h.rep > h.unpacked {
				return errors.New("a page is shorter than its levels")
			}
			levels = h.def + h.rep
		}
		if s.codec != 0 && !h.flat {
			unpacked = resized(unpacked, h.unpacked)
			copy(unpacked, packed[:levels])
			if err := unpack(s.codec, unpacked[levels:], packed[levels:]); err != nil {
				return fmt.Errorf("after %d of %d values: %w", seen, s.values, err)
			}
		} else {
			unpacked = append(unpacked[:0], packed...)
		}
		if h.kind == pageDictionary {
			if h.encoding != plainEncoding && h.encoding != oldDictionary {
				return fmt.Errorf("its dictionary has the encoding %d", h.encoding)
			}
			if dictionary, err = plain(l, unpacked, int(h.values)); err != nil {
				return err
			}
			continue
		}
		if h.kind != pageData && h.kind != pageDataV2 {
			return fmt.Errorf("a page is of the unknown kind %d", h.kind)
		}
		seen += h.values
		rep, def, b, err := splitLevels(l, h, unpacked)
		if err != nil {
			return err
		}
		values, err := decode(l, h.encoding, b, bytes.Count(def, []byte{byte(l.def)}), dictionary, plain)
		if err != nil {
			return fmt.Errorf("after %d of %d values: %w", seen-h.values, s.values, err)
		}
		if err := each(rep, def, values); err != nil {
			return err
		}
	}
	return nil
}

// resized is a buffer of n bytes.
func resized(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// unpack fills to with what is packed in from.
func unpack(codec int64, to, from []byte) error {
	if len(to) == 0 {
		return nil
	}
	var got []byte
	var err error
	switch codec {
	case 1:
		if n, wrong := s2.DecodedLen(from); wrong != nil || n != len(to) {
			return errors.New("a page is not what Snappy packs")
		}
		got, err = s2.Decode(to, from)
	case 2:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(from)); err == nil {
			_, err = io.ReadFull(r, to)
			got = to
		}
	case 6:
		var r *zstd.Decoder
		if r, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(max(uint64(len(to)), 1<<20))); err == nil {
			got, err = r.DecodeAll(from, to[:0])
			r.Close()
		}
	default:
		return fmt.Errorf("its values are packed by codec %d; known are snappy, gzip and zstd", codec)
	}
	if err == nil && len(got) != len(to) {
		err = fmt.Errorf("a page unpacks to %d bytes, not the %d it claims", len(got), len(to))
	}
	if err == nil && &got[0] != &to[0] {
		copy(to, got)
	}
	return err
}

// splitLevels reads the levels of a page's values; where a leaf has none they are
// all 0. What is left of the page is values.
func splitLevels(l leaf, h pageHead, b []byte) (rep, def, rest []byte, err error) {
	n := int(h.values)
	read := func(most int, encoding, length int64) []byte {
		level := make([]byte, 0, n)
		if most == 0 {
			return level[:n]
		}
		if h.kind == pageData {
			if encoding != runsEncoding || len(b) < 4 {
				err = fmt.Errorf("its levels have the encoding %d, or end early", encoding)
				return nil
			}
			length, b = int64(binary.LittleEndian.Uint32(b)), b[4:]
		}
		if length > int64(len(b)) {
			err = errors.New("a page is shorter than its levels")
			return nil
		}
		level, err = runs(level, b[:length], levelBits(most), n)
		b = b[length:]
		return level
	}
	if rep = read(l.rep, h.levels[1], h.rep); err != nil {
		return nil, nil, nil, err
	}
	if def = read(l.def, h.levels[0], h.def); err != nil {
		return nil, nil, nil, err
	}
	return rep, def, b, nil
}
