package method

import (
	"math"
	"math/rand/v2"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// COLA is Saeed, Grangier and Zeghidour 2021, "Contrastive learning of general-purpose
// audio representations": of the segments of a batch, each is to know the one that was
// cut from its own clip, by a product that is learnt. The paper's segments are not
// augmented any further; here they are what the config's views are.
type COLA struct {
	Similarity  string  `yaml:"similarity" doc:"bilinear: a product by a matrix that is learnt, the paper's better one; or cosine, over temperature"`
	Temperature float64 `yaml:"temperature" doc:"divides the cosines; bilinear has none"`
	Learn       bool    `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01; of cosine"`
	Out         int     `yaml:"out" doc:"size of a projection: a linear layer, layer normalisation, tanh; thrown away after pretraining"`
	Groups      int     `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two segments apart"`
}

func (o COLA) Doc() string {
	return "COLA (Saeed et al. 2021): which segments are of one clip, by a learnt bilinear product"
}

func (o COLA) Check() error {
	if o.Similarity != "bilinear" && o.Similarity != "cosine" {
		return fault.New(fault.Usage, "", "similarity is %q, must be bilinear or cosine", o.Similarity)
	}
	if o.Learn && o.Similarity != "cosine" {
		return fault.New(fault.Usage, "set similarity to cosine, or learn_temperature to false", "learn_temperature is true, and similarity is %s, which has no temperature: its matrix is learnt", o.Similarity)
	}
	return checkHead(o.Temperature, o.Learn, o.projector(), o.Groups)
}

func (o COLA) projector() model.MLP { return model.MLP{Out: o.Out} }

// Unit implements Options: the tower sees both segments at once.
func (o COLA) Unit() int { return unitOf(o.Groups, 2) }

func (o COLA) New(s Setup) (Method, error) {
	return newSiamese("cola", s, Needs{}, o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		g := s.project(b, p, o.projector(), in.x)                // (2N, P)
		g = b.Activate(b.LayerNorm(p, "projector.1", g), "tanh") // (2N, P)
		z := b.Normalize(g)                                      // (2N, P)
		out := outputs{z: z, chance: math.Log(float64(in.n))}
		if o.Similarity == "cosine" {
			z1, z2 := in.halves(b, z)
			out.loss = b.Try(loss.InBatch(z1, z2, temperature(b, p, o.Temperature, o.Learn), false))
			return out
		}
		anchor, other := in.halves(b, g) // (N, P) each
		w := b.Weight(p, "bilinear.weight", func(r *rand.Rand) float64 { return 0.05 * r.NormFloat64() }, o.Out, o.Out)
		out.loss = b.Try(loss.Bilinear(anchor, w, other))
		return out
	})
}
