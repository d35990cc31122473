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
	"strconv"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Kinds of pages, and encodings of values.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3

	plainEncoding      = 0
	oldDictionary      = 2
	runsEncoding       = 3
	deltaEncoding      = 5
	lengthsEncoding    = 6
	prefixesEncoding   = 7
	dictionaryEncoding = 8
	splitEncoding      = 9
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

// runs reads n numbers of some bits each, run lengths and packed ones in turn, behind those that
// to holds.
func runs[T byte | uint32](to []T, b []byte, width, n int) ([]T, error) {
	whole := (width + 7) / 8
	for len(to) < n {
		head, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, errors.New("a page ends within its levels or its places in the dictionary")
		}
		b = b[k:]
		if head&1 == 0 { // one value, so many times
			if len(b) < whole {
				return nil, errors.New("a page ends within a run")
			}
			var v uint64
			for i := range whole {
				v |= uint64(b[i]) << (8 * i)
			}
			b = b[whole:]
			at := len(to)
			to = append(to, make([]T, min(head>>1, uint64(n-at)))...)
			for i := range to[at:] {
				to[at+i] = T(v)
			}
			continue
		}
		groups := head >> 1 // of eight values
		if groups > uint64(len(b)) && width > 0 || groups*uint64(width) > uint64(len(b)) {
			groups = uint64(len(b) / max(width, 1)) // the last run may be cut off behind what is used
			if int(groups)*8 < n-len(to) {
				return nil, errors.New("a page ends within packed levels or places in the dictionary")
			}
		}
		for i := range min(int(min(groups, uint64(n)))*8, n-len(to)) {
			var v uint64
			at := i * width
			for bit := range width {
				v |= uint64(b[(at+bit)/8]>>((at+bit)%8)&1) << bit
			}
			to = append(to, T(v))
		}
		b = b[int(groups)*width:]
	}
	return to, nil
}

// decode reads the n values of a page.
func decode[T any](l leaf, encoding int64, b []byte, n int, dictionary []T, plain func(leaf, []byte, int) ([]T, error)) ([]T, error) {
	switch encoding {
	case plainEncoding:
		return plain(l, b, n)
	case splitEncoding: // the first byte of all values, then the second, ...
		width := map[int64]int{physInt32: 4, physFloat: 4, physInt64: 8, physDouble: 8}[l.kind]
		if width == 0 || n > len(b)/width {
			return nil, errors.New("a page is shorter than its values")
		}
		whole := make([]byte, n*width)
		for i := range whole {
			whole[i] = b[i%width*n+i/width]
		}
		return plain(l, whole, n)
	case deltaEncoding, lengthsEncoding, prefixesEncoding:
		whole, err := undelta(l, encoding, b, n)
		if err != nil {
			return nil, err
		}
		return plain(l, whole, n)
	case oldDictionary, dictionaryEncoding:
		if n == 0 {
			return nil, nil
		}
		if len(b) == 0 || b[0] > 32 {
			return nil, errors.New("its places in the dictionary are none")
		}
		places, err := runs(make([]uint32, 0, n), b[1:], int(b[0]), n)
		if err != nil {
			return nil, err
		}
		values := make([]T, n)
		for i, p := range places {
			if int64(p) >= int64(len(dictionary)) {
				return nil, fmt.Errorf("a value is the %d. of %d in the dictionary", p, len(dictionary))
			}
			values[i] = dictionary[p]
		}
		return values, nil
	}
	return nil, fmt.Errorf("its values have the encoding %d; known are plain, dictionary, delta and byte-stream-split", encoding)
}

func plainFloats(l leaf, b []byte, n int) ([]float64, error) {
	width := 4
	if l.kind == physDouble {
		width = 8
	}
	if n > len(b)/width {
		return nil, errors.New("a page is shorter than its values")
	}
	out := make([]float64, n)
	for i := range out {
		if width == 4 {
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		} else {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
	return out, nil
}

// plainTexts reads values of any type as text.
func plainTexts(l leaf, b []byte, n int) ([]string, error) {
	least := map[int64]int{physInt32: 4, physFloat: 4, physBytes: 4, physInt64: 8, physDouble: 8}[l.kind]
	if l.kind == physBoolean {
		if n > 8*len(b) {
			return nil, errors.New("a page is shorter than its values")
		}
		out := make([]string, n)
		for i := range out {
			out[i] = strconv.Itoa(int(b[i/8] >> (i % 8) & 1))
		}
		return out, nil
	}
	if least == 0 || n > len(b)/least {
		return nil, errors.New("a page is shorter than its values")
	}
	out := make([]string, n)
	for i := range out {
		switch l.kind {
		case physBytes:
			if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
				return nil, errors.New("a page ends within a text")
			}
			end := 4 + int(binary.LittleEndian.Uint32(b))
			out[i], b = string(b[4:end]), b[end:]
			continue
		case physInt32:
			v := int64(int32(binary.LittleEndian.Uint32(b)))
			if l.isUnsigned {
				v = int64(uint32(v))
			}
			out[i] = strconv.FormatInt(v, 10)
		case physInt64:
			v := binary.LittleEndian.Uint64(b)
			if out[i] = strconv.FormatInt(int64(v), 10); l.isUnsigned {
				out[i] = strconv.FormatUint(v, 10)
			}
		case physFloat:
			v := math.Float32frombits(binary.LittleEndian.Uint32(b))
			if v == v {
				out[i] = strconv.FormatFloat(float64(v), 'g', -1, 32)
			}
		case physDouble:
			out[i] = decimal(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
		b = b[least:]
	}
	return out, nil
}
