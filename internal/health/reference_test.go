package health

import (
	"testing"

	"clr/internal/kernel"
	"clr/internal/reftest"
)

// The reference's uniformity is of one view, ours the mean of the two.
func TestAlignmentAndUniformityReference(t *testing.T) {
	c := reftest.Get[any](t, "losses/alignment_uniformity")
	a, b := c.Inputs["a"].Array(t), c.Inputs["b"].Array(t)
	n, p := a.Shape[0], a.Shape[1]
	pair := func(x, y kernel.Array) Report {
		return measure(kernel.Array{Shape: []int{2 * n, p}, Data: append(append([]float32{}, x.Data...), y.Data...)})
	}
	reftest.Match(t, c.Outputs["alignment"], "alignment", pair(a, b).Alignment)
	reftest.Match(t, c.Outputs["uniformity"], "uniformity", pair(a, a).Uniformity)
	near(t, "uniformity of both", pair(a, b).Uniformity, (pair(a, a).Uniformity+pair(b, b).Uniformity)/2)
}
