package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
)

// SwAV is Caron et al. 2020, "Unsupervised learning of visual features by
// contrasting cluster assignments", algorithm 1: each of a clip's two views is
// assigned to prototypes, evenly over the batch, and all other views of the clip
// have to predict the assignment. Further views are shorter (multi-crop, section
// 3.2), and a queue of earlier projections helps batches with fewer clips than
// prototypes to even assignments (section 3.1). The paper has a queue for each
// of the two views; here both are assigned with one, for they are drawn alike.
type SwAV struct {
	Temperature float64   `yaml:"temperature" doc:"divides the scores that predict"`
	Prototypes  int       `yaml:"prototypes" doc:"how many there are; the paper's K"`
	Epsilon     float64   `yaml:"epsilon" doc:"how soft assignments are"`
	Iterations  int       `yaml:"iterations" doc:"of Sinkhorn and Knopp, towards even assignments"`
	Crops       int       `yaml:"crops" doc:"further views of each clip, shorter ones, which predict and are not assigned"`
	CropFrames  int       `yaml:"crop_frames" doc:"their length; frames"`
	Queue       int       `yaml:"queue" doc:"earlier projections that are assigned with the batch; 0: none"`
	QueueStart  int       `yaml:"queue_start" doc:"step from which the queue counts: projections of the beginning say little"`
	Freeze      int       `yaml:"freeze" doc:"steps for which prototypes stay where they began"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o SwAV) Doc() string {
	return "SwAV (Caron et al. 2020): predict a view's cluster from the clip's other views"
}

func (o SwAV) Check() error {
	for _, c := range []struct {
		name        string
		value, most int
	}{{"crops", o.Crops, 64}, {"queue_start", o.QueueStart, math.MaxInt32}, {"freeze", o.Freeze, math.MaxInt32}} {
		if c.value < 0 || c.value > c.most {
			return fault.New(fault.Usage, "", "%s is %d, must be 0 to %d", c.name, c.value, c.most)
		}
	}
	if o.Crops > 0 && o.CropFrames < 1 {
		return fault.New(fault.Usage, "half of view.frames is usual", "crop_frames is %d, must be 1 or more", o.CropFrames)
	}
	if o.Prototypes < 2 || o.Prototypes > maxLayer {
		return fault.New(fault.Usage, "some ten times the classes that may be there", "prototypes is %d, must be 2 to %d", o.Prototypes, maxLayer)
	}
	if err := o.loss().Check(); err != nil {
		return fault.New(fault.Usage, "", "%w", err)
	}
	if err := checkQueue(o.Queue, 0); err != nil {
		return err
	}
	return checkHead(o.Temperature, o.Projector, o.Groups)
}

// maxLayer bounds the prototypes, as the units of a layer are bounded.
const maxLayer = 1 << 16

// Needs asks for the shorter views.
func (o SwAV) Needs() Needs {
	if o.Crops == 0 {
		return Needs{}
	}
	return Needs{Crops: o.Crops, CropFrames: o.CropFrames}
}

// Unit implements Options: the tower sees both views at once.
func (o SwAV) Unit() int { return unitOf(o.Groups, 2) }

func (o SwAV) loss() loss.SwAVOptions {
	return loss.SwAVOptions{Views: 2 + o.Crops, Assign: 2, Epsilon: o.Epsilon, Iterations: o.Iterations, Temperature: o.Temperature}
}

const prototypes = "prototypes"

func (o SwAV) New(s Setup) (Method, error) {
	paper := siamesePaper{name: "swav", needs: o.Needs(), groups: o.Groups, queueFrom: o.QueueStart}
	if o.Queue > 0 {
		paper.queue = s.ring(o.Queue, o.Projector.Out)
	}
	paper.lay = func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.tower(b, p, o.Projector, in.x) // (2N, P)
		all := z
		if in.crops != nil {
			all = b.Stack(z, s.tower(b, p, o.Projector, in.crops)) // ((2+V)·N, P)
		}
		scores := o.scores(b, p, all) // ((2+V)·N, K)
		out := outputs{z: z, chance: math.Log(float64(o.Prototypes))}
		if in.queue == nil {
			out.loss = b.Try(loss.SwAV(scores, o.loss()))
			return out
		}
		earlier := b.StopGradient(o.scores(b, p, in.queue)) // (Q, K)
		out.loss = b.Try(loss.SwAVQueue(scores, b.Stack(earlier, earlier), o.loss()))
		return out
	}
	paper.learnt = func(p *model.Params, step int) {
		if step < o.Freeze {
			clear(p.Weight(prototypes + ".weight").Grad.Data)
		}
	}
	paper.moved = func(p *model.Params) { // back to unit length
		c := p.Weight(prototypes + ".weight").Value.Data
		kernel.NormalizeRows(c, c, o.Prototypes, o.Projector.Out, 1e-12)
	}
	return paper.new(s)
}

// scores are products of rows z (M, P) with the prototypes: (M, K).
func (o SwAV) scores(b *model.Builder, p *model.Params, z *gorgonia.Node) *gorgonia.Node {
	return b.Rows(b.Linear(p, prototypes, b.Lanes(z), o.Prototypes, false, false))
}
