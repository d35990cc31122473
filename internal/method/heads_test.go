package method

import (
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/kernel"
	"clr/internal/model"
)

// look lays something over a batch with weights of a method, and runs it.
func look(t *testing.T, m *siamese, p *model.Params, b Batch, lay layers) matrix {
	t.Helper()
	g := model.NewBuilder(model.Training).Groups(m.groups)
	in := inputs{n: b.N, x: g.Input("x", b.Input.Shape(2*b.N)...)}
	if m.needs.Crops > 0 {
		in.crops = g.Input("crops", m.needs.Short(m.s.Input).Shape(m.needs.Crops*b.N)...)
	}
	y := lay(g, p, in).z
	machine, err := g.Compile(y)
	if err != nil {
		t.Fatal(err)
	}
	machine.Set(in.x, b.X)
	if in.crops != nil {
		machine.Set(in.crops, b.Crops)
	}
	if err := machine.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return matrixOf(machine.Value(y))
}

// A matrix is rows in float64.
type matrix [][]float64

func matrixOf(a kernel.Array) matrix {
	d := a.Shape[1]
	x := make(matrix, a.Shape[0])
	for i := range x {
		for _, v := range a.Data[i*d : (i+1)*d] {
			x[i] = append(x[i], float64(v))
		}
	}
	return x
}

// times is x yᵀ.
func (x matrix) times(y matrix) matrix {
	s := make(matrix, len(x))
	for i := range x {
		for j := range y {
			sum := 0.0
			for k := range x[i] {
				sum += x[i][k] * y[j][k]
			}
			s[i] = append(s[i], sum)
		}
	}
	return s
}

// entropy is the mean over rows of the cross entropy with the row's own number, of
// logits times scale.
func (x matrix) entropy(scale float64) float64 {
	total := 0.0
	for i, row := range x {
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(scale * (v - row[i]))
		}
		total += math.Log(sum) / float64(len(x))
	}
	return total
}

