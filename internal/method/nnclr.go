package method

import (
	"math"

	"clr/internal/loss"
	"clr/internal/model"
)

// NNCLR is Dwibedi et al. 2021, "With a little help from my friends: nearest-neighbor
// contrastive learning of visual representations", algorithm 1: a view's projection is
// replaced by its nearest neighbour among those of earlier batches, most often another
// clip's. The predictor's guess from the other view is to be near that, and far from
// the neighbours of the batch's other clips.
type NNCLR struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Learn       bool      `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01"`
	Queue       int       `yaml:"queue" doc:"earlier projections among which neighbours are sought; the paper's support set"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor   model.MLP `yaml:"predictor" doc:"from a view's projection to the neighbour of the other view's; out is the projector's"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o NNCLR) Doc() string {
	return "NNCLR (Dwibedi et al. 2021): the positive is the nearest neighbour of a view among earlier ones"
}

func (o NNCLR) projects() model.MLP { return o.Projector }

func (o NNCLR) Check() error {
	if err := checkHead(o.Temperature, o.Learn, o.Projector, o.Groups); err != nil {
		return err
	}
	if err := checkQueue(o.Queue, 1); err != nil {
		return err
	}
	return checkPredictor(o.Projector, o.Predictor, o.Groups)
}

// Unit implements Options: the tower sees both views at once.
func (o NNCLR) Unit() int { return unitOf(o.Groups, 2) }

func (o NNCLR) New(s Setup) (Method, error) {
	return paper{
		name: "nnclr", groups: o.Groups, queue: s.ring(1, o.Queue, o.Projector.Out),
		lay: func(b *model.Builder, p *model.Params, in inputs) outputs {
			g := s.project(b, p, o.Projector, in.x)                                              // (2N, P)
			guess1, guess2 := in.halves(b, b.Normalize(o.Predictor.Build(b, p, "predictor", g))) // (N, P) each
			z := b.Normalize(g)                                                                  // (2N, P)
			near1, near2 := in.halves(b, b.Nearest(z, in.queue))                                 // (N, P) each
			z1, _ := in.halves(b, z)
			tau := temperature(b, p, o.Temperature, o.Learn)
			both := b.Add(b.Try(loss.InBatch(near1, guess2, tau, false)), b.Try(loss.InBatch(near2, guess1, tau, false)))
			return outputs{z: z, loss: b.Times(both, 0.5), chance: math.Log(float64(in.n)), push: z1}
		},
	}.over(s)
}
