//go:build !amd64 || purego

package kernel

func runPixels(a *pixelArgs, rows int) { pixelsTwin(a, rows) }

func (k *tapList) resolve(places []int, _ []float32) []int { return places }
