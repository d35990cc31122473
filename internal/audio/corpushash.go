package audio

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// CorpusHash names a corpus by its content: the root of a Merkle tree (RFC 6962,
// SHA-256) over its clips in the manifest's order; hexadecimal. A leaf is the
// line
//
//	SHA-256 of the recording's file, start, end, "path", "label", "value of the column"
//
// with one space between, times as Go prints a float64, the rest as Go quotes a
// string. c is the corpus that Check was asked of; the column is what divides the clips.
func (s *Store) CorpusHash(c *Corpus, column string) string {
	leaves := make([][32]byte, len(c.Items))
	for i, it := range c.Items {
		leaves[i] = leaf(fmt.Appendf(nil, "%x %v %v %q %q %q", s.clips[i].sum, it.Start, it.End, it.Path, it.Label, it.Value(column)))
	}
	root := merkle(leaves)
	return hex.EncodeToString(root[:])
}

func leaf(b []byte) [32]byte { return sha256.Sum256(append([]byte{0}, b...)) }

// merkle is the root over leaves that are hashed: the left half is the largest
// power of two below their number.
func merkle(leaves [][32]byte) [32]byte {
	n := len(leaves)
	switch n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	half := 1 << (bits.Len(uint(n-1)) - 1)
	left, right := merkle(leaves[:half]), merkle(leaves[half:])
	node := append([]byte{1}, left[:]...)
	return sha256.Sum256(append(node, right[:]...))
}
