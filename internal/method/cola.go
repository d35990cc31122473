package method

import (
	"math"
	"math/rand/v2"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// COLA is Saeed, Grangier and Zeghidour 2021, "Contrastive learning of
// general-purpose audio representations", section 2: of two segments of a clip, one
// has to be told from the other clips' by a similarity that is learnt. The paper
// takes the segments as they are, which is view.pair: window.
type COLA struct {
	Similarity  string  `yaml:"similarity" doc:"of two projections a and b: bilinear, a·W·b with a learnt W; or cosine"`
	Temperature float64 `yaml:"temperature" doc:"divides the cosines; bilinear has none"`
	Out         int     `yaml:"out" doc:"size of a projection: a linear layer, layer norm and tanh, thrown away after pretraining"`
	Groups      int     `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two segments apart"`
}

func (o COLA) Doc() string {
	return "COLA (Saeed et al. 2021): find a clip's other segment by a learnt similarity"
}

func (o COLA) Check() error {
	if o.Similarity != "bilinear" && o.Similarity != "cosine" {
		return fault.New(fault.Usage, "the paper prefers bilinear", "similarity is %q, must be bilinear or cosine", o.Similarity)
	}
	return checkHead(o.Temperature, model.MLP{Out: o.Out}, o.Groups)
}

// Unit implements Options: the tower sees both segments at once.
func (o COLA) Unit() int { return unitOf(o.Groups, 2) }

func (o COLA) New(s Setup) (Method, error) {
	return newSiamese("cola", s, Needs{}, o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		n := in.n
		h := s.project(b, p, model.MLP{Out: o.Out}, in.x)        // (2N, P)
		h = b.Activate(b.LayerNorm(p, "projector.1", h), "tanh") // (2N, P)
		z := b.Normalize(h)                                      // (2N, P)
		out := outputs{z: z, chance: math.Log(float64(n))}
		if o.Similarity == "cosine" {
			out.loss = b.Try(loss.InBatch(b.Slice(z, 0, n), b.Slice(z, n, 2*n), o.Temperature, false))
			return out
		}
		limit := 1 / math.Sqrt(float64(o.Out))
		w := b.Weight(p, "similarity", func(r *rand.Rand) float64 { return (2*r.Float64() - 1) * limit }, o.Out, o.Out) // (P, P)
		out.loss = b.Try(loss.Bilinear(b.Slice(h, 0, n), w, b.Slice(h, n, 2*n)))
		return out
	})
}
