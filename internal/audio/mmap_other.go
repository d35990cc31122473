//go:build !unix

package audio

import "os"

// A view is a file, read where it is asked for.
type view struct{ f *os.File }

func openView(f *os.File, _ int64) (view, error) {
	again, err := os.Open(f.Name())
	return view{again}, err
}

// bytes are n bytes at an offset.
func (v view) bytes(offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	_, err := v.f.ReadAt(b, offset)
	return b, err
}

func (v view) close() error { return v.f.Close() }

// lock does nothing: here, do not build one store twice at the same time.
func lock(*os.File) error { return nil }
