//go:build amd64 && !purego

package kernel

//go:generate go -C _gen run . -group double -out ../double_amd64.s

// runDouble is doubleTwin of a tile, for one k or more.
func runDouble(c, a, b []float64, p DoubleProduct) {
	switch machine.isa {
	case avx512:
		doubleAVX512(&c[0], &a[0], &b[0], p.K, 8*p.CRow, 8*p.ARow, 8*p.AStep, 8*p.BRow)
	case avx2:
		doubleAVX2(&c[0], &a[0], &b[0], p.K, 8*p.CRow, 8*p.ARow, 8*p.AStep, 8*p.BRow)
	default:
		doubleTwin(c, a, b, p, 0, doubleTile, 0, doubleTile)
	}
}

//go:noescape
func doubleAVX2(c, a, b *float64, n, cRow, aRow, aStep, bRow int)

//go:noescape
func doubleAVX512(c, a, b *float64, n, cRow, aRow, aStep, bRow int)
