package fault

import (
	"slices"
	"sync"
	"unsafe"
)

// A mapping is memory that stands for a file.
type mapping struct {
	from, to uintptr
	why      func(offset int) error
}

var mappings struct {
	sync.Mutex
	all []*mapping
}

// Mapped says that memory stands for a file. Where it cannot be read, as where
// the file was cut off since or its disk fails, the operating system sends a
// signal, which ends the process unless a Guard is there: it gives the error
// that why says of the offset. forget comes before the mapping is given back.
func Mapped(data []byte, why func(offset int) error) (forget func()) {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	m := &mapping{from, from + uintptr(len(data)), why}
	mappings.Lock()
	defer mappings.Unlock()
	mappings.all = append(mappings.all, m)
	return func() {
		mappings.Lock()
		defer mappings.Unlock()
		mappings.all = slices.DeleteFunc(mappings.all, func(o *mapping) bool { return o == m })
	}
}

// unreadable is why an address cannot be read, or nil if no file stands there.
func unreadable(addr uintptr) error {
	mappings.Lock()
	defer mappings.Unlock()
	for _, m := range mappings.all {
		if m.from <= addr && addr < m.to {
			return m.why(int(addr - m.from))
		}
	}
	return nil
}
