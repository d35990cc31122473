package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The reference arrays were computed by PyTorch in float64; the manifest holds
// the tolerance of each.
const referenceDir = "../../testdata/reference"

type manifest struct {
	Cases []struct {
		Name            string
		Params          map[string]any
		Inputs, Outputs map[string]struct {
			File      string
			Shape     []int
			Tolerance struct {
				MaxAbs float64 `json:"max_abs"`
				RelL2  float64 `json:"rel_l2"`
			}
		}
	}
}

type referenceCase struct {
	t       *testing.T
	m       *manifest
	i       int
	number  func(key string) int
	in      func(key string) (Array, bool)
	matches func(key string, got []float32)
}

// eachReference calls f for each case whose name starts so.
func eachReference(t *testing.T, prefix string, f func(t *testing.T, c referenceCase)) {
	raw, err := os.ReadFile(filepath.Join(referenceDir, "layers", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	found := false
	for i, c := range m.Cases {
		if !strings.HasPrefix(c.Name, "layers/"+prefix) {
			continue
		}
		found = true
		t.Run(strings.TrimPrefix(c.Name, "layers/"), func(t *testing.T) {
			f(t, referenceCase{t: t, m: &m, i: i,
				number: func(key string) int { return int(c.Params[key].(float64)) },
				in: func(key string) (Array, bool) {
					a, ok := c.Inputs[key]
					if !ok {
						return Array{}, false
					}
					return readNPY(t, a.File), true
				},
				matches: func(key string, got []float32) {
					t.Helper()
					o, ok := c.Outputs[key]
					if !ok {
						t.Fatalf("no output %q in the manifest", key)
					}
					want := readNPY64(t, o.File)
					if len(want) != len(got) {
						t.Fatalf("%s: %d values, want %d", key, len(got), len(want))
					}
					var worst, num, den float64
					for i, w := range want {
						d := math.Abs(float64(got[i]) - w)
						worst = math.Max(worst, d)
						num += d * d
						den += w * w
					}
					if rel := math.Sqrt(num / den); !(worst <= o.Tolerance.MaxAbs) || !(rel <= o.Tolerance.RelL2) {
						t.Errorf("%s: max abs %.3g (allowed %.3g), relative L2 %.3g (allowed %.3g)", key, worst, o.Tolerance.MaxAbs, rel, o.Tolerance.RelL2)
					}
				},
			})
		})
	}
	if !found {
		t.Fatalf("no case %q in the manifest", prefix)
	}
}

func (c referenceCase) must(key string) Array {
	c.t.Helper()
	a, ok := c.in(key)
	if !ok {
		c.t.Fatalf("no input %q in the manifest", key)
	}
	return a
}

var npyShape = regexp.MustCompile(`'shape': \(([^)]*)\)`)

// readNPY64 reads a version 1 file of little-endian float64.
func readNPY64(t *testing.T, file string) []float64 {
	v, _ := readNPYFile(t, file)
	return v
}

func readNPY(t *testing.T, file string) Array {
	v, shape := readNPYFile(t, file)
	a := New(shape...)
	for i, f := range v {
		a.Data[i] = float32(f)
	}
	return a
}

func readNPYFile(t *testing.T, file string) (values []float64, shape []int) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(referenceDir, file))
	if err != nil {
		t.Fatal(err)
	}
	head := 10 + int(binary.LittleEndian.Uint16(raw[8:]))
	text := string(raw[10:head])
	if !bytes.HasPrefix(raw, []byte("\x93NUMPY\x01")) || !strings.Contains(text, "'fortran_order': False") {
		t.Fatalf("%s: not a plain npy file: %s", file, text)
	}
	n := 1
	for _, d := range strings.Split(npyShape.FindStringSubmatch(text)[1], ",") {
		if d = strings.TrimSpace(d); d != "" {
			k, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, k)
			n *= k
		}
	}
	values = make([]float64, n)
	for i := range values {
		if strings.Contains(text, "'<f4'") {
			values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[head+4*i:])))
		} else {
			values[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[head+8*i:]))
		}
	}
	return values, shape
}

func shape4(a Array) (n, c, h, w int) {
	s := a.Shape
	switch len(s) {
	case 2:
		return s[0], s[1], 1, 1
	case 3:
		return s[0], s[1], 1, s[2]
	}
	return s[0], s[1], s[2], s[3]
}

func toLanes(a Array) []float32 {
	n, c, h, w := shape4(a)
	dst := make([]float32, Blocks(n)*Lanes*c*h*w)
	ToLanes(dst, a.Data, n, c, h, w)
	return dst
}

