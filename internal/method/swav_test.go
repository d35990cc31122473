package method

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
)

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
