package model

import (
	"strconv"
	"strings"

	"clr/internal/optim"
)

// Depths says how deep each weight of a network lies, counted in blocks of its
// encoder from the input on: for rates that fall towards the input when an encoder
// is trained on (Clark et al. 2020; timm counts a ResNet's blocks so). What is not
// the encoder's stands one deeper than its last block.
//
// A block is what the names say: encoder.layer1.0 of encoder.layer1.0.conv1.weight,
// or encoder.conv1 where no number follows. Vectors alone, such as those of a norm
// behind a convolution, belong to the block before them.
func Depths(weights []*optim.Param) []int {
	depth, at, deepest := make([]int, len(weights)), map[string]int{}, 0
	for i, w := range weights {
		if part(w.Name) != "encoder" {
			continue
		}
		b := blockOf(w.Name)
		if _, known := at[b]; !known && len(w.Value.Shape) > 1 {
			at[b] = len(at)
		}
		depth[i] = max(0, len(at)-1)
		if d, known := at[b]; known {
			depth[i] = d
		}
		deepest = max(deepest, depth[i]+1)
	}
	for i, w := range weights {
		if part(w.Name) != "encoder" {
			depth[i] = deepest
		}
	}
	return depth
}

// blockOf is a weight's name up to its first number, or to its second word.
func blockOf(name string) string {
	words := strings.Split(name, ".")
	for i, w := range words[:len(words)-1] {
		if _, err := strconv.Atoi(w); err == nil {
			return strings.Join(words[:i+1], ".")
		}
	}
	return strings.Join(words[:min(2, len(words))], ".")
}
