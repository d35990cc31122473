package method

import (
	"context"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/optim"
)

// A guess is what the papers have in common whose online tower guesses, from each
// view of a batch, what a second tower makes of the other. The second tower has no
// predictor and no gradient; it follows.
type guess struct {
	name      string
	momentum  float64 // of the second tower at the start
	projector model.MLP
	predictor model.MLP
	groups    int // of rows, with batch statistics of their own

	// loss is the paper's, of unit guesses and targets (2N, P): row i guesses the
	// target of its clip's other view. It also tells the loss of guessing blindly.
	loss func(b *model.Builder, guesses, targets *gorgonia.Node) (loss *gorgonia.Node, chance float64)
}

func (o guess) new(s Setup) (Method, error) {
	if err := s.check(2*s.Batch, o.groups); err != nil {
		return nil, err
	}
	m := &towers{guess: o, s: s, online: s.params(), target: s.params(), graphs: map[int]*towersGraph{},
		goals: s.array(2*s.Batch, o.projector.Out).Data}
	if _, err := m.graph(s.Batch); err != nil {
		return nil, err
	}
	if s.draft == nil {
		m.target.Follow(m.online, 0)
	}
	return m, nil
}

type towers struct {
	guess
	s              Setup
	online, target *model.Params
	graphs         map[int]*towersGraph // by batch size
	memory         exec.Memory          // of all graphs, for the towers take turns
	goals          []float32            // (2N, P): the target tower's projections
	last           *towersGraph
}

// A towersGraph is two graphs; the target tower's runs forward only.
type towersGraph struct {
	online, target       *model.Machine
	x, z, loss, xt, goal *gorgonia.Node
	chance               float64
}

// graph is the one for batches of n pairs, built at its first use.
func (m *towers) graph(n int) (*towersGraph, error) {
	if g := m.graphs[n]; g != nil {
		return g, nil
	}
	var g towersGraph
	var err error
	groups := groupsOf(m.groups, 2*n)

	b := m.s.builder(groups, &m.memory)
	g.xt = b.Input("target views", m.s.Input.Shape(2*n)...) // (2N, C, F, T)
	g.goal = m.s.tower(b, m.target, m.projector, g.xt)      // (2N, P)
	if g.target, err = b.Compile(g.goal); err != nil {
		return nil, fmt.Errorf("%s: target tower, batch of %d: %w", m.name, n, err)
	}

	b = m.s.builder(groups, &m.memory)
	g.x = b.Input("views", m.s.Input.Shape(2*n)...)                      // (2N, C, F, T)
	z := m.s.project(b, m.online, m.projector, g.x)                      // (2N, P)
	guess := b.Normalize(m.predictor.Build(b, m.online, "predictor", z)) // (2N, P)
	goals := b.Input("targets", 2*n, m.projector.Out)                    // (2N, P)
	g.z = b.Normalize(z)                                                 // (2N, P)
	g.loss, g.chance = m.loss(b, guess, goals)
	if g.online, err = b.CompileGrad(g.loss, g.z); err != nil {
		return nil, fmt.Errorf("%s: online tower, batch of %d: %w", m.name, n, err)
	}

	m.s.compiled("target tower", g.target, 2*n, nil)
	m.s.compiled("online tower", g.online, 2*n, nil)
	if m.s.draft != nil {
		return &g, nil
	}
	g.online.Set(goals, m.goals[:2*n*m.projector.Out])
	m.graphs[n] = &g
	return &g, nil
}

func (m *towers) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.Fits(b, Needs{}); err != nil {
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
	return Result{Loss: g.online.Value(g.loss).Data[0], Chance: g.chance, Z: g.online.Value(g.z)}, nil
}

// Advance moves the running statistics and lets the target tower follow.
func (m *towers) Advance(progress float64) {
	if m.last == nil {
		panic("method: " + m.name + ": Advance without a Step before")
	}
	m.last.online.UpdateStats()
	m.target.Follow(m.online, float32(rising(m.momentum, progress))) // ξ = τ ξ + (1-τ) θ
}

// rising is a momentum that begins as base and comes to 1 over the run by half a
// cosine (Grill et al. 2020, section 3.2).
func rising(base, progress float64) float64 {
	return 1 - (1-base)*(math.Cos(math.Pi*progress)+1)/2
}

// Towers implements Follower.
func (m *towers) Towers() (leading, following map[string]kernel.Array) {
	return m.online.Weights(), m.target.Weights()
}

func (m *towers) Params() []*optim.Param { return m.online.All() }

func (m *towers) State() map[string]kernel.Array {
	s := map[string]kernel.Array{}
	m.online.State("", s)
	m.target.State("target.", s)
	return s
}
