package loss

import (
	"math"
	"slices"
)

func contrastiveLoops(margin float64, in ...rows) float64 {
	a, b, total := in[0], in[1], 0.0
	for i := range a.n {
		d := apart(a.row(i), b.row(i))
		if in[2].x[i] == 1 {
			total += d * d / 2
		} else {
			total += math.Pow(max(0, margin-d), 2) / 2
		}
	}
	return total / float64(a.n)
}

// contrastivePairsLoops are contrastiveLoops of the similar pairs and of the others.
func contrastivePairsLoops(margin float64) loops {
	return func(in ...rows) float64 {
		z, labels, total := in[0], in[1].x, 0.0
		for _, similar := range []float64{0, 1} {
			a, b, s := rows{d: z.d}, rows{d: z.d}, []float64{}
			for i := range z.n {
				for j := i + 1; j < z.n; j++ {
					if labels[i] >= 0 && labels[j] >= 0 && (labels[i] == labels[j]) == (similar == 1) {
						a.x, b.x, s = append(a.x, z.row(i)...), append(b.x, z.row(j)...), append(s, similar)
					}
				}
			}
			if a.n = len(s); a.n > 0 {
				total += contrastiveLoops(margin, a, b, rows{x: s})
			}
		}
		return total
	}
}

func apart(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

// tripletLoops lists the terms of triplets, as each kind of mining has them.
func tripletLoops(o TripletOptions) loops {
	return func(in ...rows) float64 {
		z, labels := in[0], in[1].x
		d := func(i, j int) float64 {
			if o.Squared {
				return math.Pow(apart(z.row(i), z.row(j)), 2)
			}
			return apart(z.row(i), z.row(j))
		}
		var terms []float64
		term := func(positive, negative float64) { terms = append(terms, max(0, o.Margin+positive-negative)) }
		for a := range z.n {
			var positives, negatives []float64
			for i := range z.n {
				switch {
				case labels[a] < 0 || i == a:
				case labels[i] == labels[a]:
					positives = append(positives, d(a, i))
				default:
					negatives = append(negatives, d(a, i))
				}
			}
			if len(positives) == 0 || len(negatives) == 0 {
				continue
			}
			slices.Sort(negatives)
			switch o.Mining {
			case "hard":
				term(slices.Max(positives), negatives[0])
			case "semi_hard":
				for _, p := range positives {
					farther := slices.IndexFunc(negatives, func(n float64) bool { return n > p })
					if farther < 0 {
						farther = len(negatives) - 1
					}
					term(p, negatives[farther])
				}
			case "all":
				for _, p := range positives {
					for _, n := range negatives {
						if o.Margin+p-n > 0 {
							term(p, n)
						}
					}
				}
			}
		}
		if len(terms) == 0 {
			return 0
		}
		return mean(terms)
	}
}

func givenTripletsLoops(o TripletOptions) loops {
	return func(in ...rows) float64 {
		n, total := in[0].n/3, 0.0
		for i := range n {
			p, n := apart(in[0].row(i), in[0].row(n+i)), apart(in[0].row(i), in[0].row(2*n+i))
			if o.Squared {
				p, n = p*p, n*n
			}
			total += max(0, o.Margin+p-n)
		}
		return total / float64(n)
	}
}
