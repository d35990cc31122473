package kernel

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"unsafe"
)

// winoShapes reach every filter, turned and not, edge tiles, both ways to run.
func winoShapes() []ConvShape {
	var list []ConvShape
	ns, cs := []int{1, 7, 16, 17, 33}, []int{16, 32, 48}
	for i, m := range [][2]int{{1, 1}, {2, 3}, {3, 2}, {2, 2}, {4, 4}, {4, 6}, {6, 4}, {5, 7}, {13, 11}, {8, 12}, {1, 9}, {9, 1}, {16, 3}, {2, 8}, {5, 13}} {
		for _, pad := range [][2]int{{1, 1}, {0, 2}, {2, 0}} {
			s := ConvShape{N: ns[i%5], Ci: cs[i%3], Co: cs[(i/2)%3], H: m[0], W: m[1], Kernel: square(3), Stride: square(1), Pad: pad}
			if c, err := NewConv(s); err == nil {
				if _, ok := c.forward.(*winograd); ok {
					list = append(list, s)
				}
			}
		}
	}
	return append(list,
		ConvShape{N: 70, Ci: 16, Co: 32, H: 12, W: 16, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 17, Ci: 256, Co: 256, H: 4, W: 6, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 15, Ci: 16, Co: 16, H: 16, W: 24, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 1, Ci: 16, Co: 32, H: 32, W: 32, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 1, Ci: 32, Co: 16, H: 20, W: 50, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 31, Ci: 16, Co: 16, H: 10, W: 25, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 250, Ci: 16, Co: 16, H: 3, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 17, Ci: 272, Co: 256, H: 2, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)},
	)
}

func TestWinograd(t *testing.T) {
	filters := map[string]int{}
	for i, s := range winoShapes() {
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		p := c.forward.(*winograd)
		filters[fmt.Sprint(p.id, p.turned, p.phased)]++
		oh, ow := c.Out()
		x, w := random(uint64(i), s.N*s.Ci*s.H*s.W), random(uint64(i)+1000, s.Co*s.Ci*9)
		dy := random(uint64(i)+2000, s.N*s.Co*oh*ow)
		y, dx, dw := convLoops(s, oh, ow, x, w, dy)
		for _, path := range paths() {
			t.Run(fmt.Sprintf("%+v/%s", s, isaNames[path]), func(t *testing.T) {
				use(t, path)
				got := runConv(t, s, x, w, dy)
				for _, r := range []struct {
					name string
					got  []float32
					want []float64
				}{{"y", got.y, y}, {"dx", got.dx, dx}, {"dw", got.dw, dw}} {
					near(t, r.name, r.got, r.want, 1e-5)
					if e := relative(r.got, r.want); e > 3e-6 {
						t.Errorf("%s: relative error %.2g, want 3e-6", r.name, e)
					}
				}
			})
		}
	}
	t.Log(filters)
	if len(filters) < 5 {
		t.Errorf("filters reached: %v", filters)
	}
}

// relative is the root mean square of the error over that of the values.
func relative(got []float32, want []float64) float64 {
	var e, v float64
	for i, w := range want {
		e += (float64(got[i]) - w) * (float64(got[i]) - w)
		v += w * w
	}
	return math.Sqrt(e / v)
}

func TestWinogradSameBytes(t *testing.T) {
	for i, s := range []ConvShape{
		{N: 33, Ci: 32, Co: 48, H: 5, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 130, Ci: 64, Co: 64, H: 8, W: 12, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 40, Ci: 256, Co: 256, H: 2, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 40, Ci: 256, Co: 256, H: 6, W: 4, Kernel: square(3), Stride: square(1), Pad: square(1)},
	} {
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		oh, ow := c.Out()
		x, w := random(uint64(i), s.N*s.Ci*s.H*s.W), random(1, s.Co*s.Ci*9)
		dy := random(2, s.N*s.Co*oh*ow)
		sameOnAll(t, fmt.Sprintf("%+v", s), 1e-5, func() []float32 {
			r := runConv(t, s, x, w, dy)
			return slices.Concat(r.y, r.dx, r.dw)
		})
	}
}

// An example's result does not depend on how many there are.
func TestWinogradAlone(t *testing.T) {
	s := ConvShape{N: 40, Ci: 32, Co: 32, H: 8, W: 12, Kernel: square(3), Stride: square(1), Pad: square(1)}
	x, w, dy := random(1, 40*32*96), random(2, 32*32*9), random(3, 40*32*96)
	all := runConv(t, s, x, w, dy)
	s.N = 3
	some := runConv(t, s, x[:3*32*96], w, dy[:3*32*96])
	sameBytes(t, "y", some.y, all.y[:3*32*96])
	sameBytes(t, "dx", some.dx, all.dx[:3*32*96])
}

// The generator writes these offsets into the assembly.
func TestTransformOffsets(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("no assembly for", runtime.GOARCH)
	}
	var a transformArgs
	got := []uintptr{unsafe.Offsetof(a.src), unsafe.Offsetof(a.dst), unsafe.Offsetof(a.scratch), unsafe.Offsetof(a.plane),
		unsafe.Offsetof(a.step), unsafe.Offsetof(a.n), unsafe.Offsetof(a.places)}
	if want := []uintptr{0, 24, 48, 72, 80, 88, 96}; !slices.Equal(got, want) {
		t.Errorf("offsets %v, the generator has %v", got, want)
	}
}

// Points of more tiles than winoBytes holds: the forward pass goes through them
// in chunks, the weight gradient in several rounds.
func TestWinogradBounded(t *testing.T) {
	use(t, detect())
	s := ConvShape{N: 17, Ci: 272, Co: 272, H: 16, W: 28, Kernel: square(3), Stride: square(1), Pad: square(1)}
	c, err := NewConv(s)
	if err != nil {
		t.Fatal(err)
	}
	p, w := c.forward.(*winograd), c.weights.(*winoWeights)
	if all := p.blocks * p.tiles; p.phased || w.parts > 0 || w.chunk >= all || 4*c.ScratchWeights() > winoBytes+4*p.points()*w.sums+1<<16 {
		t.Fatalf("%d tiles: phased %v, rounds of %d, scratch %d", all, p.phased, w.chunk, c.ScratchWeights())
	}
	x, wt, dy := random(1, s.N*s.Ci*s.H*s.W), random(2, s.Co*s.Ci*9), random(3, s.N*s.Co*s.H*s.W)
	got := runConv(t, s, x, wt, dy)
	s.Exact = true
	want := runConv(t, s, x, wt, dy)
	for name, r := range map[string][2][]float32{"y": {got.y, want.y}, "dx": {got.dx, want.dx}, "dw": {got.dw, want.dw}} {
		if e := relative(r[0], doublesOf(r[1])); e > 4e-6 {
			t.Errorf("%s: %.2g from direct", name, e)
		}
	}
}
