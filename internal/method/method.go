// Package method holds the ways to learn, most of them without labels, each in a file that
// follows its paper's pseudocode. A method hides its graphs: it takes batches
// of paired views, and leaves gradients in its Params.
package method

import (
	"context"
	"fmt"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

// A Batch is N clips as pairs of views, and what else the method Needs of them.
type Batch struct {
	N      int
	X      []float32 // (2N, C, F, T): the N first views, then the N second views
	Crops  []float32 // (V·N, C, F, T'): V shorter views, the N first ones first
	Labels []float32 // (N): each clip's class, from 0 to Setup.Classes-1, or -1 where it has no label
	Input  model.Input
	Step   int // of the whole run; addresses what a method draws at random
}

// Needs are what a method asks for beside pairs of views. Only who asks for
// labels is given any.
type Needs struct {
	Labels     bool
	Labelled   bool // clips without a label are of no use
	Crops      int  // V, shorter views of each clip
	CropFrames int  // T', their length
}

// NeedsOf are those of a method's options.
func NeedsOf(o Options) Needs {
	if o, ok := o.(interface{ Needs() Needs }); ok {
		return o.Needs()
	}
	return Needs{}
}

// ProjectorOf is that of a method's options, in the checkpoint under projector; not
// all methods have one of layers.
func ProjectorOf(o Options) (projector model.MLP, ok bool) {
	if o, ok := o.(interface{ projects() model.MLP }); ok {
		return o.projects(), true
	}
	return model.MLP{}, false
}

// Short is the size of shorter views, where in is that of the others.
func (n Needs) Short(in model.Input) model.Input {
	in.Frames = n.CropFrames
	return in
}

// CheckFrames refuses shorter views that are longer than views of so many frames.
func (n Needs) CheckFrames(frames int) error {
	if n.CropFrames > frames {
		return fault.New(fault.Usage, fmt.Sprintf("set crop_frames to %d or less", frames), "crop_frames is %d, longer than the views, of %d frames", n.CropFrames, frames)
	}
	return nil
}

// A Result is what one step says of itself.
type Result struct {
	Loss        float32
	Chance      float64      // the loss of guessing; 0: there is no such
	Temperature float64      // of the step, where it is learnt; 0: it is not
	Z           kernel.Array // (2N, P): the unit projections of the batch's rows, valid until the next step
}

// A Follower is a method with a tower that follows another: their weights, live,
// under equal names.
type Follower interface {
	Towers() (leading, following map[string]kernel.Array)
}

// A Queuer is a method that keeps rows of earlier batches: how many, of each view that
// it keeps; and with which momentum, where so much of the run is done, the tower follows
// that makes them. It is 1, with which nothing of a tower is replaced, where the tower
// that learns makes them.
type Queuer interface {
	Queue(progress float64) (rows int, momentum float64)
}

// A Method learns from batches of paired views.
//
// Step computes the loss and leaves its gradients in Params; it changes nothing
// of State, so a step that failed can be forgotten. Then the optimiser moves
// the Params, and Advance does what the method does after that: running
// statistics, towers that follow, queues. Its argument is the part of the run
// that is done, 0 to 1. A batch may be smaller than Setup's.
type Method interface {
	Step(ctx context.Context, b Batch) (Result, error)
	Advance(progress float64)
	Params() []*optim.Param         // what the optimiser moves
	State() map[string]kernel.Array // live arrays, all a resumed run needs; "encoder.*" is what export takes
}

// A Setup is what every method is told. Two methods of the same options and
// Setup are the same to the last bit.
type Setup struct {
	Encoder   model.Encoder
	Batch     int
	Input     model.Input
	Classes   int // of the labels that the method asks for
	Seed      uint64
	Init      map[string]kernel.Array // what weights and running statistics begin as, by name, in every tower; others at random
	ExactConv bool                    // no minimal filtering, see model.Builder.Exact
	Watch     func(Seen)              // not nil: is shown each function of a step as it runs, in order

	draft *Plan // not nil: nothing is made, but what would be is added to it
}

// A Seen is a function of one of a method's graphs that has just run.
type Seen struct {
	Graph string // a method with several names each
	model.Seen
	views    int // of a batch, in the graph
	batchRow func(int) int
}

// Row is the row of Batch.X that value i belongs to, or -1 if it belongs to none.
func (s Seen) Row(i int) int {
	r := s.Example(i)
	switch {
	case s.Examples() != s.views: // of shorter views, or of earlier rows
		return -1
	case r < 0 || s.batchRow == nil:
		return r
	}
	return s.batchRow(r)
}

// Options are a method's settings.
type Options interface {
	Doc() string // one line for clr list
	Check() error
	Unit() int // batches should be multiples of so many clips: other sizes have fewer groups
	New(Setup) (Method, error)
}

// Table holds the methods by name with their defaults.
var Table = map[string]Options{
	"barlow_twins":  BarlowTwins{Lambda: 0.005, Projector: model.MLP{Hidden: []int{1024}, Out: 1024, Norm: true}, Groups: 2},
	"byol":          BYOL{Momentum: Momentum{0.99, "cosine"}, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Predictor: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 2},
	"clar":          CLAR{Temperature: 0.2, Weight: 1, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 1},
	"cola":          COLA{Similarity: "bilinear", Temperature: 0.2, Out: 512, Groups: 1},
	"contrastive":   Contrastive{Margin: 1, By: "clip", Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 1},
	"cross_entropy": CrossEntropy{Groups: 1},
	"moco":          MoCo{Temperature: 0.2, Momentum: Momentum{0.99, "constant"}, Queue: 4096, Projector: model.MLP{Hidden: []int{512}, Out: 128}, Groups: 4},
	"moco_v3":       MoCoV3{Temperature: 0.2, Momentum: Momentum{0.99, "cosine"}, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true, OutNorm: true}, Predictor: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 2},
	"nnclr":         NNCLR{Temperature: 0.1, Queue: 2048, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true, OutNorm: true}, Predictor: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 2},
	"simclr":        SimCLR{Temperature: 0.1, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 1},
	"simsiam":       SimSiam{Projector: model.MLP{Hidden: []int{512}, Out: 512, Norm: true, OutNorm: true}, Predictor: model.MLP{Hidden: []int{128}, Out: 512, Norm: true}, Groups: 2},
	"supcon":        SupCon{Temperature: 0.1, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 1},
	"swav":          SwAV{Temperature: 0.1, Epsilon: 0.05, Iterations: 3, Prototypes: 64, Freeze: 50, Queue: 256, QueueStart: 300, Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 1},
	"triplet":       Triplet{TripletOptions: loss.TripletOptions{Margin: 0.2, Mining: "semi_hard"}, By: "clip", Projector: model.MLP{Hidden: []int{512}, Out: 128, Norm: true}, Groups: 1},
	"vicreg":        VICReg{VICRegOptions: loss.VICRegOptions{Sim: 25, Var: 25, Cov: 1}, Projector: model.MLP{Hidden: []int{1024}, Out: 1024, Norm: true}, Groups: 2},
}

