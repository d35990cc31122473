package loss

import (
	"math"
	"strings"
	"testing"

	"clr/internal/kernel"
	"clr/internal/op"
)

func TestRefusals(t *testing.T) {
	two := kernel.New(2, 3)
	for _, c := range []struct {
		f    op.Func
		in   []kernel.Array
		want string
	}{
		{ntxent(divide(0)), []kernel.Array{two}, "temperature is 0, must be positive"},
		{ntxent(divide(math.NaN())), []kernel.Array{two}, "must be positive"},
		{infonce(divide(-1)), []kernel.Array{two, two, two}, "temperature is -1, must be positive"},
		{ntxent(divide(1)), []kernel.Array{kernel.New(3, 2)}, "want z (2N, D)"},
		{ntxent(learn), []kernel.Array{two, two}, "want s (1)"},
		{infonce(divide(1)), []kernel.Array{two, kernel.New(3, 3), two}, "want q (N, D), k (N, D)"},
		{infonce(divide(1)), []kernel.Array{two, two, kernel.New(2, 4)}, "want q (N, D), k (N, D)"},
		{cosine("byol", 4, 4), []kernel.Array{two, kernel.New(2, 4)}, "want p (2N, P) and z (2N, P)"},
		{cosine("byol", 4, 4), []kernel.Array{kernel.New(3, 3), kernel.New(3, 3)}, "want p (2N, P) and z (2N, P)"},
		{barlowTwins(-1), []kernel.Array{two}, "lambda is -1, must not be negative"},
		{barlowTwins(1), []kernel.Array{kernel.New(3, 2)}, "want z (2N, D)"},
		{vicreg(VICRegOptions{}), []kernel.Array{two}, "of two pairs or more"},
		{vicreg(VICRegOptions{Cov: math.Inf(1)}), []kernel.Array{kernel.New(4, 2)}, "cov is +Inf, must not be negative"},
		{supcon(divide(1)), []kernel.Array{two, kernel.New(3)}, "want z (M, D) and labels (M)"},
		{supcon(divide(1)), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 0.5}}}, "label 0.5 of row 1 is not a whole number"},
		{supcon(divide(1)), []kernel.Array{two, {Shape: []int{2}, Data: []float32{float32(math.NaN()), 0}}}, "label NaN of row 0"},
		{inBatch(divide(1), true), []kernel.Array{two, kernel.New(3, 3)}, "want two times (N, D)"},
		{inBatch(divide(0), true), []kernel.Array{two, two}, "temperature is 0, must be positive"},
		{mocoV3(divide(1)), []kernel.Array{two, kernel.New(2, 4)}, "want two times (N, D)"},
		{bilinear(), []kernel.Array{two, two, two}, "want a (N, D), w (D, E), b (N, E)"},
		{swav(SwAVOptions{2, 3, 1, 1, 1}, 1), []kernel.Array{two}, "assign is 3, must be 1 to the 2 views"},
		{swav(SwAVOptions{1, 1, 1, 1, 1}, 1), []kernel.Array{two}, "views is 1, must be 2 or more"},
		{swav(SwAVOptions{2, 2, 0, 1, 1}, 1), []kernel.Array{two}, "epsilon is 0, must be positive"},
		{swav(SwAVOptions{2, 2, 1, 0, 1}, 1), []kernel.Array{two}, "iterations is 0, must be positive"},
		{swav(SwAVOptions{2, 2, 1, 1, 0}, 1), []kernel.Array{two}, "temperature is 0, must be positive"},
		{swav(SwAVOptions{2, 2, 1, 1, 1}, 1), []kernel.Array{kernel.New(3, 2)}, "want the scores of 2 views"},
		{swav(SwAVOptions{2, 2, 1, 1, 1}, 2), []kernel.Array{two, kernel.New(2, 4)}, "want a queue for each of 2 views"},
		{contrastive(0), []kernel.Array{two, two, kernel.New(2)}, "the margin is 0, must be positive"},
		{contrastive(1), []kernel.Array{two, two, two}, "want a (N, D), b (N, D), similar (N)"},
		{contrastive(1), []kernel.Array{two, two, {Shape: []int{2}, Data: []float32{1, 2}}}, "similar is 2 for pair 1, must be 0 or 1"},
		{triplet(TripletOptions{1, false, "soft"}), []kernel.Array{two, kernel.New(2)}, `mining is "soft", must be hard, semi_hard or all`},
		{triplet(TripletOptions{-1, false, "all"}), []kernel.Array{two, kernel.New(2)}, "the margin is -1, must be positive"},
		{contrastivePairs(1), []kernel.Array{two, kernel.New(3)}, "want z (M, D) and labels (M)"},
		{contrastivePairs(1), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 0.5}}}, "label 0.5 of row 1"},
		{triplet(TripletOptions{1, false, "all"}), []kernel.Array{two, kernel.New(3)}, "want z (M, D) and labels (M)"},
		{triplet(TripletOptions{1, false, "all"}), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 1e9}}}, "label 1e+09 of row 1"},
		{givenTriplets(TripletOptions{Margin: 1}), []kernel.Array{two}, "want z (3N, D)"},
		{bce(), []kernel.Array{two, kernel.New(2, 4)}, "want logits (N, C) and targets (N, C)"},
		{bce(), []kernel.Array{two, {Shape: []int{2, 3}, Data: []float32{0, 1, 0, 0, 1.5, 0}}}, "target 1.5 of row 1, class 1 is not from 0 to 1"},
		{crossEntropy(2), []kernel.Array{two, kernel.New(2)}, "smoothing is 2, must be from 0 to 1"},
		{crossEntropy(0), []kernel.Array{two, kernel.New(3)}, "want logits (N, C)"},
		{crossEntropy(0), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 3}}}, "label 3 of row 1 is not one of 3 classes"},
		{crossEntropy(0), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0.5, 0}}}, "label 0.5 of row 0"},
		{crossEntropy(0), []kernel.Array{two, {Shape: []int{2}, Data: []float32{-2, 0}}}, "label -2 of row 0"},
	} {
		_, _, err := tryPacked(c.f, c.in...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.f.Sig(), err, c.want)
		}
	}
	if _, err := NTXent(nil, Fixed(1)); err == nil {
		t.Error("a nil node is taken")
	}
}
