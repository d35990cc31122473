//go:build race

package kernel

// The race detector looks at who touches what, not at bytes: one crew shows
// that, and each costs it a minute more. Bytes are compared without it.
func init() { crews = []int{3} }
