//go:build !amd64 || purego

package kernel

func runTransform(f *filter, kind transform, a *transformArgs, _ []float32) {
	transformTwin(f, kind, a)
}
