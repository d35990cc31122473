package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Dropout sets values of x to zero with probability rate and divides the others
// by 1-rate, over any layout. Which ones, key and step decide, step (2) being a
// whole number in parts of 24 bits, the lower first; nothing else is random.
func Dropout(x, step *gorgonia.Node, rate float64, key uint64) (*gorgonia.Node, error) {
	if !(rate >= 0 && rate < 1) {
		return nil, fmt.Errorf("op: dropout: the rate is %g, must be 0 or more and less than 1", rate)
	}
	return Apply(dropout{rate, key}, x, step)
}

type dropout struct {
	rate float64
	key  uint64
}

func (f dropout) Sig() string     { return fmt.Sprintf("dropout%+v", f) }
func (f dropout) DiffWRT() []bool { return []bool{true, false} }
func (f dropout) InPlace() int    { return 0 }

func (f dropout) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return in[0], want("the step", in[1], 2)
}

// Diff drops from the gradient what was dropped from x.
func (f dropout) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := Apply(f, dy, in[1])
	return gorgonia.Nodes{dx, nil}, err
}

func (f dropout) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	at := in[1].Data
	kernel.Dropout(out.Data, in[0].Data, f.rate, f.key, uint64(at[0])+uint64(at[1])<<24)
	return nil
}
