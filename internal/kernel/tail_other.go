//go:build !amd64 || purego

package kernel

func runTail(a *tailArgs) { tailTwin(a) }
