//go:build !amd64 || purego

package kernel

func runDouble(c, a, b []float64, p DoubleProduct) {
	doubleTwin(c, a, b, p, 0, doubleTile, 0, doubleTile)
}
