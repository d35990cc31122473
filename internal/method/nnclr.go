package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/loss"
	"clr/internal/model"
)

// NNCLR is Dwibedi et al. 2021, "With a little help from my friends:
// nearest-neighbor contrastive learning of visual representations", equation 2:
// SimCLR whose positive is not a view's projection but its nearest neighbour among
// those of earlier clips, which the other view's prediction is to choose from the
// batch's neighbours.
type NNCLR struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Learn       bool      `yaml:"learn_temperature" doc:"temperature is where it begins, and learnt; never below 0.01"`
	Queue       int       `yaml:"queue" doc:"earlier projections that neighbours are looked for in: the paper's support set"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor   model.MLP `yaml:"predictor" doc:"from a view's projection to the other's neighbour; out is the projector's"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o NNCLR) Doc() string {
	return "NNCLR (Dwibedi et al. 2021): the nearest neighbour among earlier clips is the positive"
}

func (o NNCLR) Check() error {
	if err := checkHead(o.Temperature, o.Projector, o.Groups); err != nil {
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
	return siamesePaper{name: "nnclr", groups: o.Groups, queue: s.ring(o.Queue, o.Projector.Out), moved: coldest(o.Learn),
		lay: func(b *model.Builder, p *model.Params, in inputs) outputs {
			n := in.n
			z := s.project(b, p, o.Projector, in.x)                       // (2N, P)
			guess := b.Normalize(o.Predictor.Build(b, p, "predictor", z)) // (2N, P)
			z = b.Normalize(z)                                            // (2N, P)
			friends := b.Nearest(z, in.queue)                             // (2N, P)
			s := temperature(b, p, o.Temperature, o.Learn)
			choose := func(friends, guess *gorgonia.Node) *gorgonia.Node {
				if o.Learn {
					return b.Try(loss.InBatchLearnt(friends, guess, s, false))
				}
				return b.Try(loss.InBatch(friends, guess, o.Temperature, false))
			}
			l := b.Add(choose(b.Slice(friends, 0, n), b.Slice(guess, n, 2*n)), choose(b.Slice(friends, n, 2*n), b.Slice(guess, 0, n)))
			return outputs{z: z, loss: b.Times(l, 0.5), chance: math.Log(float64(n))}
		}}.new(s)
}
