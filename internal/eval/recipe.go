package eval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/optim"
)

// A recipe is how a head is trained by gradient descent.
type recipe struct {
	head        model.Classifier
	optimizer   optim.Options // with the learning rate
	per         int           // the learning rate is for batches of so many, and in proportion; 0: for any
	cosine      bool          // it falls to 0 over the run, in half a cosine; else it stays
	epochs      int           // at most
	batch       int           // clips a step; all where there are fewer
	standardize bool
	named       bool // the report says which head it was: there are others
	over        over // what becomes of clips' windows, where it is not the next
	windows     bool // a step sees one of a clip's windows, drawn anew each epoch; needs a set that has them, and no scaler

	every    int     // epochs from one validation to the next; 0: none, all clips train, and the last weights are kept
	patience int     // validations without a better score before training stops
	ties     ties    // which of equally good weights are kept
	hold     hold    // which clips validate where none were given
	share    float64 // how many
}

type ties int

const (
	lowerLoss ties = iota
	earlier
	later
)

type hold int

const (
	wholeGroups hold = iota // HeldOut
	nextGroup               // the one group after the fold's name; without groups HeldOut
	drawn                   // any, drawn again until each class is there
)

// part divides a training set, as the recipe validates.
func (r recipe) part(t Training) (part, string) {
	if r.every == 0 {
		return part{train: join(t.Train, t.Valid)}, ""
	}
	if t.Valid.N > 0 {
		return part{t.Train, t.Valid}, ""
	}
	var held []bool
	switch r.hold {
	case wholeGroups:
		held = t.HeldOut(r.share)
	case nextGroup:
		if held = t.wholeGroups(math.SmallestNonzeroFloat64); held == nil {
			held = t.HeldOut(r.share)
		}
	case drawn:
		held = t.drawn(r.share)
	}
	p := t.without(held)
	if p.valid.N == 0 {
		return part{p.train, p.train}, "no clip to spare for validation: stopped on training clips"
	}
	return p, ""
}

// A validation is how good weights are on validation clips.
type validation struct{ score, loss float64 }

// better says whether v, which comes later, is to be kept rather than than.
func (t ties) better(v, than validation) bool {
	return v.score > than.score || v.score == than.score && (t == later || t == lowerLoss && v.loss < than.loss)
}

// fit trains a head.
func (r recipe) fit(ctx context.Context, t Training) (*trainedHead, error) {
	data, note := r.part(t)
	data.train = r.over.learn(data.train)
	scale := scaler{}
	if r.standardize {
		scale = newScaler(data.train)
	}
	data.train, data.valid = scale.apply(data.train), scale.apply(data.valid)
	h, err := r.train(ctx, data, t.Seed)
	if err != nil {
		return nil, err
	}
	h.scale, h.recipe, h.choice.Note = scale, r, note
	if r.named {
		h.choice.Head = r.shape() + ", " + r.head.Init
	}
	return h, nil
}

// train moves a fresh head's weights until validation says stop.
func (r recipe) train(ctx context.Context, data part, seed uint64) (*trainedHead, error) {
	n := data.train.N
	batch := min(r.batch, n)
	lr := r.optimizer.LearningRate()
	if r.per > 0 {
		lr *= float64(batch) / float64(r.per)
	}
	net, err := newNetwork(r.head, data.train, batch, seed, r.optimizer)
	if err != nil {
		return nil, err
	}
	h := &trainedHead{net: net, choice: Choice{LearningRate: lr}}
	diverged := func(epoch int) error {
		return fault.New(fault.Diverged, "use smaller learning rates, or standardize the features",
			"the probe's validation loss is not a number after epoch %d with lr %v", epoch, lr)
	}
	total := r.epochs * ((n + batch - 1) / batch)
	for epoch, stale := 1, 0; epoch <= r.epochs && (r.every == 0 || stale < r.patience); epoch++ {
		order := shuffled(n, seed, epoch)
		row := data.train.Row
		if r.windows && data.train.Windows != nil {
			row = data.train.aWindow(model.Rand(seed, fmt.Sprintf("windows of epoch %d", epoch)))
		}
		for clips := range slices.Chunk(order, batch) {
			if r.head.Norm && len(clips) == 1 && n > 1 {
				break // a batch of one has no statistics; another clip is left out in the next epoch
			}
			now := lr
			if r.cosine {
				now *= (1 + math.Cos(math.Pi*float64(net.steps)/float64(total))) / 2
			}
			if err := net.step(ctx, data.train, row, clips, now); err != nil {
				return nil, err
			}
		}
		if r.every == 0 || epoch%r.every != 0 {
			continue
		}
		now, err := net.validate(ctx, data.valid, r.over)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(now.loss) {
			return nil, diverged(epoch)
		}
		stale++
		if h.choice.Epoch == 0 || r.ties.better(now, h.score) {
			h.score, stale = now, 0
			h.choice.Epoch = epoch
			h.choice.validated(data.valid.Multi(), now.score)
			net.keep()
		}
	}
	if r.every > 0 {
		net.restore()
		return h, nil
	}
	h.choice.Epoch = r.epochs
	if last, err := net.validate(ctx, data.train, ""); err != nil || math.IsNaN(last.loss) {
		return nil, cmp.Or(err, diverged(r.epochs))
	}
	return h, nil
}

// aWindow gives one window of each clip that it is asked for.
func (s Set) aWindow(r *rand.Rand) func(clip int) []float64 { // (D)
	return func(clip int) []float64 {
		all := s.Windows[clip]
		return all[s.D*r.IntN(len(all)/s.D):][:s.D]
	}
}

// A trainedHead is a trained network behind its scaler.
type trainedHead struct {
	net    *network
	scale  scaler
	recipe recipe
	score  validation
	choice Choice
}

func (h *trainedHead) LogProba(s Set) []float64 {
	// The machines ran on other clips before; what failed there is no input's
	// fault.
	return h.recipe.over.ask(h.scale.apply(s), func(s Set) []float64 {
		out, err := h.net.logProba(context.Background(), s)
		if err != nil {
			panic("eval: trained probe: " + err.Error())
		}
		return out
	})
}

func (h *trainedHead) Choice() Choice { return h.choice }
