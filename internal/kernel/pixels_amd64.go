//go:build amd64 && !purego

package kernel

import "unsafe"

//go:generate go -C _gen run . -group pixels -out ../pixels_amd64.s

// runPixels is pixelsTwin, for 12, 6 or 3 rows and places that were resolved.
func runPixels(a *pixelArgs, rows int) {
	switch {
	case machine.isa == generic:
		pixelsTwin(a, rows)
	case machine.isa == avx512 && rows == 12:
		pixels12AVX512(a)
	case machine.isa == avx512 && rows == 6:
		pixels6AVX512(a)
	case machine.isa == avx512:
		pixels3AVX512(a)
	case rows == 12:
		pixels12AVX2(a)
	case rows == 6:
		pixels6AVX2(a)
	default:
		pixels3AVX2(a)
	}
}

// resolve makes places that are nowhere those of zeros, as seen from x.
func (k *tapList) resolve(places []int, x []float32) []int {
	if machine.isa == generic {
		return places
	}
	away := int(uintptr(unsafe.Pointer(&zeros))-uintptr(unsafe.Pointer(unsafe.SliceData(x)))) / 4
	k.offsets = k.offsets[:0]
	for _, p := range places {
		if p == nowhere {
			p = away
		}
		k.offsets = append(k.offsets, p)
	}
	return k.offsets
}

//go:noescape
func pixels12AVX2(a *pixelArgs)

//go:noescape
func pixels6AVX2(a *pixelArgs)

//go:noescape
func pixels3AVX2(a *pixelArgs)

//go:noescape
func pixels12AVX512(a *pixelArgs)

//go:noescape
func pixels6AVX512(a *pixelArgs)

//go:noescape
func pixels3AVX512(a *pixelArgs)
