package method

import (
	"context"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

// BYOL is Grill et al. 2020, "Bootstrap your own latent", algorithm 1: from one
// view the online tower and its predictor guess what the target tower makes of
// the other. The target tower follows the online one slowly; there are no
// negatives.
type BYOL struct {
	Momentum  float64   `yaml:"momentum" doc:"of the target tower at the start, the paper's tau: m in m*target + (1-m)*online; it rises to 1 over the run by a cosine"`
	Projector model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor model.MLP `yaml:"predictor" doc:"from a view's projection to the other view's target; out is the projector's"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart, as the paper does"`
}

func (o BYOL) Doc() string {
	return "BYOL (Grill et al. 2020): guess a slowly following tower's projection of the other view"
}

func (o BYOL) Check() error {
	if err := checkMomentum(o.Momentum); err != nil {
		return err
	}
	return checkPredictor(o.Projector, o.Predictor, o.Groups)
}

// Unit implements Options: each tower sees both views at once.
func (o BYOL) Unit() int { return unitOf(o.Groups, 2) }

func (o BYOL) New(s Setup) (Method, error) {
	if err := s.check(2*s.Batch, o.Groups); err != nil {
		return nil, err
	}
	m := &byol{o: o, s: s, online: s.params(), target: s.params(), graphs: map[int]*byolGraph{},
		goals: s.array(2*s.Batch, o.Projector.Out).Data}
	if _, err := m.graph(s.Batch); err != nil {
		return nil, err
	}
	if s.draft == nil {
		m.target.Follow(m.online, 0)
	}
	return m, nil
}

type byol struct {
	o              BYOL
	s              Setup
	online, target *model.Params
	graphs         map[int]*byolGraph // by batch size
	memory         exec.Memory        // of all graphs, for the towers take turns
	goals          []float32          // (2N, P): the target tower's projections
	last           *byolGraph
}

// A byolGraph is two graphs; the target tower's runs forward only.
type byolGraph struct {
	online, target       *model.Machine
	x, z, loss, xt, goal *gorgonia.Node
}

// graph is the one for batches of n pairs, built at its first use.
func (m *byol) graph(n int) (*byolGraph, error) {
	if g := m.graphs[n]; g != nil {
		return g, nil
	}
	var g byolGraph
	var err error
	groups := groupsOf(m.o.Groups, 2*n)

	b := m.s.builder(groups, &m.memory)
	g.xt = b.Input("target views", m.s.Input.Shape(2*n)...) // (2N, C, F, T)
	g.goal = m.s.tower(b, m.target, m.o.Projector, g.xt)    // (2N, P)
	if g.target, err = b.Compile(g.goal); err != nil {
		return nil, fmt.Errorf("byol: target tower, batch of %d: %w", n, err)
	}

	b = m.s.builder(groups, &m.memory)
	g.x = b.Input("views", m.s.Input.Shape(2*n)...)                        // (2N, C, F, T)
	z := m.s.project(b, m.online, m.o.Projector, g.x)                      // (2N, P)
	guess := b.Normalize(m.o.Predictor.Build(b, m.online, "predictor", z)) // (2N, P)
	goals := b.Input("targets", 2*n, m.o.Projector.Out)                    // (2N, P)
	g.z, g.loss = b.Normalize(z), b.Try(loss.BYOL(guess, goals))           // scalar
	if g.online, err = b.CompileGrad(g.loss, g.z); err != nil {
		return nil, fmt.Errorf("byol: online tower, batch of %d: %w", n, err)
	}

	m.s.compiled("target tower", g.target, 2*n, nil)
	m.s.compiled("online tower", g.online, 2*n, nil)
	if m.s.draft != nil {
		return &g, nil
	}
	g.online.Set(goals, m.goals[:2*n*m.o.Projector.Out])
	m.graphs[n] = &g
	return &g, nil
}

func (m *byol) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.fits(b, Needs{}); err != nil {
		return Result{}, err
	}
	g, err := m.graph(b.N)
	if err != nil {
		return Result{}, err
	}
	m.last = nil
	g.target.SetStep(b.Step)
	g.target.Set(g.xt, b.X)
	if err := g.target.Run(ctx); err != nil { // z' = g_ξ(f_ξ(x)), no gradient
		return Result{}, fmt.Errorf("target tower: %w", err)
	}
	copy(m.goals, g.target.Value(g.goal).Data)

	g.online.SetStep(b.Step)
	g.online.Set(g.x, b.X)
	if err := g.online.Run(ctx); err != nil { // q_θ(g_θ(f_θ(x))), loss, gradients
		return Result{}, fmt.Errorf("online tower: %w", err)
	}
	m.last = g
	return Result{Loss: g.online.Value(g.loss).Data[0], Z: g.online.Value(g.z)}, nil
}

// Advance moves the running statistics and lets the target tower follow.
func (m *byol) Advance(progress float64) {
	if m.last == nil {
		panic("method: byol: Advance without a Step before")
	}
	m.last.online.UpdateStats()
	m.target.Follow(m.online, float32(rising(m.o.Momentum, progress))) // ξ = τ ξ + (1-τ) θ
}

// rising is a momentum that begins as base and comes to 1 over the run by half a
// cosine (Grill et al. 2020, section 3.2).
func rising(base, progress float64) float64 {
	return 1 - (1-base)*(math.Cos(math.Pi*progress)+1)/2
}

// Towers implements Follower.
func (m *byol) Towers() (leading, following map[string]kernel.Array) {
	return m.online.Weights(), m.target.Weights()
}

func (m *byol) Params() []*optim.Param { return m.online.All() }

func (m *byol) State() map[string]kernel.Array {
	s := map[string]kernel.Array{}
	m.online.State("", s)
	m.target.State("target.", s)
	return s
}
