package model

import (
	"testing"

	"clr/internal/optim"
)

// The blocks of torchvision's ResNet-18: stem, two a stage; what stands on the
// encoder is one deeper. Other layouts are told by their names.
func TestDepths(t *testing.T) {
	p := DraftParams()
	b := NewBuilder(Training)
	h := ResNet{Depth: 18, Width: 4, Stem: "small", Pool: "mean"}.Build(b, p, "encoder", b.Input("x", 4, 1, 16, 16))
	MLP{Hidden: []int{8}, Out: 4, Norm: true}.Build(b, p, "projector", h)
	if b.err != nil {
		t.Fatal(b.err)
	}
	depth := map[string]int{}
	for i, d := range Depths(p.All()) {
		depth[p.All()[i].Name] = d
	}
	for name, want := range map[string]int{
		"encoder.conv1.weight": 0, "encoder.bn1.bias": 0, "encoder.layer1.0.conv1.weight": 1, "encoder.layer1.1.bn2.weight": 2,
		"encoder.layer2.0.downsample.1.bias": 3, "encoder.layer4.1.conv2.weight": 8, "projector.0.weight": 9,
	} {
		if got, ok := depth[name]; !ok || got != want {
			t.Errorf("%s lies %d deep (there: %v), want %d", name, got, ok, want)
		}
	}

	var weights []*optim.Param
	var want []int
	for _, w := range []struct {
		name  string
		dims  int
		depth int
	}{{"encoder.features.0.weight", 4, 0}, {"encoder.features.1.weight", 1, 0}, {"encoder.features.4.weight", 4, 1}, {"encoder.features.4.bias", 1, 1},
		{"encoder.fc.weight", 2, 2}, {"encoder.fc.bias", 1, 2}, {"head.weight", 2, 3}, {"encoder.features.0.bias", 1, 0}} {
		weights, want = append(weights, &optim.Param{Name: w.name}), append(want, w.depth)
		weights[len(weights)-1].Value.Shape = make([]int, w.dims)
	}
	for i, d := range Depths(weights) {
		if d != want[i] {
			t.Errorf("%s lies %d deep, want %d", weights[i].Name, d, want[i])
		}
	}
	for _, d := range Depths(weights[6:7]) {
		if d != 0 {
			t.Errorf("without an encoder a weight lies %d deep", d)
		}
	}
}
