//go:build unix

package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"clr/internal/fault"
)

// The loops over spectrograms read the store's mapping. Where its file was cut
// off, each gives an error to the Guard around it, from inside the assembly.
func TestSpectrumLoopsOnACutFile(t *testing.T) {
	page := os.Getpagesize()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(2 * page)); err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, 2*page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	gone := errors.New("gone")
	defer fault.Mapped(data, func(int) error { return gone })()
	if err := f.Truncate(int64(page)); err != nil {
		t.Fatal(err)
	}
	n := page / 4 // the last half of cut is not there
	cut := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(data[page/2:]))), n)
	good, dst := make([]float32, n), make([]float32, n)
	onAll(t, func(t *testing.T) {
		for name, loop := range map[string]func(){
			"copy":    func() { copy(dst, cut) },
			"Rescale": func() { Rescale(dst, cut, 1, 2) },
			"Blend":   func() { Blend(dst, good, cut, 1, 2) },
			"Blend4":  func() { Blend4(dst, &[4][]float32{good, good, good, cut}, &[4]float32{}) },
			"AddPair": func() { AddPair(dst, good, cut, 1) },
			"AddLog":  func() { AddLog(dst, cut, 0, 1) },
			"SumExp":  func() { SumExp(cut, 0, 1) },
			"Max":     func() { Max(cut) },
		} {
			if err := fault.Guard(func() error { loop(); return nil }); err != gone {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
