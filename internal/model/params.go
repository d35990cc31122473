package model

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/op"
	"clr/internal/optim"
)

// Params are a network's named weights and buffers, in the order in which
// layers first asked for them.
//
// The initial value of a weight comes from a generator addressed by (seed,
// name), so it does not depend on which other layers exist.
type Params struct {
	seed    uint64
	draft   bool                    // shapes only
	first   map[string]kernel.Array // see Init
	weights []*optim.Param
	buffers []Buffer
	weight  map[string]*optim.Param
	buffer  map[string]kernel.Array
}

// A Buffer is what a network keeps but the optimiser does not move: the
// running mean and variance of batch normalisation, and its count of steps.
type Buffer struct {
	Name  string
	Value kernel.Array
}

// NewParams makes an empty set, to be filled by the networks built over it.
func NewParams(seed uint64) *Params {
	return &Params{seed: seed, weight: map[string]*optim.Param{}, buffer: map[string]kernel.Array{}}
}

// DraftParams makes an empty set whose weights and buffers get names and shapes
// but no memory: a network over it can be looked at and planned, not run.
func DraftParams() *Params {
	p := NewParams(0)
	p.draft = true
	return p
}

// Init says what weights and buffers begin as, by name, before any is made; those
// that from lacks begin as they would without. A layer whose array there has
// another shape is an error when it is built. The arrays are copied.
func (p *Params) Init(from map[string]kernel.Array) { p.first = from }

// begin fills a new array with what Init says of its name, or else by init.
func (p *Params) begin(name string, a kernel.Array, init func()) error {
	from, ok := p.first[name]
	switch {
	case p.draft: // there is nothing to fill
	case !ok:
		init()
	case !slices.Equal(from.Shape, a.Shape):
		return fmt.Errorf("%s should begin as an array of %v, this layer needs %v", name, from.Shape, a.Shape)
	default:
		copy(a.Data, from.Data)
	}
	return nil
}

// array makes the array of a weight or buffer.
func (p *Params) array(shape []int) kernel.Array {
	if p.draft {
		return kernel.Array{Shape: shape}
	}
	return kernel.New(shape...)
}

// All are the weights, in the order of the layers.
func (p *Params) All() []*optim.Param { return p.weights }

// Weight is the one of a name, or nil.
func (p *Params) Weight(name string) *optim.Param { return p.weight[name] }

// Buffers are the rest of the state, in the order of the layers.
func (p *Params) Buffers() []Buffer { return p.buffers }

// Count is the number of single weights, buffers not included.
func (p *Params) Count() int {
	n := 0
	for _, w := range p.weights {
		n += op.Size(w.Value.Shape)
	}
	return n
}

// Values is the number of single weights and of the buffers' values.
func (p *Params) Values() int {
	n := p.Count()
	for _, b := range p.buffers {
		n += op.Size(b.Value.Shape)
	}
	return n
}

// An initial fills a new weight of a shape.
type initial func(r *rand.Rand, w kernel.Array)

// constant fills with v.
func constant(v float32) initial {
	return func(_ *rand.Rand, w kernel.Array) {
		for i := range w.Data {
			w.Data[i] = v
		}
	}
}

// he draws convolution weights (Co, Ci, KH, KW) as torchvision's ResNet does:
// normal, of deviation √(2 / (Co·KH·KW)) (He et al. 2015, fan-out).
func he(r *rand.Rand, w kernel.Array) {
	fanOut := len(w.Data) / w.Shape[1]
	deviation := math.Sqrt(2 / float64(fanOut))
	for i := range w.Data {
		w.Data[i] = float32(r.NormFloat64() * deviation)
	}
}

// uniform draws the weight (Out, D) or the bias (Out) of a linear layer of D
// inputs as PyTorch does by default: uniform within ±1/√D.
func uniform(d int) initial {
	limit := 1 / math.Sqrt(float64(d))
	return func(r *rand.Rand, w kernel.Array) {
		for i := range w.Data {
			w.Data[i] = float32((2*r.Float64() - 1) * limit)
		}
	}
}

