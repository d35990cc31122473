package exec

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// largePage is the size of a large page, in bytes, on all machines that have
// assembly here.
const largePage = 2 << 20

// onLargePages asks for memory in large pages, of which a plan needs few enough
// for the processor to keep all their addresses. A kernel that has none to give,
// or was told not to, goes on with small ones.
func onLargePages(memory []float32) {
	base := unsafe.Pointer(unsafe.SliceData(memory))
	skip := int(-uintptr(base) % largePage)
	if n := (4*len(memory) - skip) / largePage * largePage; n > 0 {
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(base, skip)), n), unix.MADV_HUGEPAGE)
	}
}
