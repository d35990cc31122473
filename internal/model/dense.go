package model

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// Dense is a multilayer perceptron as an encoder: all values of a view go into
// the first layer.
type Dense struct {
	Hidden     []int  `yaml:"hidden" doc:"sizes of the hidden layers"`
	Out        int    `yaml:"out" doc:"size of the embedding"`
	Activation string `yaml:"activation" doc:"after each hidden layer: linear, sigmoid, tanh, relu or gelu"`
	Output     string `yaml:"output" doc:"after the last layer: the same, or softmax"`
}

func (e Dense) Doc() string {
	return "multilayer perceptron over all values of a view"
}

func (e Dense) Check() error {
	if err := (MLP{Hidden: e.Hidden, Out: e.Out}).Check(); err != nil {
		return fmt.Errorf("mlp: %w", err)
	}
	if err := checkActivation("mlp activation", e.Activation); err != nil {
		return err
	}
	if e.Output == "softmax" {
		return nil
	}
	if err := checkActivation("mlp output", e.Output); err != nil {
		return fault.New(fault.Usage, "", "%w or softmax", err)
	}
	return nil
}

func (e Dense) Dim(Input) int { return e.Out }

func (e Dense) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	sizes, output := append(slices.Clone(e.Hidden), e.Out), e.Output
	if output != "softmax" {
		return b.dense(p, name, b.Flatten(x), sizes, e.Activation, output)
	}
	return b.Softmax(b.dense(p, name, b.Flatten(x), sizes, e.Activation, "linear"))
}

// dense lays linear layers with activations over rows (N, D).
func (b *Builder) dense(p *Params, name string, x *G.Node, sizes []int, activation, output string) *G.Node {
	s := sequence{b: b, p: p, name: name}
	x = b.Lanes(x)
	for i, size := range sizes {
		if i == len(sizes)-1 {
			activation = output
		}
		x = s.dense(x, size, false, activation)
	}
	return b.Rows(x) // (N, Dim)
}
