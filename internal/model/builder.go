package model

import (
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/op"
	"clr/internal/optim"
)

// A Mode says which statistics batch normalisation uses.
type Mode int

const (
	Training  Mode = iota // the batch's own
	Inference             // the running ones
)

// A Builder lays layers onto one graph. Its first error sticks: every later
// layer is nil, and Compile returns the error, which names the layer.
//
// Gorgonia takes two inputs of equal name, type and shape for one, and gives
// wrong gradients for a second loss on a graph. So each input's name may be used
// once in a graph, and a Builder compiles once. A layer may be laid several times,
// over several inputs: its weights are one node each, whose gradients add up.
type Builder struct {
	mode    Mode
	groups  int
	memory  *exec.Memory
	graph   *G.ExprGraph
	rows    map[*G.Node]int // the true N of feature maps, which their shape hides
	params  []*Params
	used    []*optim.Param // the weights of this graph
	nodes   G.Nodes        // their nodes
	node    map[*optim.Param]*G.Node
	buffers G.Nodes // nodes of running statistics that are read
	frozen  bool
	exact   bool
	stats   []statistics
	step    *G.Node // what Machine.SetStep says, for dropout; nil if nothing asks
	layers  []Layer
	made    []made // which layer made which nodes
	err     error
	done    bool
}

// NewBuilder begins an empty graph.
func NewBuilder(m Mode) *Builder {
	return &Builder{mode: m, groups: 1, graph: G.NewGraph(), rows: map[*G.Node]int{}, node: map[*optim.Param]*G.Node{}}
}

// Groups makes batch normalisation, in training, take its statistics over each
// of g equal groups of consecutive rows by itself, as g devices would. g must
// divide N. It returns b.
func (b *Builder) Groups(g int) *Builder {
	if g < 1 {
		b.fail("groups", fmt.Errorf("%d groups of rows, need one or more", g))
		return b
	}
	b.groups = g
	return b
}

// Memory makes the machine run in m, which it may share with machines that run
// at other times; what a Run left is then good until one of them runs. It
// returns b.
func (b *Builder) Memory(m *exec.Memory) *Builder {
	b.memory = m
	return b
}

// Exact, if on, keeps convolutions from minimal filtering, which is faster and
// rounds a little more (see kernel.Conv). It returns b.
func (b *Builder) Exact(on bool) *Builder {
	b.exact = on
	return b
}

// Frozen promises that weights and buffers stay as they are between two runs,
// until Machine.Renew: what is made from them alone is kept. It returns b.
func (b *Builder) Frozen() *Builder {
	b.frozen = true
	return b
}

// Input is a node that Machine.Set gives its values.
func (b *Builder) Input(name string, shape ...int) *G.Node {
	return b.lay(name, func() (*G.Node, error) { return b.leaf(name, kernel.Array{Shape: shape}) })
}

// Constant is a node of values that stay as they are.
func (b *Builder) Constant(name string, values kernel.Array) *G.Node {
	return b.lay(name, func() (*G.Node, error) { return b.leaf(name, values) })
}

// Try takes the result of a function on nodes, such as a loss, and keeps its
// error.
func (b *Builder) Try(n *G.Node, err error) *G.Node {
	if b.err == nil {
		b.err = err
	}
	if b.err != nil {
		return nil
	}
	return n
}

// Err is the first error so far.
func (b *Builder) Err() error { return b.err }

func (b *Builder) fail(layer string, err error) {
	if b.err == nil {
		b.err = fmt.Errorf("layer %s: %w", layer, err)
	}
}

// lay runs one step of graph building unless an earlier one failed. Gorgonia
// reports many mistakes by panicking; here they become errors.
func (b *Builder) lay(layer string, f func() (*G.Node, error)) (n *G.Node) {
	if b.err != nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			b.fail(layer, fmt.Errorf("%v", r))
			n = nil
		}
	}()
	b.made = append(b.made, made{layer, next(b.graph)})
	n, err := f()
	if err != nil {
		b.fail(layer, err)
		return nil
	}
	return n
}

// leaf makes a node without inputs. If a has data, they are its value.
func (b *Builder) leaf(name string, a kernel.Array) (*G.Node, error) {
	n, err := op.Input(b.graph, name, a.Shape...)
	if err != nil || a.Data == nil {
		return n, err
	}
	return n, op.Bind(n, a.Data)
}

// named is the node name of something that p owns; a graph may hold the equally
// named layers of two towers.
func (b *Builder) named(p *Params, name string) string {
	for i, q := range b.params {
		if q == p {
			if i == 0 {
				return name
			}
			return fmt.Sprintf("%s (tower %d)", name, i+1)
		}
	}
	b.params = append(b.params, p)
	return b.named(p, name)
}

// weight is the node of a weight, made on first use.
func (b *Builder) weight(p *Params, name string, init initial, shape ...int) (*G.Node, error) {
	w, err := p.get(name, init, shape...)
	if err != nil {
		return nil, err
	}
	if n := b.node[w]; n != nil {
		return n, nil
	}
	n, err := b.leaf(b.named(p, name), w.Value)
	if err != nil {
		return nil, err
	}
	b.used, b.nodes, b.node[w] = append(b.used, w), append(b.nodes, n), n
	return n, nil
}

// Weight is a weight that is no layer's. Each of its values begins as first gives it.
func (b *Builder) Weight(p *Params, name string, first func(*rand.Rand) float64, shape ...int) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		return b.weight(p, name, func(r *rand.Rand, w kernel.Array) {
			for i := range w.Data {
				w.Data[i] = float32(first(r))
			}
		}, shape...)
	})
}

// n is the true number of rows of a feature map.
func (b *Builder) n(x *G.Node) int {
	n, ok := b.rows[x]
	if !ok {
		panic("model: not a feature map of this builder; use Lanes first")
	}
	return n
}

// keep notes that y has as many rows as x, and the layer that made it.
func (b *Builder) keep(y *G.Node, err error, x *G.Node, l Layer) (*G.Node, error) {
	if err == nil {
		b.rows[y] = b.n(x)
		l.In, l.Out = mapOf(x), mapOf(y)
		b.layers = append(b.layers, l)
	}
	return y, err
}
