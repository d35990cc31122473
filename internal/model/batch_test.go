package model

import (
	"slices"
	"testing"
)

// How many examples go through a network at once, from eleven on, changes no bit of
// an embedding.
func TestBatchesAgree(t *testing.T) {
	const n = 40
	in, width, batches := Input{1, 64, 96}, 64, []int{12, 16, 40, 128}
	if testing.Short() { // plain Go takes more than a minute for all of it
		in, width, batches = Input{1, 32, 48}, 32, []int{12, 40}
	}
	x := make([]float32, n*in.Values())
	for i := range x {
		x[i] = float32(i*7919%1009)/500 - 1
	}
	for _, e := range []ResNet{{Depth: 18, Width: width, Stem: "imagenet", Pool: "mean"}, {Depth: 10, Width: 24, Stem: "small", Pool: "time_mean_max"}} {
		p := NewParams(1)
		embed := func(batch int) (all []float32) {
			d, err := NewEmbedder(e, p, "encoder", batch, in, false)
			if err != nil {
				t.Fatal(err)
			}
			for some := range slices.Chunk(x, batch*in.Values()) {
				h := make([]float32, len(some)/in.Values()*d.Dim())
				if err := d.Embed(t.Context(), h, some); err != nil {
					t.Fatal(err)
				}
				all = append(all, h...)
			}
			return all
		}
		want := embed(64)
		unsettle(p)
		if again := embed(64); slices.Equal(again, want) {
			t.Fatal("the weights do not matter")
		}
		want = embed(64)
		for _, batch := range batches {
			if !slices.Equal(embed(batch), want) {
				t.Errorf("%v: batches of %d give other bits than of 64", e, batch)
			}
		}
	}
}
