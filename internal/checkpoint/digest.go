package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"slices"

	"clr/internal/kernel"
)

// Digest is the SHA-256 of arrays' names, shapes and values: one string that
// says whether two of them are equal to the last bit.
func Digest(arrays map[string]kernel.Array) string {
	h, buf := sha256.New(), make([]byte, chunk)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		a := arrays[name]
		binary.Write(h, binary.LittleEndian, uint64(len(name))) // writing to a hash never fails
		io.WriteString(h, name)
		binary.Write(h, binary.LittleEndian, uint64(len(a.Shape)))
		for _, n := range a.Shape {
			binary.Write(h, binary.LittleEndian, uint64(n))
		}
		Tensor{F32: a.Data}.each(buf, func(b []byte) error { _, err := h.Write(b); return err })
	}
	return hex.EncodeToString(h.Sum(nil))
}
