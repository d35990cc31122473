package kernel

import (
	"strings"
	"testing"
)

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
		forward(conv, y, lx, w.Data, make([]float32, forwardScratch(conv)))
		backwardData(conv, dx, ldy, w.Data, make([]float32, dataScratch(conv)))
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
			s.Sums(sums, lx, stats, nil, nil, ldy, false)
			if train {
				s.Data(dx, lx, stats, gamma.Data, beta.Data, sums, ldy, false)
			} else {
				s.DataEval(dx, nil, stats, gamma.Data, beta.Data, ldy, false)
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
	eachReference(t, "gelu", func(t *testing.T, c referenceCase) {
		x, dy := c.must("x"), c.must("dy")
		y, dx := make([]float32, len(x.Data)), make([]float32, len(x.Data))
		GELU(y, x.Data)
		GELUGrad(dx, x.Data, dy.Data)
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
			Add(db, db, dy.Data[i*out:][:out])
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
