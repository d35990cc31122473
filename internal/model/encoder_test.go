package model

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// encoders are all shapes of networks, small.
func encoders() []ResNet {
	var all []ResNet
	for _, depth := range []int{10, 18, 34, 50} {
		for _, stem := range []string{"imagenet", "small"} {
			for _, pool := range pools {
				all = append(all, ResNet{Depth: depth, Width: 2, Stem: stem, Pool: pool})
			}
		}
	}
	return all
}

func TestEncodersHaveTheirDim(t *testing.T) {
	for _, e := range encoders() {
		for _, s := range [][2]int{{64, 96}, {40, 33}, {17, 5}} {
			b := NewBuilder(Inference)
			h := e.Build(b, NewParams(1), "encoder", b.Input("x", 3, 1, s[0], s[1]))
			if err := b.Err(); err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			if got := h.Shape(); got[0] != 3 || got[1] != e.Dim(Input{1, s[0], s[1]}) {
				t.Errorf("%+v of %v gives %v, Dim says %d", e, s, got, e.Dim(Input{1, s[0], s[1]}))
			}
		}
	}
}

func TestEncoderTable(t *testing.T) {
	for name, e := range Encoders {
		if err := e.Check(); err != nil {
			t.Errorf("defaults of %s: %v", name, err)
		}
		if e.Doc() == "" {
			t.Errorf("%s says nothing of itself", name)
		}
	}
	for want, e := range map[string]Encoder{
		"resnet depth is 19, must be 10, 18, 34 or 50":                                  ResNet{19, 64, "imagenet", "mean", false},
		"resnet width is 0, must be 1 to 1024":                                          ResNet{18, 0, "imagenet", "mean", false},
		`resnet stem is "big", must be imagenet or small`:                               ResNet{18, 64, "big", "mean", false},
		`resnet pool is "sum", must be mean, max, mean_max, time_mean or time_mean_max`: ResNet{18, 64, "small", "sum", false},
	} {
		if err := e.Check(); err == nil || err.Error() != want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v, want %s", e, err, want)
		}
	}
}

// The pools keep what they say: over time only, with frequency, mean before max.
func TestPools(t *testing.T) {
	const n, bins, frames = 2, 3, 4
	x := draw(n * bins * frames)
	for _, keep := range []bool{false, true} {
		b := NewBuilder(Inference)
		in := b.Input("x", n, 1, bins, frames)
		l := b.Lanes(in)
		h := b.Concat(b.GlobalMean(l, keep), b.GlobalMax(l, keep))
		m, err := b.Compile(h)
		if err != nil {
			t.Fatal(err)
		}
		m.Set(in, x)
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		features, width := 1, bins*frames
		if keep {
			features, width = bins, frames
		}
		got := m.Value(h)
		if !slices.Equal(got.Shape, []int{n, 2 * features}) {
			t.Fatalf("shape %v", got.Shape)
		}
		for i := range n {
			for f := range features {
				row := x[i*bins*frames+f*width:][:width]
				mean := 0.0
				for _, v := range row {
					mean += float64(v) / float64(width)
				}
				at := got.Data[i*2*features:]
				if math.Abs(float64(at[f])-mean) > 1e-6 || at[features+f] != slices.Max(row) {
					t.Errorf("keep %v, row %d, feature %d: mean %g, max %g; want %g, %g", keep, i, f, at[f], at[features+f], mean, slices.Max(row))
				}
			}
		}
	}
}

// mlpLoops is the MLP in float64 loops, with the batch's statistics.
func mlpLoops(h MLP, s map[string]kernel.Array, x []float64, n, d int) []float64 {
	layer := 0
	for i := range len(h.Hidden) + 1 {
		w := s[fmt.Sprintf("head.%d.weight", layer)]
		bias, hasBias := s[fmt.Sprintf("head.%d.bias", layer)]
		out := w.Shape[0]
		y := make([]float64, n*out)
		for r := range n {
			for o := range out {
				sum := 0.0
				if hasBias {
					sum = float64(bias.Data[o])
				}
				for j := range d {
					sum += x[r*d+j] * float64(w.Data[o*d+j])
				}
				y[r*out+o] = sum
			}
		}
		layer++
		if i < len(h.Hidden) {
			if h.Norm {
				gamma, beta := s[fmt.Sprintf("head.%d.weight", layer)].Data, s[fmt.Sprintf("head.%d.bias", layer)].Data
				for o := range out {
					mean, variance := 0.0, 0.0
					for r := range n {
						mean += y[r*out+o] / float64(n)
					}
					for r := range n {
						variance += math.Pow(y[r*out+o]-mean, 2) / float64(n)
					}
					for r := range n {
						y[r*out+o] = (y[r*out+o]-mean)/math.Sqrt(variance+1e-5)*float64(gamma[o]) + float64(beta[o])
					}
				}
				layer++
			}
			for j := range y {
				y[j] = max(y[j], 0)
			}
			layer++
		}
		x, d = y, out
	}
	return x
}

func TestMLP(t *testing.T) {
	const n, d = 19, 5
	for _, c := range []struct {
		h     MLP
		names string
	}{
		{MLP{Out: 3}, "head.0.weight head.0.bias"},
		{MLP{Hidden: []int{7}, Out: 3}, "head.0.weight head.0.bias head.2.weight head.2.bias"},
		{MLP{Hidden: []int{7, 6}, Out: 3, Norm: true},
			"head.0.weight head.1.weight head.1.bias head.3.weight head.4.weight head.4.bias head.6.weight head.6.bias"},
	} {
		p, b := NewParams(1), NewBuilder(Training)
		x := b.Input("x", n, d)
		y := c.h.Build(b, p, "head", x)
		m, err := b.Compile(y)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, w := range p.All() {
			names = append(names, w.Name)
		}
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("weights %s, want %s", got, c.names)
		}
		data := draw(n * d)
		m.Set(x, data)
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		wide := make([]float64, len(data))
		for i, v := range data {
			wide[i] = float64(v)
		}
		for i, want := range mlpLoops(c.h, state(p, ""), wide, n, d) {
			if got := m.Value(y).Data[i]; math.Abs(float64(got)-want) > 1e-5 {
				t.Errorf("%+v: value %d is %g, want %g", c.h, i, got, want)
			}
		}
	}
	if err := (MLP{Hidden: []int{3, 0}, Out: 1}).Check(); err == nil || err.Error() != "hidden layer 2 has size 0, must be 1 to 65536" {
		t.Error(err)
	}
	if err := (MLP{Out: 1 << 40}).Check(); err == nil {
		t.Error("a layer of a million million units passes")
	}
	if err := (MLP{}).Check(); err == nil || err.Error() != "out is 0, must be 1 to 65536" {
		t.Error(err)
	}
}