func fromLanes(x []float32, n, c, h, w int) []float32 {
	dst := make([]float32, n*c*h*w)
	FromLanes(dst, x, n, c, h, w)
	return dst
}

func TestReferenceConv(t *testing.T) {
	eachReference(t, "conv", func(t *testing.T, c referenceCase) {
		x, w, dy := c.must("x"), c.must("w"), c.must("dy")
		n, ci, h, wd := shape4(x)
		co, _, kh, kw := shape4(w)
		stride, pad, dil := c.number("stride"), c.number("padding"), c.number("dilation")
		if kh == 1 && len(w.Shape) == 3 {
			pad = 0
		}
		s := ConvShape{N: n, Ci: ci, H: h, W: wd, Co: co, Kernel: [2]int{kh, kw},
			Stride: [2]int{stride, stride}, Pad: [2]int{pad, pad}, Dilation: [2]int{dil, dil}}
		conv, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		oh, ow := conv.Out()
		lx, ldy := toLanes(x), toLanes(dy)
		y, dx, dw := make([]float32, len(ldy)), make([]float32, len(lx)), make([]float32, len(w.Data))
		conv.Forward(y, lx, w.Data, make([]float32, conv.ScratchForward()))
		conv.BackwardData(dx, ldy, w.Data, make([]float32, conv.ScratchData()))
		conv.BackwardWeights(dw, lx, ldy, make([]float32, conv.ScratchWeights()))
		if b, ok := c.in("b"); ok {
			AddBias(y, y, b.Data, n, co, oh*ow, false)
			db := make([]float32, co)
			BiasGrad(db, ldy, n, co, oh*ow)
			c.matches("d_b", db)
		}
		c.matches("y", fromLanes(y, n, co, oh, ow))
		c.matches("d_x", fromLanes(dx, n, ci, h, wd))
		c.matches("d_w", dw)
	})
}

func TestReferenceNorm(t *testing.T) {
	for _, name := range []string{"batchnorm1d_train", "batchnorm2d_train", "batchnorm2d_eval"} {
		eachReference(t, name, func(t *testing.T, c referenceCase) {
			x, dy, gamma, beta := c.must("x"), c.must("dy"), c.must("gamma"), c.must("beta")
			mean, variance := c.must("running_mean"), c.must("running_var")
			n, ch, h, w := shape4(x)
			s := Norm{N: n, C: ch, H: h, W: w, Eps: 1e-5}
			stats, sums := make([]float32, 3*ch), make([]float32, 2*ch)
			lx, ldy := toLanes(x), toLanes(dy)
			y, dx := make([]float32, len(lx)), make([]float32, len(lx))
			train := strings.HasSuffix(name, "train")
			if train {
				s.Stats(stats, lx)
				m := float32(n * h * w)
				for i := range ch {
					mean.Data[i] += 0.1 * (stats[i] - mean.Data[i])
					variance.Data[i] += 0.1 * (stats[ch+i]*m/(m-1) - variance.Data[i])
				}
				c.matches("new_running_mean", mean.Data)
				c.matches("new_running_var", variance.Data)
			} else {
				s.RunningStats(stats, mean.Data, variance.Data)
			}
			s.Apply(y, lx, stats, gamma.Data, beta.Data, nil, false)
			s.Sums(sums, lx, nil, stats, ldy, false)
			if train {
				s.Data(dx, lx, nil, stats, gamma.Data, sums, ldy, false)
			} else {
				s.DataEval(dx, nil, stats, gamma.Data, ldy, false)
			}
			c.matches("y", fromLanes(y, n, ch, h, w))
			c.matches("d_x", fromLanes(dx, n, ch, h, w))
			c.matches("d_gamma", sums[:ch])
			c.matches("d_beta", sums[ch:])
		})
	}
}

