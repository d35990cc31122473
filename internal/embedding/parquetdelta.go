package embedding

import (
	"encoding/binary"
	"errors"
	"math"
)

var errDelta = errors.New("a page ends within its differences, or is none of differences")

// undelta turns values that are written as differences into plain ones.
func undelta(l leaf, encoding int64, b []byte, n int) ([]byte, error) {
	switch {
	case encoding == deltaEncoding && (l.kind == physInt32 || l.kind == physInt64):
		numbers, _, err := deltas(b, n)
		out := make([]byte, 0, 8*len(numbers))
		for _, v := range numbers {
			if l.kind == physInt32 {
				out = binary.LittleEndian.AppendUint32(out, uint32(v))
			} else {
				out = binary.LittleEndian.AppendUint64(out, uint64(v))
			}
		}
		return out, err
	case encoding != deltaEncoding && l.kind == physBytes:
	default:
		return nil, errDelta
	}
	shared := make([]int64, n) // letters that a text has in common with the one before
	var err error
	if encoding == prefixesEncoding {
		if shared, b, err = deltas(b, n); err != nil {
			return nil, err
		}
	}
	lengths, b, err := deltas(b, n)
	if err != nil {
		return nil, err
	}
	room := len(b) // of the texts: prefixes may repeat one long text, to a limit
	for i := range shared {
		if room += int(shared[i]); shared[i] < 0 || shared[i] > math.MaxInt32 || room > 64*len(b)+64*n {
			return nil, errDelta
		}
	}
	out := make([]byte, 0, room+4*n)
	last := []byte(nil)
	for i, length := range lengths {
		if length < 0 || length > int64(len(b)) || shared[i] > int64(len(last)) {
			return nil, errDelta
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(shared[i]+length))
		at := len(out)
		out = append(append(out, last[:shared[i]]...), b[:length]...)
		last, b = out[at:], b[length:]
	}
	return out, nil
}

// deltas reads n numbers in DELTA_BINARY_PACKED, and gives what stands behind them.
func deltas(b []byte, n int) ([]int64, []byte, error) {
	bad := false
	unsigned := func() uint64 {
		v, k := binary.Uvarint(b)
		if bad = bad || k <= 0; bad {
			return 0
		}
		b = b[k:]
		return v
	}
	signed := func() int64 {
		v := unsigned()
		return int64(v>>1) ^ -int64(v&1)
	}
	block, minis, count, value := unsigned(), unsigned(), unsigned(), signed()
	if bad || count != uint64(n) || block == 0 || block > 1<<20 || minis == 0 || block%minis != 0 || block/minis%8 != 0 {
		return nil, nil, errDelta
	}
	out := make([]int64, 0, n)
	if n > 0 {
		out = append(out, value)
	}
	each := int(block / minis)
	for len(out) < n {
		least := signed()
		if bad || uint64(len(b)) < minis {
			return nil, nil, errDelta
		}
		widths := b[:minis]
		b = b[minis:]
		for _, w := range widths {
			width := int(w)
			if len(out) == n { // the rest of the block is not written
				break
			}
			if width > 64 || len(b) < each/8*width {
				return nil, nil, errDelta
			}
			for i := range min(each, n-len(out)) {
				var v uint64
				for bit := range width {
					at := i*width + bit
					v |= uint64(b[at/8]>>(at%8)&1) << bit
				}
				value += least + int64(v)
				out = append(out, value)
			}
			b = b[each/8*width:]
		}
	}
	return out, b, nil
}
