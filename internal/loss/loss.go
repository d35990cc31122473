// Package loss holds what a step minimises, as functions on graph nodes. It
// hides how a loss and its gradient are computed together: each loss is one
// fused operation whose value packs [loss | gradient], so that differentiating
// the graph only scales what the forward pass left.
//
// Products of rows are float32 matrix products; so is the softmax over them,
// with sums in float64 and the largest logit taken out first: logits of any
// finite size are safe.
package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/op"
)

// A Line is what a loss is, in a line.
type Line string

// Doc is the line.
func (l Line) Doc() string { return string(l) }

// Table names the losses. They are functions on graph nodes, which methods and
// probes choose; a config cannot.
var Table = map[string]Line{
	"cross_entropy": "of labels: what probes minimise",
	"info_nce":      "MoCo's: a query's own key against a queue of others",
	"nt_xent":       "SimCLR's: a view's other half against the rest of the batch",
}

// fused makes the scalar of a packed loss over its inputs.
func fused(f op.Func, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	packed, err := op.Apply(f, in...)
	if err != nil {
		return nil, err
	}
	return op.LossOf(packed)
}

// checkTemperature refuses what logits cannot be divided by.
func checkTemperature(t float64) error {
	if !(t > 0) || math.IsInf(t, 0) {
		return fmt.Errorf("the temperature is %g, must be positive", t)
	}
	return nil
}

// isRows reports whether each shape is a matrix, rows of vectors.
func isRows(shapes ...tensor.Shape) bool {
	for _, s := range shapes {
		if len(s) != 2 {
			return false
		}
	}
	return true
}
