package exec

import (
	"fmt"
	"slices"
	"unsafe"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Memory is what machines run in; the zero value is ready. Machines may share
// one, and then need no more together than the largest of them, if no two run at
// the same time and nobody wants the outputs of one after the run of another.
// It is made at the first run, large enough for all that were compiled by then.
type Memory struct {
	data  []float32
	need  int      // float32s, of the largest machine
	moved int      // how often data was made
	last  *Machine // that began to run
}

// ready makes the memory if it is too small.
func (mem *Memory) ready() {
	if mem.moved == 0 || len(mem.data) < mem.need {
		mem.data = nil // for the garbage collector
		mem.data = allocate(mem.need)
		mem.moved++
	}
}

// A spot is where a pointer into the memory has to go.
type spot struct {
	to       *[]float32
	from, of int
}

// A result is an output in planned memory, which Gorgonia's users find at its node.
type result struct {
	node  *gorgonia.Node
	array *kernel.Array
	value *gorgonia.F32 // of a scalar, which is a value of its own kind
}

// settleIn points the machine at its memory, if that has moved.
func (m *Machine) settleIn() error {
	m.memory.ready()
	m.fresh = m.fresh && m.memory.last == m
	m.memory.last = m
	if m.moved == m.memory.moved {
		return nil
	}
	m.fresh = false
	for _, s := range m.spots {
		*s.to = m.memory.data[s.from : s.from+s.of : s.from+s.of]
	}
	for i := range m.results {
		r := &m.results[i]
		var v gorgonia.Value
		if len(r.array.Shape) == 0 {
			r.value = gorgonia.NewF32(0)
			v = r.value
		} else {
			v = tensor.New(tensor.WithShape(r.array.Shape...), tensor.WithBacking(r.array.Data))
		}
		if err := gorgonia.UnsafeLet(r.node, v); err != nil {
			return fmt.Errorf("exec: %s: %w", describe(r.node), err)
		}
	}
	m.moved = m.memory.moved
	return nil
}

// allocate makes memory that starts at a multiple of 64 bytes, in large pages
// where there are any.
func allocate(n int) []float32 {
	memory := make([]float32, n+align)
	onLargePages(memory)
	skip := 0
	if past := int(uintptr(unsafe.Pointer(&memory[0])) % (4 * align)); past > 0 {
		skip = align - past/4
	}
	return slices.Clip(memory[skip : skip+n])
}
