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

	"clr/internal/kernel"
	"clr/internal/op"
)

// A Line is what a loss is, in a line.
type Line string

// Doc is the line.
func (l Line) Doc() string { return string(l) }

// Table names the losses. They are functions on graph nodes, which methods and
// probes choose; a config cannot.
var Table = map[string]Line{
	"barlow_twins":  "the correlations of two views' columns, pulled to the identity",
	"bce":           "of several labels a clip, each by itself",
	"bilinear":      "COLA's: a learnt product of two views against the rest of the batch",
	"byol":          "squared distance of unit predictions from the other view's targets",
	"contrastive":   "of pairs: similar ones together, others a margin apart; of given pairs, or of all of a batch",
	"cross_entropy": "of labels: what probes minimise",
	"in_batch":      "rows of one side against those of the other: CLIP's, NNCLR's",
	"info_nce":      "MoCo's: a query's own key against a queue of others",
	"moco_v3":       "in_batch with constant keys, times twice the temperature",
	"nt_xent":       "SimCLR's: a view's other half against the rest of the batch",
	"simsiam":       "minus the cosine of predictions with the other view's targets",
	"supcon":        "nt_xent with all clips of a label as positives",
	"swav":          "a view's balanced assignment to prototypes, predicted from another view",
	"triplet":       "a negative farther than a positive by a margin, in chosen triplets",
	"vicreg":        "views alike, columns spread and uncorrelated",
}

// fused is a loss with its gradients as one op.Func.
type fused struct {
	sig     string                        // name and settings
	wrt     []bool                        // for each input, whether it has a gradient
	check   func(in []tensor.Shape) error // of settings and shapes
	scratch func(in []tensor.Shape) int   // float32s; nil is none
	run     func(d gradients, in []kernel.Array, scratch []float32) (loss float64, err error)
}

// gradients are where run writes the gradient by each input, row-major; nil for
// an input that has none.
type gradients [4][]float32

// of makes the scalar of a loss over its inputs.
func (f fused) of(in ...*gorgonia.Node) (*gorgonia.Node, error) {
	packed, err := op.Apply(f, in...)
	if err != nil {
		return nil, err
	}
	return op.LossOf(packed)
}

func (f fused) Sig() string     { return f.sig }
func (f fused) DiffWRT() []bool { return f.wrt }

func (f fused) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if err := f.check(in); err != nil {
		return nil, err
	}
	var grads []tensor.Shape
	for i, s := range in {
		if f.wrt[i] {
			grads = append(grads, s)
		}
	}
	return op.PackedShape(grads...), nil
}

func (f fused) Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return op.PackedDiff(f.wrt, in, out, grad)
}

func (f fused) Scratch(in ...tensor.Shape) int {
	if f.scratch == nil {
		return 0
	}
	return f.scratch(in)
}

func (f fused) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	var d gradients
	at := 1
	for i := range in {
		if f.wrt[i] {
			d[i] = out.Data[at:][:len(in[i].Data)]
			at += len(d[i])
		}
	}
	loss, err := f.run(d, in, scratch)
	out.Data[0] = float32(loss)
	return err
}

// checkWeight refuses what no term can be weighted with.
func checkWeight(name string, w float64) error {
	if !(w >= 0) || math.IsInf(w, 0) {
		return fmt.Errorf("%s is %g, must not be negative", name, w)
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