// get finds the weight of a name, or makes it.
func (p *Params) get(name string, init initial, shape ...int) (*optim.Param, error) {
	if w, ok := p.weight[name]; ok {
		if !slices.Equal(w.Value.Shape, shape) {
			return nil, fmt.Errorf("weight %s is %v, this layer needs %v", name, w.Value.Shape, shape)
		}
		return w, nil
	}
	if _, ok := p.buffer[name]; ok {
		return nil, fmt.Errorf("%s is a buffer, this layer needs a weight", name)
	}
	w := &optim.Param{Name: name, Value: p.array(shape), Rate: 1}
	if err := p.begin(name, w.Value, func() { init(Rand(p.seed, name), w.Value) }); err != nil {
		return nil, err
	}
	p.weights = append(p.weights, w)
	p.weight[name] = w
	return w, nil
}

// getBuffer finds the buffer of a name, or makes it full of v. No shape means
// a scalar.
func (p *Params) getBuffer(name string, v float32, shape ...int) (kernel.Array, error) {
	if a, ok := p.buffer[name]; ok {
		if !slices.Equal(a.Shape, shape) {
			return a, fmt.Errorf("buffer %s is %v, this layer needs %v", name, a.Shape, shape)
		}
		return a, nil
	}
	if _, ok := p.weight[name]; ok {
		return kernel.Array{}, fmt.Errorf("%s is a weight, this layer needs a buffer", name)
	}
	a := p.array(shape)
	if err := p.begin(name, a, func() { constant(v)(nil, a) }); err != nil {
		return kernel.Array{}, err
	}
	p.buffers = append(p.buffers, Buffer{name, a})
	p.buffer[name] = a
	return a, nil
}

// Rand is the generator at the address (seed, name).
func Rand(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// State puts every weight and buffer into a map, its name behind prefix. The
// arrays are live: writing to them changes the network.
func (p *Params) State(prefix string, into map[string]kernel.Array) {
	for _, w := range p.weights {
		into[prefix+w.Name] = w.Value
	}
	for _, b := range p.buffers {
		into[prefix+b.Name] = b.Value
	}
}

// Weights are the weights by name, live, without the buffers.
func (p *Params) Weights() map[string]kernel.Array {
	m := map[string]kernel.Array{}
	for _, w := range p.weights {
		m[w.Name] = w.Value
	}
	return m
}

// Load copies every weight and buffer from the array of its name behind
// prefix. It is an error, and nothing is changed, if one is missing, has
// another shape, or if the map holds more layers of a part of this network (of
// "encoder" when the network has one) than the network does. Other parts are
// let be.
func (p *Params) Load(prefix string, from map[string]kernel.Array) error {
	const remedy = "use the config that the weights were trained with"
	mine, parts := map[string]kernel.Array{}, map[string]bool{}
	p.State(prefix, mine)
	for name := range mine {
		parts[part(name[len(prefix):])] = true
	}
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		want, got := mine[name].Shape, from[name]
		if got.Data == nil {
			return fault.New(fault.Data, remedy, "the network has %s %v, the saved state has not", name, want)
		}
		if !slices.Equal(got.Shape, want) || len(got.Data) != len(mine[name].Data) {
			return fault.New(fault.Data, remedy, "%s is %v in the saved state and %v in the network", name, got.Shape, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if rest, ok := strings.CutPrefix(name, prefix); ok && parts[part(rest)] && mine[name].Data == nil {
			return fault.New(fault.Data, remedy, "the saved state has %s %v, the network has not", name, from[name].Shape)
		}
	}
	for name, a := range mine {
		copy(a.Data, from[name].Data)
	}
	return nil
}

// part is a name up to its first dot.
func part(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

// Follow moves p towards q: p = m·p + (1-m)·q, for the weights and the running
// statistics that p has; the count of steps is copied. With m = 0 it copies
// exactly. q may have more than p, such as a predictor. It panics if p has
// what q has not.
func (p *Params) Follow(q *Params, m float32) {
	for _, w := range p.weights {
		v, ok := q.weight[w.Name]
		if !ok {
			panic("model: Follow: no weight " + w.Name + " to follow")
		}
		follow(w.Value.Data, v.Value.Data, m)
	}
	for _, b := range p.buffers {
		v, ok := q.buffer[b.Name]
		if !ok {
			panic("model: Follow: no buffer " + b.Name + " to follow")
		}
		if strings.HasSuffix(b.Name, ".num_batches_tracked") {
			copy(b.Value.Data, v.Data)
			continue
		}
		follow(b.Value.Data, v.Data, m)
	}
}

func follow(p, q []float32, m float32) {
	if len(p) != len(q) {
		panic("model: Follow: shapes differ")
	}
	if m == 0 {
		copy(p, q)
		return
	}
	kernel.Lerp(p, q, 1-m)
}
