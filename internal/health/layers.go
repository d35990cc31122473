package health

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// A Layer is a group of parameters, or a part of one: those of one name count
// together.
type Layer struct {
	Name             string
	Weight, Gradient []float32
	Update           []float32 // by how much the step moved the weights; nil where that is not known
}

// Norms are Euclidean lengths over all of a layer's values that are finite.
type Norms struct {
	Name      string  `json:"name"`
	Weight    float64 `json:"weight"`
	Gradient  float64 `json:"gradient"`
	Update    float64 `json:"update"`     // 0 where it is not known
	NotFinite int     `json:"not_finite"` // values of the three that are not
}

// Layers measures each layer, in the order in which names first appear.
func Layers(parts []Layer) []Norms {
	var norms []Norms // squares, until the end
	at := map[string]int{}
	for _, p := range parts {
		i, known := at[p.Name]
		if !known {
			i = len(norms)
			at[p.Name], norms = i, append(norms, Norms{Name: p.Name})
		}
		n := &norms[i]
		for _, of := range []struct {
			sum *float64
			x   []float32
		}{{&n.Weight, p.Weight}, {&n.Gradient, p.Gradient}, {&n.Update, p.Update}} {
			squares, bad := sumSquares(of.x)
			*of.sum += squares
			n.NotFinite += bad
		}
	}
	for i := range norms {
		n := &norms[i]
		n.Weight, n.Gradient, n.Update = math.Sqrt(n.Weight), math.Sqrt(n.Gradient), math.Sqrt(n.Update)
	}
	return norms
}

// A Flow is what the norms of a step's layers say together.
type Flow struct {
	Weight, Gradient float64 // over all layers
	Largest, Least   Norms   // the layers with the largest gradient and the least, of those that are not held still
	Moved            Norms   // the layer that moved farthest, as a share of its weights
}

// FlowOf finds it. Where nothing has a gradient Least is zero, and where no weights
// moved so is Moved.
func FlowOf(layers []Norms) Flow {
	var f Flow // squares, until the end
	found := false
	for _, l := range layers {
		f.Weight += float64(l.Weight * l.Weight)
		f.Gradient += float64(l.Gradient * l.Gradient)
		if l.Gradient >= f.Largest.Gradient {
			f.Largest = l
		}
		if !l.still() && (!found || l.Gradient < f.Least.Gradient) {
			f.Least, found = l, true
		}
		if l.Share() > f.Moved.Share() {
			f.Moved = l
		}
	}
	f.Weight, f.Gradient = math.Sqrt(f.Weight), math.Sqrt(f.Gradient)
	return f
}

// still says that a layer has no gradient and did not move, which is on purpose. What
// is brought back to unit length after each step, as prototypes are, moves by rounding.
func (n Norms) still() bool { return n.Gradient == 0 && n.Update <= rounding*n.Weight }

// rounding is a unit in the last place of a float32, in parts of it.
const rounding = 0x1p-23

// Share is how far the step moved a layer, as a share of its weights; 0 where these are.
func (n Norms) Share() float64 {
	if n.Weight == 0 {
		return 0
	}
	return n.Update / n.Weight
}

// sumSquares is Σ x² over what is finite, and how many values are not.
func sumSquares(x []float32) (squares float64, bad int) {
	if squares = kernel.SumSquares(x); squares-squares == 0 {
		return squares, 0
	}
	squares = 0
	for _, v := range x {
		if v-v != 0 {
			bad++
			continue
		}
		squares += float64(float64(v) * float64(v))
	}
	return squares, bad
}

// A Distance is how far one tower is from another.
type Distance struct {
	Relative  float64 `json:"relative"`   // ‖a-b‖ / ‖a‖ over all arrays, or ‖b‖ where a is zero
	Worst     string  `json:"worst"`      // the array with the largest, of those of two dimensions or more
	WorstBy   float64 `json:"worst_by"`   // and its own
	NotFinite int     `json:"not_finite"` // values of a-b that are not, which are left out
}

// Drift measures how far tower b is from tower a, which leads and may have more
// arrays, such as a predictor's: those are left out. Running statistics, which are
// larger than weights, would outweigh them.
func Drift(a, b map[string]kernel.Array) (Distance, error) {
	var d Distance
	var apart, lead float64
	for _, name := range slices.Sorted(maps.Keys(b)) {
		y := b[name]
		x, ok := a[name]
		if !ok {
			return Distance{}, fault.New(fault.Run, "", "drift: the leading tower lacks %s", name)
		}
		if !slices.Equal(x.Shape, y.Shape) || len(x.Data) != len(y.Data) {
			return Distance{}, fault.New(fault.Run, "", "drift: %s is %v in one tower and %v in the other", name, x.Shape, y.Shape)
		}
		var between, squares float64
		for i, v := range x.Data {
			gap := float64(v) - float64(y.Data[i])
			if gap-gap != 0 {
				d.NotFinite++
				continue
			}
			between += float64(gap * gap)
			squares += float64(float64(v) * float64(v))
		}
		if by := ratio(between, squares); len(x.Shape) > 1 && by > d.WorstBy {
			d.Worst, d.WorstBy = name, by
		}
		apart, lead = apart+between, lead+squares
	}
	d.Relative = ratio(apart, lead)
	return d, nil
}

// ratio is the root of squares over squares.
func ratio(apart, lead float64) float64 {
	if lead == 0 {
		lead = 1
	}
	return math.Sqrt(apart / lead)
}

// A Queue is what earlier batches left: MoCo's negatives, NNCLR's neighbours, what SwAV
// assigns beside a batch.
type Queue struct {
	Age    int     `json:"age"`    // steps since the oldest row was made
	Epochs float64 `json:"epochs"` // the same in epochs: above 1, a clip meets older rows of its own
	Turned float64 `json:"turned"` // share of the following tower that was replaced since: 1 - momentum^age; 0 where rows are of the tower that learns
}

// QueueAge is the queue's before a step, 0 being a run's first, where each takes
// batch of the corpus's clips and the tower that makes the rows follows with momentum,
// 1 where none does. Before rows have gone round once, what was drawn at random has no
// age.
func QueueAge(rows, batch, clips, step int, momentum float64) (Queue, error) {
	if rows < 1 || batch < 1 || clips < 1 || step < 0 || !(momentum >= 0 && momentum <= 1) {
		return Queue{}, fmt.Errorf("queue of %d rows, batch of %d, %d clips, step %d, momentum %g: cannot tell its age", rows, batch, clips, step, momentum)
	}
	age := min(step, (rows+batch-1)/batch)
	return Queue{age, float64(age) * float64(batch) / float64(clips), 1 - math.Pow(momentum, float64(age))}, nil
}

// Stale says that a queue is older than is normal.
func (o Options) Stale(q Queue) bool { return q.Epochs > o.Epochs || q.Turned > o.Turned }

// Ages tells how old a queue is, and how old it may be.
func (o Options) Ages(q Queue) string {
	s := fmt.Sprintf("oldest row is of %d steps ago, %.3g epochs (at most %g, queue_epochs)", q.Age, q.Epochs, o.Epochs)
	if q.Turned > 0 {
		s += fmt.Sprintf(" in which %.2g of the following tower was replaced (at most %g, queue_turned)", q.Turned, o.Turned)
	}
	return s
}
