package embedding

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Encodings of a page's values, and of its levels.
const (
	plainEncoding      = 0
	oldDictionary      = 2
	runsEncoding       = 3
	deltaEncoding      = 5
	lengthsEncoding    = 6
	prefixesEncoding   = 7
	dictionaryEncoding = 8
	splitEncoding      = 9
)

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
