package model

import (
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/op"
)

// Activations are the names that Builder.Activate knows.
var Activations = []string{"linear", "sigmoid", "tanh", "relu", "gelu"}

// checkActivation refuses a name that Activations lacks; what says whose it is.
func checkActivation(what, name string) error {
	if slices.Contains(Activations, name) {
		return nil
	}
	return fault.New(fault.Usage, "", "%s is %q, must be one of %s", what, name, strings.Join(Activations, ", "))
}

// Activate applies a function to each value of rows or of a feature map: linear
// (none), sigmoid, tanh, relu, or gelu in its exact form.
func (b *Builder) Activate(x *G.Node, name string) *G.Node {
	f := map[string]func(*G.Node) (*G.Node, error){"sigmoid": op.Sigmoid, "tanh": op.Tanh, "relu": op.ReLU, "gelu": op.GELU}[name]
	return b.lay(name, func() (*G.Node, error) {
		if f == nil {
			return x, checkActivation("activation", name)
		}
		y, err := f(x)
		if _, isMap := b.rows[x]; isMap {
			return b.keep(y, err, x, Layer{Name: name, Kind: name})
		}
		return y, err
	})
}
