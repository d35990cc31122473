package op

import (
	"fmt"
	"hash"
	"hash/fnv"

	"clr/internal/kernel"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// An adaptor is a Func as Gorgonia sees it. Our executor takes the Func out again;
// the rest serves the graph and the stock machines, which allocate each result.
type adaptor struct {
	f    Func
	in   []tensor.Shape
	out  tensor.Shape
	salt int
}

var _ gorgonia.SDOp = (*adaptor)(nil)

func (a *adaptor) Arity() int { return len(a.in) }

// Type is made anew each time: inference puts it into a pool afterwards.
func (a *adaptor) Type() hm.Type {
	elem := hm.TypeVariable('a')
	of := func(s tensor.Shape) hm.Type {
		if len(s) == 0 {
			return elem
		}
		return gorgonia.TensorType{Dims: len(s), Of: elem}
	}
	ts := make([]hm.Type, 0, len(a.in)+1)
	for _, s := range a.in {
		ts = append(ts, of(s))
	}
	return hm.NewFnType(append(ts, of(a.out))...)
}

func (a *adaptor) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) { return a.out.Clone(), nil }
func (a *adaptor) ReturnsPtr() bool                                      { return true }
func (a *adaptor) CallsExtern() bool                                     { return false }
func (a *adaptor) OverwritesInput() int                                  { return -1 }
func (a *adaptor) String() string                                        { return a.f.Sig() }
func (a *adaptor) DiffWRT(int) []bool                                    { return a.f.DiffWRT() }

func (a *adaptor) WriteHash(h hash.Hash) {
	fmt.Fprintf(h, "%s%v", a.f.Sig(), a.out)
	if a.salt > 0 {
		fmt.Fprintf(h, " salt %d", a.salt)
	}
}

func (a *adaptor) Hashcode() uint32 {
	h := fnv.New32a()
	a.WriteHash(h)
	return h.Sum32()
}

// SymDiff expects a gradient of the result's shape, or the scalar that LossOf hands
// to a packed loss.
func (a *adaptor) SymDiff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if s := grad.Shape(); len(s) > 0 && !sameShape(s, a.out) {
		return nil, fmt.Errorf("op: %s is %v and its gradient %v", a.f.Sig(), a.out, s)
	}
	return a.f.Diff(in, out, grad)
}

// Do runs the function for a stock machine. That runs it in a goroutine of its
// own, where nobody else could recover a panic.
func (a *adaptor) Do(values ...gorgonia.Value) (v gorgonia.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, fmt.Errorf("op: %s over %v: panic: %v", a.f.Sig(), a.in, r)
		}
	}()
	in := make([]kernel.Array, len(values))
	for i, v := range values {
		if in[i], err = ArrayOf(v); err != nil {
			return nil, fmt.Errorf("op: %s: input %d: %w", a.f.Sig(), i, err)
		}
		if !sameShape(in[i].Shape, a.in[i]) {
			return nil, fmt.Errorf("op: %s: input %d is %v, not %v", a.f.Sig(), i, in[i].Shape, a.in[i])
		}
	}
	var scratch []float32
	if s, ok := a.f.(Scratcher); ok {
		scratch = make([]float32, s.Scratch(a.in...))
	}
	out := kernel.New(a.out...)
	if err := a.f.Run(out, in, scratch); err != nil {
		return nil, fmt.Errorf("op: %s over %v: %w", a.f.Sig(), a.in, err)
	}
	if len(a.out) == 0 {
		return gorgonia.NewF32(out.Data[0]), nil
	}
	return tensor.New(tensor.WithShape(a.out...), tensor.WithBacking(out.Data)), nil
}

// ArrayOf looks at a value as an Array: a tensor's own memory, or a copy of a
// scalar. Other types than float32, and views with gaps, are errors.
func ArrayOf(v gorgonia.Value) (kernel.Array, error) {
	switch t := v.(type) {
	case nil:
		return kernel.Array{}, fmt.Errorf("no value")
	case *tensor.Dense:
		if t.Dtype() != tensor.Float32 {
			return kernel.Array{}, fmt.Errorf("the value is %v, only float32 is known", t.Dtype())
		}
		if t.RequiresIterator() || t.DataOrder().IsColMajor() {
			return kernel.Array{}, fmt.Errorf("the value %v is not in row-major order without gaps", t.Shape())
		}
		return kernel.Array{Shape: t.Shape(), Data: t.Float32s()}, nil
	case *gorgonia.F32:
		return kernel.Array{Data: []float32{float32(*t)}}, nil
	}
	return kernel.Array{}, fmt.Errorf("the value is a %T, only float32 is known", v)
}
