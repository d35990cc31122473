package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// SampleCNN is Lee et al. 2017, "Sample-level deep convolutional neural networks
// for music auto-tagging using raw waveforms", with the channels that
// Spijkervet and Burgoyne 2021 (CLMR) give it, and their names: filters of three
// samples, each block ending in a max pool by three. Nine blocks make one frame
// of 59,049 samples. The rows of a view are its channels.
type SampleCNN struct {
	Blocks int `yaml:"blocks" doc:"blocks of convolution and max-pool by 3, each of which thirds the time; 0: as many as the view has samples for, at most the papers' 9"`
	Width  int `yaml:"width" doc:"channels of the first two blocks; the others have twice, the last four times as many"`
}

// mostBlocks is the papers'.
const mostBlocks = 9

func (e SampleCNN) Doc() string {
	return "SampleCNN (Lee et al. 2017, as in CLMR): filters of 3 samples, for the waveform feature"
}

func (e SampleCNN) Check() error {
	if e.Blocks < 0 || e.Blocks > 2*mostBlocks {
		return fault.New(fault.Usage, "", "samplecnn blocks is %d, must be 0 to %d", e.Blocks, 2*mostBlocks)
	}
	if e.Width < 1 || e.Width > maxWidth {
		return fault.New(fault.Usage, "", "samplecnn width is %d, must be 1 to %d", e.Width, maxWidth)
	}
	return nil
}

func (e SampleCNN) Dim(Input) int { return 4 * e.Width }

// fitting is how many blocks leave a frame of so many.
func (e SampleCNN) fitting(frames int) int {
	n := 0
	for frames /= 9; frames > 0 && n < 2*mostBlocks; frames /= 3 { // the first convolution has a stride, too
		n++
	}
	return n
}

// channels are those of block i of n.
func (e SampleCNN) channels(i, n int) int {
	switch {
	case i == n-1:
		return 4 * e.Width
	case i < 2:
		return e.Width
	}
	return 2 * e.Width
}

func (e SampleCNN) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	blocks, need := e.Blocks, 3
	if x != nil && blocks == 0 {
		blocks = min(mostBlocks, max(1, e.fitting(x.Shape()[3])))
	}
	for range blocks {
		need *= 3
	}
	remedy := "or leave encoder.blocks at 0"
	if e.Blocks <= 1 {
		remedy = ""
	}
	if !b.atLeast("samplecnn", x, 1, need, remedy) {
		return nil
	}
	x = b.Lanes(b.Line(x)) // (N, C·F, 1, T)
	layer := func(i, out int, w Window, pool Window) {
		at := fmt.Sprintf("%s.sequential.%d", name, i)
		x = b.ConvNorm(p, at+".0", at+".1", x, out, Filter{Window: w, Bias: true, Line: true}, Norm{ReLU: true, Pool: pool})
	}
	layer(0, e.Width, Span(3, 3, 0), Window{})
	for i := range blocks {
		layer(i+1, e.channels(i, blocks), Span(3, 1, 1), Span(3, 3, 0))
	}
	layer(blocks+1, 4*e.Width, Span(3, 1, 1), Window{})
	return b.GlobalMean(x, false) // (N, 4·Width), of one frame where the papers' views are
}