// trained is a small method after some steps, its next batch and what that gives.
func trained(t *testing.T, o Options) (*siamese, Batch, float64) {
	t.Helper()
	const n = 8
	m := newMethod(t, o, setup(n))
	train(t, m, sgd(m), n, 0, 3)
	b := toy(n, 3)
	return inside(m), b, float64(step(t, m, b).Loss)
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// MoCo v3's loss is that of algorithm 1.
func TestMoCoV3Loops(t *testing.T) {
	o := options()["moco_v3"].(MoCoV3)
	m, b, got := trained(t, o)
	q := look(t, m, m.params, b, func(g *model.Builder, p *model.Params, in inputs) outputs {
		return outputs{z: g.Normalize(o.Predictor.Build(g, p, "predictor", m.s.project(g, p, o.Projector, in.x)))}
	})
	k := look(t, m, m.second.params, b, func(g *model.Builder, p *model.Params, in inputs) outputs {
		return outputs{z: m.s.tower(g, p, o.Projector, in.x)}
	})
	ctr := func(q, k matrix) float64 { return 2 * o.Temperature * q.times(k).entropy(1/o.Temperature) }
	near(t, "moco_v3", got, ctr(q[:b.N], k[b.N:])+ctr(q[b.N:], k[:b.N]))
}

// NNCLR's loss is that of algorithm 1, with the temperature that it has learnt; and
// the queue gets the first views' projections.
func TestNNCLRLoops(t *testing.T) {
	for _, name := range []string{"nnclr", "nnclr, temperature learnt"} {
		o := options()[name].(NNCLR)
		m, b, got := trained(t, o)
		z := look(t, m, m.params, b, func(g *model.Builder, p *model.Params, in inputs) outputs {
			return outputs{z: m.s.tower(g, p, o.Projector, in.x)}
		})
		guess := look(t, m, m.params, b, func(g *model.Builder, p *model.Params, in inputs) outputs {
			return outputs{z: g.Normalize(o.Predictor.Build(g, p, "predictor", m.s.project(g, p, o.Projector, in.x)))}
		})
		scale := 1 / o.Temperature
		if o.Learn {
			scale = math.Exp(float64(m.State()[scaleName].Data[0]))
			if scale == 1/o.Temperature {
				t.Error("the temperature does not move")
			}
		}
		queue, near1 := matrixOf(m.State()["queue"]), matrix{}
		others := 0
		for i, row := range z.times(queue) {
			at := 0
			for j, v := range row {
				if v > row[at] {
					at = j
				}
			}
			near1 = append(near1, queue[at])
			if i < b.N && at != i {
				others++
			}
		}
		if others == 0 {
			t.Errorf("%s: every clip's neighbour is the row of its own number", name)
		}
		want := (near1[:b.N].times(guess[b.N:]).entropy(scale) + near1[b.N:].times(guess[:b.N]).entropy(scale)) / 2
		near(t, name, got, want)

		head := int(m.State()["queue_head"].Data[0])
		m.Advance(0.5)
		after := matrixOf(m.State()["queue"])
		for i := range b.N {
			for k, v := range after[(head+i)%len(after)] {
				if math.Abs(v-z[i][k]) > 1e-5 {
					t.Fatalf("%s: row %d of the queue is not the first view's projection of clip %d", name, head+i, i)
				}
			}
		}
	}
}

// COLA's loss is that of section 2, over layer norm and tanh in loops.
func TestCOLALoops(t *testing.T) {
	o := options()["cola"].(COLA)
	m, b, got := trained(t, o)
	g := look(t, m, m.params, b, func(g *model.Builder, p *model.Params, in inputs) outputs {
		return outputs{z: m.s.project(g, p, o.projector(), in.x)}
	})
	gamma, beta := m.State()["projector.1.weight"].Data, m.State()["projector.1.bias"].Data
	for _, row := range g {
		mean, variance, d := 0.0, 0.0, float64(len(row))
		for _, v := range row {
			mean += v / d
		}
		for _, v := range row {
			variance += (v - mean) * (v - mean) / d
		}
		for i, v := range row {
			row[i] = math.Tanh((v-mean)/math.Sqrt(variance+1e-5)*float64(gamma[i]) + float64(beta[i]))
		}
	}
	w := matrixOf(m.State()["bilinear.weight"])
	near(t, "cola", got, g[:b.N].times(g[b.N:].times(w)).entropy(1)) // a W bᵀ = a (b Wᵀ)ᵀ
}

// slopes moves each weight of a method along its gradient: a loss that is computed
// anew has the gradient's length for a slope.
func slopes(t *testing.T, name string, m *siamese, loss func() float64) {
	t.Helper()
	grads, tried := map[string][]float32{}, 0
	for _, w := range m.Params() {
		grads[w.Name] = slices.Clone(w.Grad.Data)
	}
	for _, w := range m.Params() {
		g := grads[w.Name]
		length := math.Sqrt(kernel.SumSquares(g))
		if length < 1e-2 {
			continue // a shift before a norm moves nothing
		}
		old := slices.Clone(w.Value.Data)
		at := func(h float64) float64 {
			for i, v := range g {
				w.Value.Data[i] = old[i] + float32(h*float64(v)/length)
			}
			return loss()
		}
		const h = 2e-4 // larger steps meet the kinks of ReLUs; where one lies beside the point, the gradient is the slope of one side
		before, here, after := at(-h), at(0), at(h)
		copy(w.Value.Data, old)
		near := func(slope float64) bool { return math.Abs(slope-length) <= 0.03*length+0.01 }
		if slope := (after - before) / (2 * h); !near(slope) && !near((after-here)/h) && !near((here-before)/h) {
			t.Errorf("%s: %s: slope %g, gradient %g", name, w.Name, slope, length)
		}
		tried++
	}
	if tried < 10 {
		t.Errorf("%s: only %d weights have a gradient", name, tried)
	}
}

// Gradients are those of the whole graph's loss.
func TestSlopes(t *testing.T) {
	learnt := slices.DeleteFunc(names(options()), func(name string) bool { return !strings.HasSuffix(name, "temperature learnt") })
	for _, name := range append(learnt, "moco_v3", "nnclr", "cola", "cola by cosine") {
		m, b, _ := trained(t, options()[name])
		if s := m.params.Weight(scaleName); s != nil && math.Abs(float64(s.Grad.Data[0])) < 1e-2 {
			t.Errorf("%s: the temperature's gradient, %g, is too small to be tried", name, s.Grad.Data[0])
		}
		slopes(t, name, m, func() float64 { return float64(step(t, m, b).Loss) })
	}
}

// Where a method has a predictor, what is learnt goes through all of its layers.
func TestPredictorsLearn(t *testing.T) {
	found := 0
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(6))
		step(t, m, toy(6, 0))
		predicts := false
		for _, p := range m.Params() {
			if strings.HasPrefix(p.Name, "predictor.") && len(p.Value.Shape) == 2 {
				predicts = true
				if !(kernel.SumSquares(p.Grad.Data) > 0) {
					t.Errorf("%s: %s has no gradient", name, p.Name)
				}
			}
		}
		if _, has := reflect.TypeOf(options()[name]).FieldByName("Predictor"); has != predicts {
			t.Errorf("%s: an option says that there is a predictor: %v; it has weights: %v", name, has, predicts)
		} else if has {
			found++
		}
	}
	if found < 4 {
		t.Errorf("%d methods have a predictor", found)
	}
}

