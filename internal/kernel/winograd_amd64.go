//go:build amd64 && !purego

package kernel

import "unsafe"

//go:generate go -C _gen run . -group winograd -out ../winograd_amd64.s

// zeros are the pixels past the edge.
var zeros [maxWinoChannels * Lanes]float32

// runTransform is transformTwin. Places that are nowhere become those of zeros,
// or of dump, which has room for n vectors.
func runTransform(f *filter, kind transform, a *transformArgs, dump []float32) {
	if machine.isa == generic {
		transformTwin(f, kind, a)
		return
	}
	base, other := unsafe.SliceData(a.src), unsafe.Pointer(&zeros)
	if !kind.toPoints() {
		base, other = unsafe.SliceData(a.dst), unsafe.Pointer(unsafe.SliceData(dump))
	}
	away := int(uintptr(other)-uintptr(unsafe.Pointer(base))) / 4
	for i, p := range a.places {
		if p == nowhere {
			a.places[i] = away
		}
	}
	if machine.isa == avx512 {
		transformsAVX512[f.id][kind](a)
	} else {
		transformsAVX2[f.id][kind](a)
	}
}

var (
	transformsAVX2 = [len(filters)][transforms]func(*transformArgs){
		{winoInput44AVX2, winoOutput44AVX2, winoOutputGrad44AVX2, winoWeights44AVX2, winoWeightsGrad44AVX2},
		{winoInput43AVX2, winoOutput43AVX2, winoOutputGrad43AVX2, winoWeights43AVX2, winoWeightsGrad43AVX2},
		{winoInput23AVX2, winoOutput23AVX2, winoOutputGrad23AVX2, winoWeights23AVX2, winoWeightsGrad23AVX2},
		{winoInput22AVX2, winoOutput22AVX2, winoOutputGrad22AVX2, winoWeights22AVX2, winoWeightsGrad22AVX2},
	}
	transformsAVX512 = [len(filters)][transforms]func(*transformArgs){
		{winoInput44AVX512, winoOutput44AVX512, winoOutputGrad44AVX512, winoWeights44AVX512, winoWeightsGrad44AVX512},
		{winoInput43AVX512, winoOutput43AVX512, winoOutputGrad43AVX512, winoWeights43AVX512, winoWeightsGrad43AVX512},
		{winoInput23AVX512, winoOutput23AVX512, winoOutputGrad23AVX512, winoWeights23AVX512, winoWeightsGrad23AVX512},
		{winoInput22AVX512, winoOutput22AVX512, winoOutputGrad22AVX512, winoWeights22AVX512, winoWeightsGrad22AVX512},
	}
)

//go:noescape
func winoInput44AVX2(a *transformArgs)

//go:noescape
func winoOutput44AVX2(a *transformArgs)

//go:noescape
func winoOutputGrad44AVX2(a *transformArgs)

//go:noescape
func winoWeights44AVX2(a *transformArgs)

//go:noescape
func winoWeightsGrad44AVX2(a *transformArgs)

//go:noescape
func winoInput43AVX2(a *transformArgs)

//go:noescape
func winoOutput43AVX2(a *transformArgs)

//go:noescape
func winoOutputGrad43AVX2(a *transformArgs)

//go:noescape
func winoWeights43AVX2(a *transformArgs)

//go:noescape
func winoWeightsGrad43AVX2(a *transformArgs)

//go:noescape
func winoInput23AVX2(a *transformArgs)

//go:noescape
func winoOutput23AVX2(a *transformArgs)

//go:noescape
func winoOutputGrad23AVX2(a *transformArgs)

//go:noescape
func winoWeights23AVX2(a *transformArgs)

//go:noescape
func winoWeightsGrad23AVX2(a *transformArgs)

//go:noescape
func winoInput44AVX512(a *transformArgs)

//go:noescape
func winoOutput44AVX512(a *transformArgs)

//go:noescape
func winoOutputGrad44AVX512(a *transformArgs)

//go:noescape
func winoWeights44AVX512(a *transformArgs)

//go:noescape
func winoWeightsGrad44AVX512(a *transformArgs)

//go:noescape
func winoInput43AVX512(a *transformArgs)

//go:noescape
func winoOutput43AVX512(a *transformArgs)

//go:noescape
func winoOutputGrad43AVX512(a *transformArgs)

//go:noescape
func winoWeights43AVX512(a *transformArgs)

//go:noescape
func winoWeightsGrad43AVX512(a *transformArgs)

//go:noescape
func winoInput23AVX512(a *transformArgs)

//go:noescape
func winoOutput23AVX512(a *transformArgs)

//go:noescape
func winoOutputGrad23AVX512(a *transformArgs)

//go:noescape
func winoWeights23AVX512(a *transformArgs)

//go:noescape
func winoWeightsGrad23AVX512(a *transformArgs)

//go:noescape
func winoInput22AVX2(a *transformArgs)

//go:noescape
func winoOutput22AVX2(a *transformArgs)

//go:noescape
func winoOutputGrad22AVX2(a *transformArgs)

//go:noescape
func winoWeights22AVX2(a *transformArgs)

//go:noescape
func winoWeightsGrad22AVX2(a *transformArgs)

//go:noescape
func winoInput22AVX512(a *transformArgs)

//go:noescape
func winoOutput22AVX512(a *transformArgs)

//go:noescape
func winoOutputGrad22AVX512(a *transformArgs)

//go:noescape
func winoWeights22AVX512(a *transformArgs)

//go:noescape
func winoWeightsGrad22AVX512(a *transformArgs)
