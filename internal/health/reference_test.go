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
		return Measure(kernel.Array{Shape: []int{2 * n, p}, Data: append(append([]float32{}, x.Data...), y.Data...)})
	}
	reftest.Match(t, c.Outputs["alignment"], "alignment", pair(a, b).Alignment)
	reftest.Match(t, c.Outputs["uniformity"], "uniformity", pair(a, a).Uniformity)
	near(t, "uniformity of both", pair(a, b).Uniformity, (pair(a, a).Uniformity+pair(b, b).Uniformity)/2)
}

func TestKNNReference(t *testing.T) {
	c := reftest.Get[struct {
		K           int
		Temperature float64 `json:"vote_temperature"`
	}](t, "metrics/knn")
	train := Labelled{X: c.Inputs["train"].Array(t), Labels: c.Inputs["train_labels"].Ints(t)}
	test := Labelled{X: c.Inputs["test"].Array(t), Labels: c.Inputs["test_labels"].Ints(t)}
	accuracy, err := KNN(train, test, c.Params.K, c.Params.Temperature)
	if err != nil {
		t.Fatal(err)
	}
	reftest.Match(t, c.Outputs["accuracy"], "accuracy", accuracy)
	want := c.Outputs["predictions"].Ints(t)
	for i, got := range newVoters(train).classify(test, c.Params.K, c.Params.Temperature) {
		if got != want[i] {
			t.Errorf("query %d is of class %d, want %d", i, got, want[i])
		}
	}
}
