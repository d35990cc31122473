package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
)

// SwAV is Caron et al. 2020, "Unsupervised learning of visual features by contrasting
// cluster assignments", algorithm 1: each of the two views is assigned to prototypes,
// all of which are used about equally, and the other view's scores predict that. With
// multi-crop shorter views predict both views' assignments too, and have none.
type SwAV struct {
	Temperature float64   `yaml:"temperature" doc:"divides the scores, cosines with the prototypes; the paper's tau"`
	Epsilon     float64   `yaml:"epsilon" doc:"how soft an assignment is"`
	Iterations  int       `yaml:"iterations" doc:"of Sinkhorn and Knopp's balancing of the assignments"`
	Prototypes  int       `yaml:"prototypes" doc:"unit vectors that views are assigned to; several times the kinds of sound there are"`
	Freeze      int       `yaml:"freeze_prototypes" doc:"steps at the start in which the prototypes stay as they are"`
	Queue       int       `yaml:"queue" doc:"earlier projections, of each view, that are assigned together with the batch's: for batches that are not much larger than prototypes; 0 is none"`
	QueueStart  int       `yaml:"queue_start" doc:"the first step that uses the queue, whose random rows are best replaced by then"`
	Crops       int       `yaml:"crops" doc:"shorter views of each clip; 0 is none"`
	CropFrames  int       `yaml:"crop_frames" doc:"frames of a shorter view"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o SwAV) Doc() string {
	return "SwAV (Caron et al. 2020): views predict each other's balanced assignments to prototypes"
}

func (o SwAV) projects() model.MLP { return o.Projector }

// The most of each that anyone can mean.
const (
	maxPrototypes = 1 << 16
	maxIterations = 1 << 10 // each goes over all scores, and the paper's three do
	maxCrops      = 64
)

func (o SwAV) Check() error {
	if err := checkHead(o.Temperature, false, o.Projector, o.Groups); err != nil {
		return err
	}
	if err := checkDivisor("epsilon", o.Epsilon); err != nil {
		return err
	}
	for _, c := range []struct {
		name               string
		value, least, most int
	}{
		{"iterations", o.Iterations, 1, maxIterations},
		{"prototypes", o.Prototypes, 2, maxPrototypes},
		{"freeze_prototypes", o.Freeze, 0, math.MaxInt32},
		{"queue", o.Queue, 0, maxQueue},
		{"queue_start", o.QueueStart, 0, math.MaxInt32},
		{"crops", o.Crops, 0, maxCrops},
		{"crop_frames", o.CropFrames, min(1, o.Crops), math.MaxInt32},
	} {
		if c.value < c.least || c.value > c.most {
			return fault.New(fault.Usage, "", "%s is %d, must be between %d and %d", c.name, c.value, c.least, c.most)
		}
	}
	return nil
}

// assigned is how many views have assignments: the two long ones.
const assigned = 2

func (o SwAV) loss() loss.SwAVOptions {
	return loss.SwAVOptions{Views: assigned + o.Crops, Assign: assigned, Epsilon: o.Epsilon, Iterations: o.Iterations, Temperature: o.Temperature}
}

// Needs asks for the shorter views.
func (o SwAV) Needs() Needs {
	if o.Crops == 0 {
		return Needs{}
	}
	return Needs{Crops: o.Crops, CropFrames: o.CropFrames}
}

// Unit implements Options: the tower sees both views at once, and the shorter ones.
func (o SwAV) Unit() int { return unitOf(o.Groups, paper{needs: o.Needs()}.rows(1)) }

const prototypes = "prototypes"

func (o SwAV) New(s Setup) (Method, error) {
	c := prototypes + ".weight" // (K, P)
	var queue *ring
	if o.Queue > 0 {
		queue = s.ring(assigned, o.Queue, o.Projector.Out)
	}
	return paper{
		name: "swav", needs: o.Needs(), groups: o.Groups, queue: queue, from: o.QueueStart,
		lay: func(b *model.Builder, p *model.Params, in inputs) outputs {
			h := s.Encoder.Build(b, p, "encoder", in.x) // (2N, D)
			if in.crops != nil {
				h = b.Stack(h, s.Encoder.Build(b, p, "encoder", in.crops)) // (2N + V·N, D)
			}
			z := b.Normalize(o.Projector.Build(b, p, "projector", h)) // (2N + V·N, P)
			scores := func(z *gorgonia.Node) *gorgonia.Node {
				return b.Rows(b.Linear(p, prototypes, b.Lanes(z), o.Prototypes, false, false)) // (·, K)
			}
			out := outputs{z: b.Slice(z, 0, assigned*in.n), chance: math.Log(float64(o.Prototypes))}
			out.push = out.z
			if in.queue == nil {
				out.loss = b.Try(loss.SwAV(scores(z), o.loss()))
			} else {
				out.loss = b.Try(loss.SwAVQueue(scores(z), b.StopGradient(scores(in.queue)), o.loss()))
			}
			return out
		},
		stop: func(p *model.Params, step int) {
			if step < o.Freeze {
				clear(p.Weight(c).Grad.Data)
			}
		},
		keep: func(p *model.Params) { // of unit length: without a gradient they stay, whatever their decay
			if w := p.Weight(c); w.Rate != 0 { // a frozen one keeps its bytes
				kernel.NormalizeRows(w.Value.Data, w.Value.Data, o.Prototypes, o.Projector.Out, 1e-12)
			}
		},
	}.over(s)
}
