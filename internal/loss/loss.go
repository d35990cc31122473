// Package loss holds what a step minimises, as functions on graph nodes. It
// hides how a loss and its gradient are computed together: each loss is one
// fused operation whose value packs [loss | gradient], so that differentiating
// the graph only scales what the forward pass left.
//
// Products of rows are float32 matrix products; the softmax over them is
// float64, with the largest logit taken out first, so logits of any finite size
// are safe.
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

// softmax turns logits scale·x into weight times their softmax, in place, and
// returns the logarithm of its denominator, log Σ exp(scale·x[j]). The
// denominator has one more logit, first, that x has not; -Inf for none.
func softmax(x []float32, first, scale, weight float64) float64 {
	largest := first
	for _, v := range x {
		if l := scale * float64(v); l > largest {
			largest = l
		}
	}
	if math.IsInf(largest, -1) { // nothing but -Inf or NaN
		largest = 0
	}
	sum := math.Exp(first - largest)
	for j, v := range x {
		e := math.Exp(scale*float64(v) - largest)
		x[j] = float32(e)
		sum += e
	}
	for j, e := range x {
		x[j] = float32(float64(e) * (weight / sum))
	}
	return largest + math.Log(sum)
}
