package eval

import (
	"context"
	"math/rand/v2"

	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

// A network is an MLP over rows and the machines that run it: one for each
// size of batch to train with, one to predict with. All share the weights.
type network struct {
	mlp       model.MLP
	d, batch  int
	params    *model.Params
	optimizer optim.Optimizer
	lr        float64
	trainers  map[int]*trainer
	input     []float32                                // (batch, D)
	infer     func(context.Context) ([]float32, error) // logits (batch, K) of input, good until the next
	kept      [][]float32                              // copies of the weights
}

// A trainer is the graph of one step over a batch.
type trainer struct {
	machine      *model.Machine
	rows, labels []float32 // (B, D), (B)
}

func newNetwork(hidden []int, d, k, batch int, seed uint64) (*network, error) {
	n := &network{mlp: model.MLP{Hidden: hidden, Out: k}, d: d, batch: batch, params: model.NewParams(seed), trainers: map[int]*trainer{}, input: make([]float32, batch*d)}
	b := model.NewBuilder(model.Inference)
	x := b.Input("embedding", batch, d)
	logits := n.mlp.Build(b, n.params, "head", x)
	m, err := b.Compile(logits)
	if err != nil {
		return nil, err
	}
	m.Set(x, n.input)
	n.infer = func(ctx context.Context) ([]float32, error) {
		if err := m.Run(ctx); err != nil {
			return nil, err
		}
		return m.Value(logits).Data, nil
	}
	return n, nil
}

func (n *network) optimize(lr, decay float64) {
	n.lr = lr
	n.optimizer = optim.AdamW{LR: lr, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8, WeightDecay: decay, Spare: optim.Spare{Exclude1D: true}}.New(n.params.All())
}

// trainer is the machine for batches of a size; the last of an epoch may be
// short.
func (n *network) trainer(size int) (*trainer, error) {
	if t := n.trainers[size]; t != nil {
		return t, nil
	}
	t := &trainer{rows: make([]float32, size*n.d), labels: make([]float32, size)}
	b := model.NewBuilder(model.Training)
	x, y := b.Input("embedding", size, n.d), b.Input("label", size)
	logits := n.mlp.Build(b, n.params, "head", x)
	if b.Err() != nil {
		return nil, b.Err()
	}
	mean := b.Try(loss.CrossEntropy(logits, y))
	var err error
	if t.machine, err = b.CompileGrad(mean); err != nil {
		return nil, err
	}
	t.machine.Set(x, t.rows)
	t.machine.Set(y, t.labels)
	n.trainers[size] = t
	return t, nil
}

// step makes one update on the clips at the given indices.
func (n *network) step(ctx context.Context, s Set, clips []int) error {
	t, err := n.trainer(len(clips))
	if err != nil {
		return err
	}
	for to, from := range clips {
		narrow(t.rows[to*n.d:(to+1)*n.d], s.Row(from))
		t.labels[to] = float32(s.Labels[from])
	}
	if err := t.machine.Run(ctx); err != nil {
		return err
	}
	n.optimizer.Step(n.params.All(), n.lr)
	return nil
}

// logProba runs the network on all rows of a set.
func (n *network) logProba(ctx context.Context, s Set) ([]float64, error) { // (N, D) → (N, K)
	k := n.mlp.Out
	out := make([]float64, 0, s.N*k)
	for at := 0; at < s.N; at += n.batch {
		rows := min(n.batch, s.N-at)
		narrow(n.input, s.X[at*n.d:(at+rows)*n.d]) // rows past the end hold old ones; nobody reads their logits
		logits, err := n.infer(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range logits[:rows*k] {
			out = append(out, float64(v))
		}
	}
	for i := range s.N {
		logSoftmax(out[i*k : (i+1)*k])
	}
	return out, nil
}

func (n *network) validate(ctx context.Context, s Set) (validation, error) {
	logp, err := n.logProba(ctx, s)
	if err != nil {
		return validation{}, err
	}
	m := Measure(logp, s.Labels, n.mlp.Out)
	return validation{m.Accuracy, m.LogLoss}, nil
}

// keep remembers the weights, restore brings them back.
func (n *network) keep() {
	if n.kept == nil {
		n.kept = make([][]float32, len(n.params.All()))
	}
	for i, p := range n.params.All() {
		n.kept[i] = append(n.kept[i][:0], p.Value.Data...)
	}
}

func (n *network) restore() {
	for i, p := range n.params.All() {
		copy(p.Value.Data, n.kept[i])
	}
}

func narrow(dst []float32, src []float64) {
	for i, v := range src {
		dst[i] = float32(v)
	}
}

// shuffled is the order of an epoch, addressed by seed and epoch.
func shuffled(n int, seed uint64, epoch int) []int {
	return rand.New(rand.NewPCG(seed, uint64(epoch))).Perm(n)
}
