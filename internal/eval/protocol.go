package eval

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/optim"
)

// A protocol is a probe by gradient descent: a recipe, or several of which the
// best on validation clips is kept.
type protocol struct {
	name    string
	seeds   []uint64
	recipes []recipe
	once    bool // chosen on the first split, for all of them
	lr      bool // a task may have a learning rate of its own
}

// Protocols are the names that --protocol knows, by the kind of probe, and what
// they are.
var Protocols = map[string]map[string]string{
	"linear": {
		"lbfgs":  "logistic regression by L-BFGS, its strength chosen on validation clips",
		"evar":   "EVAR's linear evaluation (BYOL-A v2, M2D, ATST): Adam, stopped early, three seeds",
		"cola":   "COLA's: a dense layer, 100 epochs of Adam, the mean logits of windows",
		"simclr": "the vision papers': 90 epochs of SGD, learning rate by a cosine",
	},
	"mlp": {
		"adamw": "the keys of mlp_probe: AdamW, stopped early",
		"evar":  "EVAR's with a hidden layer of 512 and dropout 0.5",
		"hear":  "HEAR's scene tasks: eight of sixteen MLPs, chosen on the first split",
	},
}

// The sources' constants; docs/evaluation.md says where each is from, and what
// cannot be the same here.
var (
	evar = recipe{
		head:      model.Classifier{Init: "pytorch"},
		optimizer: optim.Adam{LR: 3e-4, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8, WeightDecay: 1e-8},
		epochs:    200, batch: 200, standardize: true,
		every: 1, patience: 20, ties: later, hold: drawn, share: 0.1,
	}
	evarMLP = func() recipe {
		r := evar
		r.head.Hidden, r.head.Dropout = []int{512}, 0.5
		return r
	}()
	cola = recipe{
		head:      model.Classifier{Init: "keras"},
		optimizer: optim.Adam{LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-7},
		epochs:    100, batch: 64, windows: true,
	}
	simclr = recipe{
		head:      model.Classifier{Init: "pytorch"},
		optimizer: optim.SGD{LR: 0.1, Momentum: 0.9},
		per:       256, cosine: true, epochs: 90, batch: 256,
	}
	hear = recipe{
		head:      model.Classifier{Norm: true, Dropout: 0.1},
		optimizer: optim.Adam{Betas: [2]float64{0.9, 0.999}, Eps: 1e-8},
		epochs:    500, batch: 1024,
		every: 3, patience: 20, ties: earlier, hold: nextGroup, share: 0.1,
	}
)

// hearGrid is the first eight of HEAR's sixteen settings, 1 or 2 hidden layers of
// 1024 × two beginnings × four learning rates, in the order in which Python's
// generator with seed 42 shuffles them: what heareval runs by default.
var hearGrid = []struct {
	layers int
	init   string
	lr     float64
}{
	{1, "xavier_normal", 1e-4},
	{2, "xavier_uniform", 1e-3},
	{1, "xavier_normal", 1e-3},
	{1, "xavier_normal", 3.2e-4},
	{2, "xavier_normal", 3.2e-4},
	{2, "xavier_uniform", 3.2e-4},
	{2, "xavier_normal", 3.2e-3},
	{2, "xavier_uniform", 3.2e-3},
}

// protocolOf is the one of a name; lr, if not 0, is the task's.
func protocolOf(kind, name string, lr float64) protocol {
	var p protocol
	switch kind + " " + name {
	case "linear evar":
		p = protocol{seeds: []uint64{42, 43, 44}, recipes: []recipe{evar}, lr: true}
	case "mlp evar":
		p = protocol{seeds: []uint64{42, 43, 44}, recipes: []recipe{evarMLP}, lr: true}
	case "linear cola":
		p = protocol{seeds: []uint64{42}, recipes: []recipe{cola}, lr: true}
	case "linear simclr":
		p = protocol{seeds: []uint64{42}, recipes: []recipe{simclr}, lr: true}
	case "mlp hear":
		p = protocol{seeds: []uint64{42}, once: true}
		for _, g := range hearGrid {
			r := hear.at(g.lr)
			r.head.Hidden, r.head.Init, r.named = slices.Repeat([]int{1024}, g.layers), g.init, true
			p.recipes = append(p.recipes, r)
		}
	default:
		panic("eval: no protocol " + name + " of the " + kind + " probe")
	}
	p.name = name
	if lr > 0 {
		p.recipes = []recipe{p.recipes[0].at(lr)}
	}
	return p
}

// at is the recipe with a learning rate.
func (r recipe) at(lr float64) recipe {
	switch o := r.optimizer.(type) {
	case optim.Adam:
		o.LR = lr
		r.optimizer = o
	case optim.SGD:
		o.LR = lr
		r.optimizer = o
	}
	return r
}

// checkProtocol refuses a name or a learning rate that a kind of probe has not.
func checkProtocol(kind, name string, lr float64) error {
	known := Protocols[kind]
	if _, ok := known[name]; !ok {
		names := slices.Sorted(maps.Keys(known))
		return fault.New(fault.Usage, "use "+strings.Join(names, ", "), "protocol is %q, which is none of the %s probe", name, kind)
	}
	if !(lr >= 0) || math.IsInf(lr, 1) {
		return fault.New(fault.Usage, "0 is the protocol's own", "protocol_lr is %v, it must be 0 or more", lr)
	}
	if lr > 0 && (name == "lbfgs" || name == "adamw" || !protocolOf(kind, name, 0).lr) {
		return fault.New(fault.Usage, "set protocol_lr to 0", "protocol_lr is %v, and the protocol %s has no learning rate to be set", lr, name)
	}
	return nil
}

