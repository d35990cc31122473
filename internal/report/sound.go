package report

import "math"

// Samples are coded by IMA ADPCM, 4 bits each: a third of what a page takes for
// the same as 8-bit WAV and base64 would be too much for some hundred clips. No
// browser plays that, so the page decodes it. The coder is that of the IMA's
// "Recommended practices for enhancing digital audio compatibility", 1992, as one
// stream that begins at 0 with the smallest step.

// stepSizes are the table's: each about 1.1 times the one before.
var stepSizes = [89]int{
	7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107, 118,
	130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963, 1060,
	1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484,
	7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
}

// stepChanges are by the code without its sign.
var stepChanges = [8]int{-1, -1, -1, -1, 2, 4, 6, 8}

// ADPCM codes samples in -1..1, the earlier one of two in the low bits. What passes
// full scale is cut, and what is no number is 0.
func ADPCM(x []float32) []byte { // (⌈n/2⌉)
	b := make([]byte, (len(x)+1)/2)
	value, index := 0, 0
	for i, v := range x {
		want := int(math.Round(32767 * min(max(float64(v), -1), 1)))
		if v != v {
			want = 0
		}
		step, code, off := stepSizes[index], 0, want-value
		if off < 0 {
			code, off = 8, -off
		}
		moved := step >> 3
		for bit := 4; bit > 0; bit >>= 1 {
			if off >= step {
				code |= bit
				off -= step
				moved += step
			}
			step >>= 1
		}
		if code&8 != 0 {
			moved = -moved
		}
		value = min(max(value+moved, -32768), 32767)
		index = min(max(index+stepChanges[code&7], 0), len(stepSizes)-1)
		b[i/2] |= byte(code << (4 * (i % 2)))
	}
	return b
}

// Fit is how much of each of some lengths may be kept so that they come to total:
// the shortest whole, the others equally much.
func Fit(lengths []int, total int) int {
	low, high := 0, 0
	for _, n := range lengths {
		high = max(high, n)
	}
	for low < high {
		most, sum := (low+high+1)/2, 0
		for _, n := range lengths {
			sum += min(n, most)
		}
		if sum <= total {
			low = most
		} else {
			high = most - 1
		}
	}
	return low
}
