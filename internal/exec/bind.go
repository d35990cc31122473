package exec

import (
	"fmt"
	"math"
	"slices"

	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// An argument is an input or constant: memory that others own, looked up again at
// each run, because it may have been bound anew.
type argument struct {
	node  *gorgonia.Node
	shape []int
	dense *tensor.Dense // as of the last run
	cell  []float32     // where a scalar is put
	uses  []use
}

// A use is where the pointer to an argument, or to a window of it, has to go.
type use struct {
	array  *kernel.Array
	offset int
}

// bind writes the arguments' pointers into the steps. It allocates nothing.
func (m *Machine) bind() error {
	for i := range m.args {
		a := &m.args[i]
		var data []float32
		switch v := a.node.Value().(type) {
		case *gorgonia.F32:
			if len(a.shape) != 0 {
				return fmt.Errorf("exec: %s is given a scalar", describe(a.node))
			}
			a.cell[0] = float32(*v)
			data = a.cell
		case *tensor.Dense:
			if v != a.dense { // someone bound another
				if err := a.check(v); err != nil {
					return err
				}
				a.dense = v
			}
			data = v.Float32s()
			if len(data) != op.Size(a.shape) {
				return fmt.Errorf("exec: %s is given %d elements", describe(a.node), len(data))
			}
		case nil:
			return fmt.Errorf("exec: %s has no value; bind one before the run", describe(a.node))
		default:
			return fmt.Errorf("exec: %s is given a %T, only float32 is known", describe(a.node), v)
		}
		for _, u := range a.uses {
			u.array.Data = data[u.offset : u.offset+op.Size(u.array.Shape)]
		}
	}
	return nil
}

func (a *argument) check(v *tensor.Dense) error {
	array, err := op.ArrayOf(v)
	if err != nil {
		return fmt.Errorf("exec: %s: %w", describe(a.node), err)
	}
	if !slices.Equal(array.Shape, a.shape) {
		return fmt.Errorf("exec: %s is given %v", describe(a.node), array.Shape)
	}
	return nil
}

func fillNaN(x []float32) {
	nan := float32(math.NaN())
	for i := range x {
		x[i] = nan
	}
}
