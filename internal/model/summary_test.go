package model

import "testing"

// torchvision's ResNets without the classifier: its published counts (11689512,
// 21797672, 25557032 for depths 18, 34, 50) less fc (512·1000 + 1000, 2048·1000
// + 1000). Depth 10 has a block less in each stage than depth 18.
// FLOPs are twice torchvision's multiply-adds of the convolutions (1.8136,
// 3.6635, 4.0872 G at 3 × 224 × 224, less fc).
func TestLayersCount(t *testing.T) {
	for depth, want := range map[int]struct{ weights, macs int }{
		18: {11689512 - 513000, 1814073344 - 512000},
		34: {21797672 - 513000, 3663761408 - 512000},
		50: {25557032 - 2049000, 4089184256 - 2048000},
	} {
		e := ResNet{Depth: depth, Width: 64, Stem: "imagenet", Pool: "mean"}
		layers, err := Layers(e, Input{3, 224, 224})
		if err != nil {
			t.Fatal(err)
		}
		weights, flops := 0, 0
		for _, l := range layers {
			weights += l.Weights
			flops += l.FLOPs()
		}
		if weights != want.weights || flops != 2*want.macs {
			t.Errorf("resnet%d: %d weights and %d FLOPs, want %d and %d", depth, weights, flops, want.weights, 2*want.macs)
		}
		if n, err := countOf(e, Input{3, 224, 224}); n != weights || err != nil {
			t.Errorf("resnet%d: Count says %d, %v", depth, n, err)
		}
	}
}

func TestLayers(t *testing.T) {
	layers, err := Layers(ResNet{Depth: 10, Width: 8, Stem: "imagenet", Pool: "mean_max"}, Input{1, 64, 96})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Layer{
		{Name: "encoder.conv1", Kind: "conv", In: [3]int{1, 64, 96}, Out: [3]int{8, 32, 48}, Window: Square(7, 2, 3), Weights: 8 * 49},
		{Name: "encoder.bn1", Kind: "batch_norm", In: [3]int{8, 32, 48}, Out: [3]int{8, 16, 24}, ReLU: true, Weights: 16, Window: Square(3, 2, 1)},
		{Name: "encoder.layer1.0.conv1", Kind: "conv", In: [3]int{8, 16, 24}, Out: [3]int{8, 16, 24}, Window: Square(3, 1, 1), Weights: 64 * 9},
	} {
		if layers[i] != want {
			t.Errorf("layer %d is %+v, want %+v", i, layers[i], want)
		}
	}
	last := layers[len(layers)-1]
	if last.Kind != "global_max" || last.Out != [3]int{64, 1, 1} {
		t.Errorf("the last layer is %+v", last)
	}
	stem := layers[0]
	if n := 2 * 8 * 32 * 48 * 49; stem.FLOPs() != n || stem.TrainingFLOPs(true) != 2*n || stem.TrainingFLOPs(false) != 3*n {
		t.Errorf("the stem takes %d FLOPs, %d in training", stem.FLOPs(), stem.TrainingFLOPs(true))
	}
	if _, err := Layers(ResNet{Depth: 10, Width: 8, Stem: "imagenet", Pool: "mean"}, Input{1, 0, 96}); err == nil {
		t.Error("no error for spectrograms without bins")
	}
}

// What an MLP ends with has a row, a softmax as well as other activations.
func TestLayersOfOutputs(t *testing.T) {
	for _, output := range []string{"softmax", "sigmoid"} {
		layers, err := Layers(Dense{Hidden: []int{9}, Out: 6, Activation: "relu", Output: output}, Input{1, 4, 5})
		if err != nil {
			t.Fatal(err)
		}
		want := Layer{Name: output, Kind: output, In: [3]int{6, 1, 1}, Out: [3]int{6, 1, 1}}
		if last := layers[len(layers)-1]; last != want {
			t.Errorf("the last layer is %+v, want %+v", last, want)
		}
	}
}