func TestReferencePool(t *testing.T) {
	eachReference(t, "maxpool3x3_s2", func(t *testing.T, c referenceCase) {
		x, dy := c.must("x"), c.must("dy")
		n, ch, h, w := shape4(x)
		s := Pool{N: n, C: ch, H: h, W: w, Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}
		oh, ow := s.Out()
		lx, ldy := toLanes(x), toLanes(dy)
		y, dx := make([]float32, len(ldy)), make([]float32, len(lx))
		s.MaxForward(y, lx)
		s.MaxBackward(dx, lx, ldy)
		c.matches("y", fromLanes(y, n, ch, oh, ow))
		c.matches("d_x", fromLanes(dx, n, ch, h, w))
	})
	eachReference(t, "global_avgpool", func(t *testing.T, c referenceCase) {
		x, dy := c.must("x"), c.must("dy")
		n, ch, h, w := shape4(x)
		g := Global{N: n, C: ch, H: h, W: w}
		y, dx := make([]float32, Blocks(n)*Lanes*ch), make([]float32, len(toLanes(x)))
		g.Mean(y, toLanes(x))
		g.MeanGrad(dx, toLanes(dy))
		c.matches("y", fromLanes(y, n, ch, 1, 1))
		c.matches("d_x", fromLanes(dx, n, ch, h, w))
	})
	// max over T of the mean over F, plus the mean over T of the same: maps are
	// turned so that F is the axis that KeepRows reduces.
	eachReference(t, "global_max_mean_pool", func(t *testing.T, c referenceCase) {
		x, dy := c.must("x"), c.must("dy")
		n, ch, f, w := shape4(x)
		turned := New(n, ch, w, f)
		for i := range n * ch {
			for a := range f {
				for b := range w {
					turned.Data[(i*w+b)*f+a] = x.Data[(i*f+a)*w+b]
				}
			}
		}
		overF := Global{N: n, C: ch, H: w, W: f, KeepRows: true} // features c·T + t
		m := make([]float32, Blocks(n)*Lanes*ch*w)
		overF.Mean(m, toLanes(turned))
		back := Array{Shape: []int{n, ch, 1, w}, Data: fromLanes(m, n, ch*w, 1, 1)}
		overT := Global{N: n, C: ch, H: 1, W: w}
		top, avg := make([]float32, Blocks(n)*Lanes*ch), make([]float32, Blocks(n)*Lanes*ch)
		overT.Max(top, toLanes(back))
		overT.Mean(avg, toLanes(back))
		Add(top, top, avg)
		c.matches("y", fromLanes(top, n, ch, 1, 1))
		d1, d2 := make([]float32, len(toLanes(back))), make([]float32, len(toLanes(back)))
		overT.MaxGrad(d1, toLanes(back), toLanes(dy))
		overT.MeanGrad(d2, toLanes(dy))
		Add(d1, d1, d2)
		dm := toLanes(Array{Shape: []int{n, ch * w}, Data: fromLanes(d1, n, ch, 1, w)})
		dturned := make([]float32, len(toLanes(turned)))
		overF.MeanGrad(dturned, dm)
		rows := fromLanes(dturned, n, ch, w, f)
		dx := make([]float32, len(rows))
		for i := range n * ch {
			for a := range f {
				for b := range w {
					dx[(i*f+a)*w+b] = rows[(i*w+b)*f+a]
				}
			}
		}
		c.matches("d_x", dx)
	})
}

func TestReferencePointwise(t *testing.T) {
	eachReference(t, "relu", func(t *testing.T, c referenceCase) {
		x, dy := c.must("x"), c.must("dy")
		y, dx := make([]float32, len(x.Data)), make([]float32, len(x.Data))
		ReLU(y, x.Data)
		ReLUGrad(dx, y, dy.Data)
		c.matches("y", y)
		c.matches("d_x", dx)
	})
	eachReference(t, "l2_normalize", func(t *testing.T, c referenceCase) {
		x, dy := c.must("x"), c.must("dy")
		n, d := x.Shape[0], x.Shape[1]
		y, dx := make([]float32, n*d), make([]float32, n*d)
		NormalizeRows(y, x.Data, n, d, 1e-12)
		NormalizeRowsGrad(dx, x.Data, y, dy.Data, n, d, 1e-12)
		c.matches("y", y)
		c.matches("d_x", dx)
	})
	eachReference(t, "linear", func(t *testing.T, c referenceCase) {
		x, w, b, dy := c.must("x"), c.must("w"), c.must("b"), c.must("dy")
		n, d, out := x.Shape[0], x.Shape[1], w.Shape[0]
		y, dx, dw, db := make([]float32, n*out), make([]float32, n*d), make([]float32, out*d), make([]float32, out)
		for i := range n {
			copy(y[i*out:], b.Data)
			Axpy(1, dy.Data[i*out:][:out], db)
		}
		scratch := make([]float32, max(MatMulScratch(n, out, d), MatMulScratch(n, d, out), MatMulScratch(out, d, n)))
		MatMul(y, x.Data, w.Data, n, out, d, false, true, true, scratch)
		MatMul(dx, dy.Data, w.Data, n, d, out, false, false, false, scratch)
		MatMul(dw, dy.Data, x.Data, out, d, n, true, false, false, scratch)
		c.matches("y", y)
		c.matches("d_x", dx)
		c.matches("d_w", dw)
		c.matches("d_b", db)
	})
}
