package op

import (
	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
)

// What stands around a convolution is said with it: its bias, and the norm behind
// it, if norms are folded.

func (f conv) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	return t.conv(f, t.value(in[0]), t.value(in[1]))
}

// conv is f over x, with weights and perhaps a bias; over rows (N, D) it is a
// linear layer.
func (t *translation) conv(f conv, x onnx.Value, weights ...onnx.Value) onnx.Value {
	s, out, in := f.shape, f.out(), append([]onnx.Value{x}, weights...)
	if len(x.Shape) == 2 {
		in[1] = t.Reshape(in[1], s.Co, s.Ci)
		return t.Do("Gemm", perN(s.Co), in, onnx.Attr{Name: "transB", Value: 1})
	}
	in[1] = t.Reshape(in[1], s.Co, s.Ci, s.Kernel[0], s.Kernel[1])
	return t.Do("Conv", perN(s.Co, out.H, out.W), in, sides("kernel_shape", s.Kernel), sides("strides", s.Stride), padding(s.Pad), sides("dilations", s.Dilation))
}

// convAt is the convolution at a node, if it is one and nothing more, and what it
// is over.
func convAt(n *gorgonia.Node) (f conv, in gorgonia.Nodes, is bool) {
	if g, err := FuncOf(n); err == nil {
		f, is = g.(conv)
	}
	return f, Inputs(n), is
}

func (f bias) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	b := t.value(in[1])
	if c, of, is := convAt(in[0]); is {
		return t.relu(t.conv(c, t.value(of[0]), t.value(of[1]), b), f.relu)
	}
	x := t.value(in[0])
	if len(x.Shape) > 2 {
		b = t.Reshape(b, f.m.C, 1, 1)
	}
	return t.relu(t.Each("Add", x, b), f.relu)
}

// A kept norm is one by constant statistics, in the order of fold: mean, variance,
// gamma and beta.
type keptNorm struct {
	of  [4]onnx.Value
	eps float32
}

// kept is the norm by a node of running statistics.
func (t *translation) kept(stats, gamma, beta *gorgonia.Node, eps float32) keptNorm {
	of := Inputs(stats) // mean, variance
	return keptNorm{[4]onnx.Value{t.value(of[0]), t.value(of[1]), t.value(gamma), t.value(beta)}, eps}
}

func (t *translation) normed(x onnx.Value, n keptNorm) onnx.Value {
	return t.Do("BatchNormalization", x.Shape, []onnx.Value{x, n.of[2], n.of[3], n.of[0], n.of[1]}, onnx.Attr{Name: "epsilon", Value: n.eps})
}

// convNormed is a norm over conv.
func (t *translation) convNormed(n keptNorm, f conv, x onnx.Value, weights ...onnx.Value) onnx.Value {
	if !t.foldNorms {
		return t.normed(t.conv(f, x, weights...), n)
	}
	w := weights[0]
	var in []kernel.Array
	for _, v := range append(append([]onnx.Value{w}, n.of[:]...), weights[1:]...) {
		in = append(in, kernel.Array{Shape: v.Shape, Data: v.Data})
	}
	scaled := onnx.Value{Name: w.Name + " scaled", Shape: w.Shape, Data: make([]float32, len(w.Data))}
	shift := onnx.Value{Name: w.Name + " shift", Shape: []int{f.shape.Co}, Data: make([]float32, f.shape.Co)}
	fold(scaled.Data, shift.Data, in, n.eps)
	return t.conv(f, x, scaled, shift)
}

// normOver is a norm over a node.
func (t *translation) normOver(x *gorgonia.Node, n keptNorm) onnx.Value {
	if f, in, is := convAt(x); is {
		return t.convNormed(n, f, t.value(in[0]), t.value(in[1]))
	}
	return t.normed(t.value(x), n)
}

func (f convNorm) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	var of []onnx.Value
	for _, n := range Inputs(in[1]) { // what was folded: w, mean, variance, gamma, beta and perhaps a bias
		of = append(of, t.value(n))
	}
	n := keptNorm{[4]onnx.Value(of[1:5]), f.eps}
	y := t.convNormed(n, f.conv, t.value(in[0]), append(of[:1:1], of[5:]...)...)
	if f.residual {
		y = t.Each("Add", y, t.value(in[2]))
	}
	return t.relu(y, f.relu)
}

// batchStatistics is why a norm of training is refused.
const batchStatistics = "op: %s is by the statistics of its batch, which nobody else has"

func (f norm) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	if !f.frozen {
		return t.fail(batchStatistics, f.Sig())
	}
	y := t.normOver(in[0], t.kept(in[1], in[2], in[3], f.s.Eps))
	if f.residual {
		y = t.Each("Add", y, t.value(in[4]))
	}
	return t.relu(y, f.relu)
}

func (f normPool) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	if !f.frozen {
		return t.fail(batchStatistics, f.Sig())
	}
	y := t.relu(t.normOver(in[4], t.kept(in[1], in[2], in[3], f.s.Eps)), f.s.ReLU)
	out := f.s.Pooled()
	return t.Do("MaxPool", perN(out.C, out.H, out.W), []onnx.Value{y}, sides("kernel_shape", f.s.Kernel), sides("strides", f.s.Stride), padding(f.s.Pad))
}
