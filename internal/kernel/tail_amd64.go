//go:build amd64 && !purego

package kernel

//go:generate go -C _gen run . -group tail -out ../tail_amd64.s

// runTail is tailTwin.
func runTail(a *tailArgs) {
	switch {
	case machine.isa == generic:
		tailTwin(a)
	case machine.isa == avx512 && a.add == nil:
		tailAVX512(a)
	case machine.isa == avx512:
		tailAddAVX512(a)
	case a.add == nil:
		tailAVX2(a)
	default:
		tailAddAVX2(a)
	}
}

//go:noescape
func tailAVX2(a *tailArgs)

//go:noescape
func tailAddAVX2(a *tailArgs)

//go:noescape
func tailAVX512(a *tailArgs)

//go:noescape
func tailAddAVX512(a *tailArgs)