// A temperature that is learnt begins as the one that is given, and stops at 0.01.
func TestLearntTemperature(t *testing.T) {
	const n = 6
	o := options()["simclr"].(SimCLR)
	learnt := o
	learnt.Learn = true
	m := newMethod(t, learnt, setup(n))
	near(t, "the first loss", float64(step(t, m, toy(n, 0)).Loss), float64(step(t, newMethod(t, o, setup(n)), toy(n, 0)).Loss))
	s := m.State()[scaleName]
	if !slices.Equal(s.Shape, []int{1}) {
		t.Fatalf("%s is %v", scaleName, s.Shape)
	}
	s.Data[0] = 7
	m.Advance(0)
	near(t, "the scale", math.Exp(float64(s.Data[0])), 100)
	near(t, "what a step says", step(t, m, toy(n, 0)).Temperature, 0.01)
	s.Data[0] = -1e9
	if v := step(t, m, toy(n, 0)).Temperature; v-v != 0 {
		t.Errorf("a step says %v", v)
	}
	s.Data[0] = -7
	m.Advance(0)
	near(t, "a low scale", float64(s.Data[0]), -7)
}

// With equal projections, and so no way to choose, losses are those of chance.
func TestChance(t *testing.T) {
	const n = 6
	for _, name := range names(options()) {
		if NeedsOf(options()[name]).Labels {
			continue // classifiers have a loss of their own
		}
		m := newMethod(t, options()[name], setup(n))
		chance := step(t, m, toy(n, 0)).Chance
		if chance == 0 {
			continue
		}
		b := toy(n, 0)
		clear(b.X)
		for _, p := range m.Params() { // all projections are the bias of the last layer
			if strings.HasSuffix(p.Name, ".weight") && len(p.Value.Shape) == 2 {
				clear(p.Value.Data)
			}
		}
		if a, negatives := m.(followedQueue); negatives {
			keys, _ := a.Queue(0)
			near(t, name, chance, math.Log(float64(keys+1)))
			continue // the queue's keys are not equal to the batch's
		}
		r := step(t, m, b)
		if math.Abs(float64(r.Loss)-chance) > 1e-3*chance {
			t.Errorf("%s: the loss is %g of equal projections, chance %g", name, r.Loss, chance)
		}
	}
}
