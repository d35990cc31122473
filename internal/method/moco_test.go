package method

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/kernel"
	"clr/internal/model"
)

// The queue is a ring: each step's keys, in their order, replace the oldest,
// whatever the sizes.
func TestQueueTurns(t *testing.T) {
	const d = 8
	for _, size := range []int{1, 3, 4, 7, 12, 13} {
		o := MoCo{Temperature: 0.2, Momentum: Momentum{0.9, "constant"}, Queue: size, Projector: model.MLP{Out: d}, Groups: 1}
		m := newMethod(t, o, setup(4))
		queue := m.State()["queue"]
		if !slices.Equal(queue.Shape, []int{size, d}) {
			t.Fatalf("the queue is %v", queue.Shape)
		}
		for i := range size {
			if norm := kernel.SumSquares(queue.Data[i*d : (i+1)*d]); math.Abs(norm-1) > 1e-5 {
				t.Errorf("row %d of a new queue has |k|² = %g", i, norm)
			}
		}
		want, at := slices.Clone(queue.Data), 0
		for s, n := range []int{4, 4, 3, 4, 2, 4} { // a short batch between
			r := step(t, m, toy(n, s))
			if !slices.Equal(queue.Data, want) {
				t.Fatalf("queue of %d: step %d turns it before Advance", size, s)
			}
			for i := range n {
				copy(want[at*d:(at+1)*d], r.Z.Data[(n+i)*d:(n+i+1)*d])
				at = (at + 1) % size
			}
			m.Advance(0)
			if !slices.Equal(queue.Data, want) || m.State()["queue_head"].Data[0] != float32(at) {
				t.Fatalf("queue of %d: not as it should be after step %d", size, s)
			}
		}
	}
}

// The optimiser is not given the key tower, no gradient reaches it, and it moves
// by momentum alone: k = m·k + (1-m)·q.
func TestKeyTowerFollows(t *testing.T) {
	o := MoCo{Temperature: 0.2, Momentum: Momentum{0.75, "constant"}, Queue: 9, Projector: model.MLP{Hidden: []int{8}, Out: 8, Norm: true}, Groups: 1}
	m := newMethod(t, o, setup(4))
	s := m.State()
	for name, a := range s {
		if q, ok := s[strings.TrimPrefix(name, "key.")]; ok && !slices.Equal(a.Data, q.Data) {
			t.Errorf("%s does not begin as the query's", name)
		}
	}
	for _, p := range m.Params() {
		if strings.HasPrefix(p.Name, "key.") {
			t.Errorf("the optimiser is given %s", p.Name)
		}
	}
	opt := sgd(m)
	train(t, m, opt, 4, 0, 2)
	step(t, m, toy(4, 2))
	for _, p := range inside(m).second.params.All() {
		if p.Grad.Data != nil {
			t.Errorf("the key tower's %s has a gradient", p.Name)
		}
	}
	before := clone(s)
	opt.Step(m.Params(), 0.05)
	for name, a := range s {
		if strings.HasPrefix(name, "key.") && !slices.Equal(a.Data, before[name].Data) {
			t.Errorf("the optimiser moved %s", name)
		}
	}
	m.Advance(0)
	keys := 0
	for name, a := range s {
		if !strings.HasPrefix(name, "key.") {
			continue
		}
		keys++
		q := s[strings.TrimPrefix(name, "key.")]
		for i, v := range a.Data {
			want := 0.75*float64(before[name].Data[i]) + 0.25*float64(q.Data[i])
			if strings.HasSuffix(name, "num_batches_tracked") {
				want = 3
			}
			if math.Abs(float64(v)-want) > 1e-6 {
				t.Fatalf("%s[%d] is %g, want %g", name, i, v, want)
			}
		}
	}
	if 2*keys != len(s)-2 {
		t.Errorf("%d arrays of the key tower in %d", keys, len(s))
	}
}

