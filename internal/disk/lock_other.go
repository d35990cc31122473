//go:build !unix

package disk

// Lock believes what the file says of its holder, who counts as alive.
func (f *File) Lock() error { return f.take(func(int) bool { return true }) }