// check refuses what no method can work with; rows is what a tower sees of a
// batch.
func (s Setup) check(rows, groups int) error {
	if in := s.Input; s.Batch < 1 || in.Channels < 1 || in.Bins < 1 || in.Frames < 1 {
		return fault.New(fault.Usage, "", "a batch of %d spectrograms of %v, must be 1 or more each", s.Batch, in)
	}
	if groupsOf(groups, rows) != groups {
		return fault.New(fault.Usage, "choose a batch that is a multiple of bn_groups, and at least twice as large",
			"bn_groups is %d, into which a batch of %d (%d rows) cannot be split", groups, s.Batch, rows)
	}
	return s.Encoder.Check()
}

// checkCrops refuses shorter views that the encoder cannot make the same of.
func (s Setup) checkCrops(n Needs) error {
	if n.Crops == 0 {
		return nil
	}
	if err := n.CheckFrames(s.Input.Frames); err != nil {
		return err
	}
	in := n.Short(s.Input)
	p, b := model.DraftParams(), model.NewBuilder(model.Training)
	large := s.Encoder.Build(b, p, "encoder", b.Input("views", s.Input.Shape(2)...)) // (2, D)
	small := s.Encoder.Build(b, p, "encoder", b.Input("crops", in.Shape(2)...))      // (2, D)
	b.Stack(large, small)
	if err := b.Err(); err != nil {
		return fault.New(fault.Usage, "choose an encoder that pools over time, other crop_frames, or crops: 0",
			"the encoder does not make of crops of %v what it makes of views of %v: %w", in, s.Input, err)
	}
	return nil
}