// By a constant momentum a tower follows as fast at the end of a run as at its start, by
// a cosine no longer at all: whichever the paper's is.
func TestMomentumSchedules(t *testing.T) {
	head := model.MLP{Out: 8}
	for schedule, want := range map[string][3]float64{"constant": {0.75, 0.75, 0.75}, "cosine": {0.75, 0.875, 1}} {
		momentum := Momentum{0.75, schedule}
		for _, o := range []Options{
			BYOL{Momentum: momentum, Projector: head, Predictor: head, Groups: 1},
			MoCo{Temperature: 0.2, Momentum: momentum, Queue: 9, Projector: head, Groups: 1},
			MoCoV3{Temperature: 0.2, Momentum: momentum, Projector: head, Predictor: head, Groups: 1},
		} {
			m := newMethod(t, o, setup(4))
			opt := sgd(m)
			lead, follow := m.(Follower).Towers()
			for i, progress := range []float64{0, 0.5, 1} {
				step(t, m, toy(4, i))
				opt.Step(m.Params(), 0.05)
				const name = "encoder.conv1.weight"
				before := slices.Clone(follow[name].Data)
				m.Advance(progress)
				for j, v := range follow[name].Data {
					if w := want[i]*float64(before[j]) + (1-want[i])*float64(lead[name].Data[j]); math.Abs(float64(v)-w) > 1e-6 {
						t.Fatalf("%T, %s, %g of the run: weight %d is %g, want %g", o, schedule, progress, j, v, w)
					}
				}
			}
		}
	}
}

// A queue says how many rows it keeps of a view, and how the tower that makes them
// follows as the run goes on.
func TestQueues(t *testing.T) {
	head := model.MLP{Out: 8}
	for _, c := range []struct {
		o    Options
		rows int
		want [2]float64 // at the start and at the end
	}{
		{MoCo{Temperature: 0.2, Momentum: Momentum{0.75, "constant"}, Queue: 9, Projector: head, Groups: 1}, 9, [2]float64{0.75, 0.75}},
		{MoCo{Temperature: 0.2, Momentum: Momentum{0.75, "cosine"}, Queue: 9, Projector: head, Groups: 1}, 9, [2]float64{0.75, 1}},
		{NNCLR{Temperature: 0.2, Queue: 19, Projector: head, Predictor: head, Groups: 1}, 19, [2]float64{1, 1}},
		{SwAV{Temperature: 0.1, Prototypes: 12, Epsilon: 0.05, Iterations: 3, Queue: 7, Projector: head, Groups: 1}, 7, [2]float64{1, 1}}, // of either view
	} {
		q := newMethod(t, c.o, setup(4)).(Queuer)
		for i, want := range c.want {
			if rows, momentum := q.Queue(float64(i)); rows != c.rows || momentum != want {
				t.Errorf("%T: %d rows, momentum %g, want %d and %g", c.o, rows, momentum, c.rows, want)
			}
		}
	}
	for _, name := range []string{"swav", "byol", "simclr"} {
		if _, ok := newMethod(t, options()[name], setup(4)).(Queuer); ok {
			t.Errorf("%s has a queue", name)
		}
	}
}

// keysAlone are the keys of a batch without any shuffling.
func keysAlone(t *testing.T, m *siamese, o MoCo, b Batch) []float32 {
	t.Helper()
	g := model.NewBuilder(model.Training).Groups(o.Groups)
	x := g.Input("x", b.Input.Shape(b.N)...)
	k := m.s.tower(g, m.second.params, o.Projector, x)
	machine, err := g.Compile(k)
	if err != nil {
		t.Fatal(err)
	}
	machine.Set(x, b.X[len(b.X)/2:])
	if err := machine.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return machine.Value(k).Data
}

// Shuffling comes undone: key i is of view i. It changes with the step, and
// matters only where there are groups.
func TestKeysAreShuffledAndBack(t *testing.T) {
	const n = 16
	for _, groups := range []int{1, 2} {
		o := MoCo{Temperature: 0.2, Momentum: Momentum{0.9, "constant"}, Queue: 9, Projector: model.MLP{Out: 8}, Groups: groups}
		m := inside(newMethod(t, o, setup(n)))
		b := toy(n, 0)
		want := keysAlone(t, m, o, b)
		var before []float32
		for s := range 3 {
			b.Step = s
			z := step(t, m, b).Z.Data
			keys := z[len(z)/2:]
			worst := 0.0
			for i := range want {
				worst = max(worst, math.Abs(float64(keys[i]-want[i])))
			}
			if groups == 1 && worst > 1e-4 {
				t.Errorf("step %d: keys are off by %g from those without shuffling", s, worst)
			}
			if groups > 1 && (worst < 1e-4 || slices.Equal(keys, before)) {
				t.Errorf("step %d: shuffling over %d groups changes nothing", s, groups)
			}
			before = slices.Clone(keys)
		}
		order := slices.Clone(m.second.permute(n, 1))
		if !slices.Equal(order, m.second.permute(n, 1)) || slices.Equal(order, m.second.permute(n, 2)) {
			t.Error("a shuffle is not the step's")
		}
		sorted := slices.Clone(order)
		slices.Sort(sorted)
		for i, j := range sorted {
			if i != j {
				t.Fatalf("step 1 shuffles by %v", order)
			}
		}
	}
}
