//go:build !unix

package audio

import "os"

// A view is a file, read where it is asked for.
type view struct{ file *os.File }

// openView takes the file; reading gives errors of its own.
func openView(f *os.File, _ int64, _ func(offset int) error) (view, error) { return view{f}, nil }

// bytes are n bytes at an offset.
func (v view) bytes(offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	_, err := v.file.ReadAt(b, offset)
	return b, err
}

func (v view) close() error { return v.file.Close() }