// Fits refuses a batch that is not of s, or lacks what is needed.
func (s Setup) Fits(b Batch, need Needs) error {
	if need.Labels && len(b.Labels) != b.N || need.Crops > 0 && len(b.Crops) != need.Crops*b.N*need.Short(s.Input).Values() {
		return fmt.Errorf("a batch of %d clips with %d labels and %d values of short views lacks what the method needs, %+v", b.N, len(b.Labels), len(b.Crops), need)
	}
	if b.N < 1 || b.N > s.Batch || b.Input != s.Input || len(b.X) != 2*b.N*s.Input.Values() {
		return fmt.Errorf("a batch of %d pairs of %v in %d values does not fit a method made for up to %d pairs of %v",
			b.N, b.Input, len(b.X), s.Batch, s.Input)
	}
	return nil
}

// builder begins a training graph with groups of rows, to run in memory.
func (s Setup) builder(groups int, memory *exec.Memory) *model.Builder {
	return model.NewBuilder(model.Training).Groups(groups).Memory(memory).Exact(s.ExactConv)
}

// tower lays encoder and projector over spectrograms x (N, C, F, T), giving
// unit projections (N, P).
func (s Setup) tower(b *model.Builder, p *model.Params, projector model.MLP, x *gorgonia.Node) *gorgonia.Node {
	return b.Normalize(s.project(b, p, projector, x))
}

// project is tower before its rows become units.
func (s Setup) project(b *model.Builder, p *model.Params, projector model.MLP, x *gorgonia.Node) *gorgonia.Node {
	h := s.Encoder.Build(b, p, "encoder", x)     // (N, D)
	return projector.Build(b, p, "projector", h) // (N, P)
}

// unitOf is the smallest batch, at so many rows a clip, that splits into equal
// groups.
func unitOf(groups, rows int) int {
	n := 1
	for n*rows%groups != 0 {
		n++
	}
	return n
}

// groupsOf is the number of groups for a batch of rows: the one asked for, or,
// where a caller's batch is no multiple of the unit, the next smaller one that
// splits it into equal groups of two rows or more.
func groupsOf(groups, rows int) int {
	for groups > 1 && (rows%groups != 0 || rows/groups < 2) {
		groups--
	}
	return groups
}

// checkHead is what the Check of every method with a temperature, a projector
// and groups begins with.
func checkHead(temperature float64, learn bool, projector model.MLP, groups int) error {
	if err := checkTemperature(temperature, learn); err != nil {
		return err
	}
	return checkProjector(projector, groups)
}

// checkPredictor is for methods that guess one projection from another.
func checkPredictor(projector, predictor model.MLP, groups int) error {
	if err := predictor.Check(); err != nil {
		return fmt.Errorf("predictor: %w", err)
	}
	if predictor.Out != projector.Out {
		return fault.New(fault.Usage, fmt.Sprintf("set predictor.out to %d", projector.Out),
			"predictor: out is %d, the projections that it guesses have %d", predictor.Out, projector.Out)
	}
	return checkProjector(projector, groups)
}

func checkProjector(projector model.MLP, groups int) error {
	if err := checkGroups(groups); err != nil {
		return err
	}
	if err := projector.Check(); err != nil {
		return fmt.Errorf("projector: %w", err)
	}
	return nil
}

// maxWeight is more than a term of a loss can mean beside others.
const maxWeight = 1e6

// maxGroups is more than anyone means: each needs two rows of a batch or more.
const maxGroups = 1 << 16

func checkGroups(groups int) error {
	if groups < 1 || groups > maxGroups {
		return fault.New(fault.Usage, "1 and 2 are usual", "bn_groups is %d, must be between 1 and %d", groups, maxGroups)
	}
	return nil
}

// checkQueue is for methods that keep earlier rows.
func checkQueue(k, least int) error {
	if k < least || k > maxQueue {
		return fault.New(fault.Usage, "", "queue is %d, must be between %d and %d", k, least, maxQueue)
	}
	return nil
}

// checkBy is for methods that may take clips of one label for one.
func checkBy(by string) error {
	if by != "clip" && by != "label" {
		return fault.New(fault.Usage, "label is for corpora that have labels", "by is %q, must be clip or label", by)
	}
	return nil
}

// needsBy asks for labels where they are what counts.
func needsBy(by string) Needs {
	supervised := by == "label"
	return Needs{Labels: supervised, Labelled: supervised}
}