// ProtocolOf is the name of the protocol that a probe follows and its settings in
// a line; empty where it has none.
func ProtocolOf(p Probe) (name, settings string) {
	switch p := p.(type) {
	case LinearProbe:
		if p.Protocol == "lbfgs" {
			return p.Protocol, p.settings()
		}
		return p.protocol().name, p.protocol().settings()
	case MLPProbe:
		return p.protocol().name, p.protocol().settings()
	}
	return "", ""
}

// Heeds tells whether a kind of probe that follows a protocol heeds another key of its
// section: of named ones the constants are their own.
func Heeds(kind, protocol, key string) bool {
	usual, _ := ProtocolOf(Table[kind])
	return protocol == usual || key == "protocol_lr"
}

// settings are a protocol's constants, written from what is obeyed.
func (p protocol) settings() string {
	r := p.recipes[0]
	optimizer := map[string]string{"optim.Adam": "Adam", "optim.AdamW": "AdamW", "optim.SGD": "SGD"}[fmt.Sprintf("%T", r.optimizer)]
	var rates, heads []string
	for _, r := range p.recipes {
		rates, heads = appendNew(rates, fmt.Sprint(r.optimizer.LearningRate())), appendNew(heads, r.shape())
	}
	parts := []string{strings.Join(heads, " or ")}
	if r.head.Norm {
		parts = append(parts, "batch norm")
	}
	if r.head.Dropout > 0 {
		parts = append(parts, fmt.Sprintf("dropout %g", r.head.Dropout))
	}
	moved := optimizer + " lr " + strings.Join(rates, ", ")
	if r.per > 0 {
		moved += fmt.Sprintf("·batch/%d", r.per)
	}
	if r.cosine {
		moved += " by a cosine"
	}
	parts = append(parts, moved)
	switch o := r.optimizer.(type) {
	case optim.SGD:
		parts = append(parts, fmt.Sprintf("momentum %g", o.Momentum))
	case optim.Adam:
		parts = append(parts, fmt.Sprintf("weight decay %g", o.WeightDecay))
	case optim.AdamW:
		parts = append(parts, fmt.Sprintf("weight decay %g", o.WeightDecay))
	}
	parts = append(parts, fmt.Sprintf("batch %d", r.batch))
	if r.every == 0 {
		parts = append(parts, fmt.Sprintf("%d epochs", r.epochs))
	} else {
		parts = append(parts, fmt.Sprintf("at most %d epochs", r.epochs), fmt.Sprintf("validated every %d", r.every), fmt.Sprintf("patience %d", r.patience))
	}
	if r.standardize {
		parts = append(parts, "standardized")
	}
	if r.windows {
		parts = append(parts, "one window of a clip each")
	}
	if r.over.each() {
		parts = append(parts, "windows by "+string(r.over))
	}
	if len(p.recipes) > 1 {
		parts = append(parts, fmt.Sprintf("best of %d", len(p.recipes)))
	}
	if p.once {
		parts[len(parts)-1] += " on the first split"
	}
	return strings.Join(append(parts, "seeds "+strings.Trim(fmt.Sprint(p.seeds), "[]")), ", ")
}

// shape is the head's layers in words.
func (r recipe) shape() string {
	if len(r.head.Hidden) == 0 {
		return "linear"
	}
	return strings.Trim(fmt.Sprint(r.head.Hidden), "[]") + " hidden"
}

func appendNew(all []string, s string) []string {
	if slices.Contains(all, s) {
		return all
	}
	return append(all, s)
}

// Doc says in one line what this is.
func (p protocol) Doc() string { return "the protocol " + p.name + ": " + p.settings() }

// Check accepts; there are no settings.
func (protocol) Check() error { return nil }

// Repeats gives one head a seed.
func (p protocol) Repeats() []uint64 { return p.seeds }

// Fit trains a head by each recipe and keeps the best on validation clips, the
// first of equals unless the recipes go by their loss.
func (p protocol) Fit(ctx context.Context, t Training) (Head, error) {
	return p.best(ctx, t)
}

func (p protocol) best(ctx context.Context, t Training) (*trainedHead, error) {
	var best *trainedHead
	for _, r := range p.recipes {
		h, err := r.fit(ctx, t)
		if err != nil {
			return nil, err
		}
		if best == nil || min(r.ties, earlier).better(h.score, best.score) {
			best = h
		}
	}
	return best, nil
}

// A chooser chooses once, on the first split's clips, what all splits use.
type chooser interface {
	choose(context.Context, Training) (Probe, error)
}

func (p protocol) choose(ctx context.Context, first Training) (Probe, error) {
	if !p.once {
		return p, nil
	}
	h, err := p.best(ctx, first)
	if err != nil {
		return nil, err
	}
	p.recipes, p.once = []recipe{h.recipe}, false
	return p, nil
}
