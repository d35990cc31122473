package method

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
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

// assign is the pseudocode of Caron et al. 2020, appendix A: rows of samples.
func assign(scores matrix, epsilon float64, iterations int) matrix {
	q := make(matrix, len(scores))
	for i, row := range scores {
		for _, v := range row {
			q[i] = append(q[i], math.Exp(v/epsilon))
		}
	}
	for range iterations {
		for j := range q[0] {
			sum := 0.0
			for i := range q {
				sum += q[i][j]
			}
			for i := range q {
				q[i][j] /= sum
			}
		}
		for i := range q {
			sum := 0.0
			for _, v := range q[i] {
				sum += v
			}
			for j := range q[i] {
				q[i][j] /= sum
			}
		}
	}
	return q
}

// swapped is SwAV's loss of scores (V·N, K), for assignments (N, K) of the two long
// views that stay, and its gradient.
func (o SwAV) swapped(scores matrix, q [assigned]matrix) (loss float64, grad matrix) {
	n := len(q[0])
	part := 1 / float64(assigned*(len(scores)/n-1)*n)
	for at, row := range scores {
		sum := 0.0
		for _, s := range row {
			sum += math.Exp(s / o.Temperature)
		}
		pull := make([]float64, len(row))
		for a := range q {
			if a == at/n {
				continue
			}
			for j, s := range row {
				loss -= part * q[a][at%n][j] * (s/o.Temperature - math.Log(sum))
				pull[j] += part * (math.Exp(s/o.Temperature)/sum - q[a][at%n][j]) / o.Temperature
			}
		}
		grad = append(grad, pull)
	}
	return loss, grad
}

// SwAV's loss is that of algorithm 1, of long views alone and of shorter ones and a
// queue too; its gradients are those of constant assignments: of each value of the
// prototypes in loops, of each weight as a slope.
func TestSwAVLoops(t *testing.T) {
	for _, name := range []string{"swav", "swav, all of it"} {
		o := options()[name].(SwAV)
		m, b, got := trained(t, o)
		project := func() matrix {
			return look(t, m, m.params, b, func(g *model.Builder, p *model.Params, in inputs) outputs {
				h := m.s.Encoder.Build(g, p, "encoder", in.x)
				if in.crops != nil {
					h = g.Stack(h, m.s.Encoder.Build(g, p, "encoder", in.crops))
				}
				return outputs{z: g.Normalize(o.Projector.Build(g, p, "projector", h))}
			})
		}
		c := m.params.Weight("prototypes.weight")
		z, n := project(), b.N
		scores := z.times(matrixOf(c.Value))
		var old matrix // scores of the queue, of either view
		if o.Queue > 0 {
			old = matrixOf(m.State()["queue"]).times(matrixOf(c.Value))
		}
		var q [assigned]matrix
		for a := range q {
			all := append(slices.Clone(old[a*o.Queue:(a+1)*o.Queue]), scores[a*n:(a+1)*n]...)
			q[a] = assign(all, o.Epsilon, o.Iterations)[o.Queue:]
		}
		loss, pull := o.swapped(scores, q)
		near(t, name, got, loss)

		for j, d := 0, len(z[0]); j < o.Prototypes; j++ {
			for k := range d {
				want := 0.0
				for i := range z {
					want += pull[i][j] * z[i][k]
				}
				if v := float64(c.Grad.Data[j*d+k]); math.Abs(v-want) > 1e-4 {
					t.Fatalf("%s: value %d of prototype %d has gradient %g, want %g", name, k, j, v, want)
				}
			}
		}
		slopes(t, name, m, func() float64 {
			loss, _ := o.swapped(project().times(matrixOf(c.Value)), q)
			return loss
		})
	}
}

// Prototypes are unit vectors, at first, too. They stay to the bit, or nearly, for as
// long as they are frozen, whatever the optimiser does, and move then.
func TestPrototypes(t *testing.T) {
	const n = 8
	o := options()["swav, all of it"].(SwAV)
	m := newMethod(t, o, setup(n))
	c := m.State()["prototypes.weight"]
	first := slices.Clone(c.Data)
	opt := sgd(m)
	for s := range 4 {
		for i := range o.Prototypes {
			if norm := kernel.SumSquares(c.Data[i*8 : (i+1)*8]); math.Abs(norm-1) > 1e-6 {
				t.Errorf("step %d: |c|² of prototype %d is %g", s, i, norm)
			}
		}
		moved := 0.0
		for i, v := range c.Data {
			moved = max(moved, math.Abs(float64(v-first[i])))
		}
		if s <= o.Freeze && moved > 1e-6 || s > o.Freeze && moved < 1e-4 {
			t.Errorf("after %d steps prototypes have moved by %g", s, moved)
		}
		step(t, m, toy(n, s))
		opt.Step(m.Params(), 0.05)
		m.Advance(0)
	}
}

// Prototypes that a config freezes keep their bytes, whatever a step makes of the rest.
func TestPrototypesOfNoRate(t *testing.T) {
	const n = 8
	o := options()["swav"].(SwAV)
	m := newMethod(t, o, setup(n))
	for _, p := range m.Params() {
		if strings.HasPrefix(p.Name, prototypes) {
			p.Rate = 0
		}
	}
	c := m.State()["prototypes.weight"]
	for i := range c.Data { // so that bringing them to unit length would show
		c.Data[i] *= 1.5
	}
	first := slices.Clone(c.Data)
	train(t, m, sgd(m), n, 0, 2)
	if !slices.Equal(c.Data, first) {
		t.Error("frozen prototypes have moved")
	}
}

// The queue is used from its step on, and filled before; each view has its own.
func TestSwAVQueue(t *testing.T) {
	const n = 4
	o := options()["swav"].(SwAV)
	late := o
	late.Queue, late.QueueStart = 7, 2
	plain, queued := newMethod(t, o, setup(n)), newMethod(t, late, setup(n))
	var z [][]float32
	for s := range 3 {
		b := toy(n, s)
		r := step(t, queued, b)
		if same := r.Loss == step(t, plain, b).Loss; same != (s < 2) {
			t.Errorf("step %d: the queue makes no difference: %v", s, same)
		}
		z = append(z, slices.Clone(r.Z.Data))
		plain.Advance(0)
		queued.Advance(0)
	}
	queue, head := queued.State()["queue"].Data, int(queued.State()["queue_head"].Data[0])
	if head != 3*n%late.Queue {
		t.Fatalf("the oldest row is %d", head)
	}
	for view := range 2 {
		for i := range n { // of the last step
			row := (head + late.Queue - n + i) % late.Queue
			if !slices.Equal(queue[(view*late.Queue+row)*8:][:8], z[2][(view*n+i)*8:][:8]) {
				t.Errorf("row %d of view %d is not what was pushed", row, view)
			}
		}
	}
}

// An encoder that makes other embeddings of shorter views is refused, and so are
// views that are not shorter.
func TestCropsThatDoNotFit(t *testing.T) {
	o := options()["swav, all of it"].(SwAV)
	s := setup(4)
	s.Encoder = model.Encoders["mlp"]
	if m, err := o.New(s); m != nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), fmt.Sprintf("crops of 16 × %d", cropFrames)) {
		t.Errorf("%v", err)
	}
	o.CropFrames = frames + 1
	if m, err := o.New(setup(4)); m != nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "crop_frames is 13") {
		t.Errorf("%v", err)
	}
	s = setup(4)
	time := encoder
	time.Pool = "time_mean_max" // keeps frequency alone
	s.Encoder, o.CropFrames = time, cropFrames
	step(t, newMethod(t, o, s), toy(4, 0))
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
