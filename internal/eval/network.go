package eval

import (
	"context"
	"math/rand/v2"

	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

// A network is a head over rows and the machines that run it: one for each
// size of batch to train with, one to predict with. All share the weights.
type network struct {
	head        model.Classifier
	multi       bool // labels are yes or no for each class
	d, k, batch int
	params      *model.Params
	optimizer   optim.Optimizer
	trainers    map[int]*trainer
	steps       int
	input       []float32                                // (batch, D)
	infer       func(context.Context) ([]float32, error) // logits (batch, K) of input, good until the next
	kept        [][]float32                              // copies of weights and running statistics
}

// A trainer is the graph of one step over a batch.
type trainer struct {
	machine      *model.Machine
	rows, labels []float32 // (B, D), (B) or for several labels (B, K)
}

// newNetwork makes a head for a training set.
func newNetwork(head model.Classifier, train Set, batch int, seed uint64, o optim.Options) (*network, error) {
	n := &network{head: head, multi: train.Multi(), d: train.D, k: len(train.Classes), batch: batch, params: model.NewParams(seed), trainers: map[int]*trainer{}, input: make([]float32, batch*train.D)}
	n.head.Out = n.k
	n.head.Begin(n.params, "head", n.d)
	b := model.NewBuilder(model.Inference)
	x := b.Input("embedding", batch, n.d)
	logits := n.head.Build(b, n.params, "head", x)
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
	n.optimizer = o.New(n.params.All())
	return n, nil
}

// trainer is the machine for batches of a size; the last of an epoch may be
// short.
func (n *network) trainer(size int) (*trainer, error) {
	if t := n.trainers[size]; t != nil {
		return t, nil
	}
	shape, cost := []int{size}, loss.CrossEntropy
	if n.multi {
		shape, cost = []int{size, n.k}, loss.BCE
	}
	b := model.NewBuilder(model.Training)
	x, y := b.Input("embedding", size, n.d), b.Input("label", shape...)
	logits := n.head.Build(b, n.params, "head", x)
	if b.Err() != nil {
		return nil, b.Err()
	}
	t := &trainer{rows: make([]float32, size*n.d), labels: kernel.New(shape...).Data}
	mean := b.Try(cost(logits, y))
	var err error
	if t.machine, err = b.CompileGrad(mean); err != nil {
		return nil, err
	}
	t.machine.Set(x, t.rows)
	t.machine.Set(y, t.labels)
	n.trainers[size] = t
	return t, nil
}

// step makes one update on the clips at the given indices, whose embeddings row
// gives.
func (n *network) step(ctx context.Context, s Set, row func(clip int) []float64, clips []int, lr float64) error {
	t, err := n.trainer(len(clips))
	if err != nil {
		return err
	}
	clear(t.labels)
	for to, from := range clips {
		narrow(t.rows[to*n.d:(to+1)*n.d], row(from))
		if !n.multi {
			t.labels[to] = float32(s.Labels[from])
			continue
		}
		for _, y := range s.Tags[from] {
			t.labels[to*n.k+y] = 1
		}
	}
	t.machine.SetStep(n.steps)
	n.steps++
	if err := t.machine.Run(ctx); err != nil {
		return err
	}
	t.machine.UpdateStats()
	n.optimizer.Step(n.params.All(), lr)
	return nil
}

// logProba runs the network on all rows of a set.
func (n *network) logProba(ctx context.Context, s Set) ([]float64, error) { // (N, D) → (N, K)
	out := make([]float64, 0, s.N*n.k)
	for at := 0; at < s.N; at += n.batch {
		rows := min(n.batch, s.N-at)
		narrow(n.input, s.X[at*n.d:(at+rows)*n.d]) // rows past the end hold old ones; nobody reads their logits
		logits, err := n.infer(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range logits[:rows*n.k] {
			out = append(out, float64(v))
		}
	}
	for i := range s.N {
		if row := out[i*n.k : (i+1)*n.k]; n.multi {
			logSigmoid(row)
		} else {
			logSoftmax(row)
		}
	}
	return out, nil
}

// validate scores a set: accuracy, or mAP of several labels, and the mean loss.
func (n *network) validate(ctx context.Context, s Set, by over) (validation, error) {
	var err error
	logp := by.ask(s, func(s Set) (out []float64) {
		out, err = n.logProba(ctx, s)
		if err != nil { // which is what is looked at
			out = make([]float64, s.N*n.k)
		}
		return out
	})
	if err != nil {
		return validation{}, err
	}
	return validation{validScore(logp, s) / float64(s.N), meanLoss(logp, s)}, nil
}

// arrays are all that the network's answers depend on.
func (n *network) arrays() (out [][]float32) {
	for _, p := range n.params.All() {
		out = append(out, p.Value.Data)
	}
	for _, b := range n.params.Buffers() {
		out = append(out, b.Value.Data)
	}
	return out
}

// keep remembers the arrays, restore brings them back.
func (n *network) keep() {
	if n.kept == nil {
		n.kept = make([][]float32, len(n.arrays()))
	}
	for i, a := range n.arrays() {
		n.kept[i] = append(n.kept[i][:0], a...)
	}
}

func (n *network) restore() {
	for i, a := range n.arrays() {
		copy(a, n.kept[i])
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
