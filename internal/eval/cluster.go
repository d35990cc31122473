package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"clr/internal/fault"
)

// Clustering asks whether clips fall into their classes by themselves: k-means on
// embeddings of length 1, with as many means as there are classes, which begin by
// k-means++ (Arthur and Vassilvitskii 2007). Of several beginnings that counts
// whose clips lie nearest to their means.
type Clustering struct {
	Restarts   int    `yaml:"restarts" doc:"beginnings, of which the closest clusters count"`
	Iterations int    `yaml:"iterations" doc:"moves of the means at most"`
	Seed       uint64 `yaml:"seed" doc:"draws the beginnings"`
}

// Check refuses what clusters nothing.
func (o Clustering) Check() error {
	if o.Restarts < 1 || o.Iterations < 1 {
		return fault.New(fault.Usage, "10 restarts of 300 iterations are usual", "restarts is %d and iterations %d, both must be 1 or more", o.Restarts, o.Iterations)
	}
	return nil
}

// A ClusterScore is how far clusters are classes; means over splits.
type ClusterScore struct {
	Clusters int     `json:"clusters"`
	NMI      float64 `json:"nmi"` // normalized mutual information, by the mean of the entropies: 0 to 1
	ARI      float64 `json:"ari"` // adjusted Rand index: 0 by chance, 1 where they are the classes
}

// score clusters each split's test clips. The error is ctx's.
func (o Clustering) score(ctx context.Context, tests []judged) (s ClusterScore, err error) {
	for _, t := range tests {
		k := 0
		for _, clips := range t.byClass() {
			if len(clips) > 0 {
				k++
			}
		}
		of, _, err := o.cluster(ctx, t.x, k)
		if err != nil {
			return s, err
		}
		s.Clusters = max(s.Clusters, k)
		s.NMI += NMI(of, t.set.Labels) / float64(len(tests))
		s.ARI += ARI(of, t.set.Labels) / float64(len(tests))
	}
	return s, nil
}

// cluster gives each row's cluster, and the sum of squared distances to the means.
// The error is ctx's.
func (o Clustering) cluster(ctx context.Context, x unitRows, k int) (of []int, sum float64, err error) {
	sum = math.Inf(1)
	for restart := range o.Restarts {
		r := rand.New(rand.NewPCG(o.Seed, uint64(restart)))
		m := means{x: x, k: min(k, x.n), of: make([]int, x.n), far: make([]float64, x.n)}
		m.begin(r)
		for range o.Iterations {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			m.move()
			if !m.assign() {
				break
			}
		}
		if s := total(m.far); s < sum {
			of, sum = m.of, s
		}
	}
	return of, sum, nil
}

// means are the clusters of rows while they move.
type means struct {
	x   unitRows
	k   int
	at  []float64 // (K, D)
	of  []int     // (N)
	far []float64 // (N): squared distance of each row to its mean
}

// begin draws rows to begin with, by the squared distance to those drawn before:
// of some that are drawn that one which leaves the rows nearest, as the paper's
// authors did.
func (m *means) begin(r *rand.Rand) {
	for i := range m.far {
		m.far[i] = math.Inf(1)
	}
	tries := 2 + int(math.Log(float64(m.k)))
	far := make([]float64, m.x.n) // with one mean more
	for c := range m.k {
		best, least := 0, math.Inf(1)
		for try := range tries {
			row := r.IntN(m.x.n)
			if c > 0 {
				row = m.drawn(r.Float64() * total(m.far))
			} else if try > 0 {
				break
			}
			m.each(func(i int) { far[i] = min(m.far[i], squares(m.x.row(i), m.x.row(row))) })
			if sum := total(far); sum < least {
				best, least = row, sum
			}
		}
		m.at = append(m.at, m.x.row(best)...)
		m.each(func(i int) {
			if d := m.distance(i, c); d < m.far[i] {
				m.far[i], m.of[i] = d, c
			}
		})
	}
}

// drawn is the row in whose stretch of the summed distances a place lies.
func (m *means) drawn(at float64) int {
	row := 0
	for i, d := range m.far {
		if d > 0 {
			row = i
		}
		if at -= d; at < 0 {
			break
		}
	}
	return row
}

func (m *means) each(do func(i int)) {
	chunks := bounds(m.x.n)
	share(len(chunks), m.x.n*m.x.d*m.k, func(c int) {
		for i := chunks[c][0]; i < chunks[c][1]; i++ {
			do(i)
		}
	})
}

func (m *means) distance(i, c int) float64 {
	return squares(m.x.row(i), m.at[c*m.x.d:(c+1)*m.x.d])
}

// squares is the squared distance of two rows.
func squares(a, b []float64) float64 {
	sum := 0.0
	for j, v := range a {
		d := v - b[j]
		sum += float64(d * d)
	}
	return sum
}

func total(v []float64) float64 {
	sum := 0.0
	for _, d := range v {
		sum += d
	}
	return sum
}

// move brings each mean to the middle of its rows; one that has none, to the row
// that is farthest from its own.
func (m *means) move() {
	count := make([]int, m.k)
	for _, c := range m.of {
		count[c]++
	}
	for c, n := range count {
		if n > 0 {
			continue
		}
		worst := 0
		for i, d := range m.far {
			if d > m.far[worst] {
				worst = i
			}
		}
		count[m.of[worst]]--
		m.of[worst], m.far[worst], count[c] = c, 0, 1
	}
	clear(m.at)
	for i, c := range m.of {
		dense.Daxpy(m.x.d, 1/float64(max(count[c], 1)), m.x.row(i), 1, m.at[c*m.x.d:], 1)
	}
}

// assign gives each row to the nearest mean, the first of equals, and says
// whether any changed.
func (m *means) assign() bool {
	before := append([]int(nil), m.of...)
	m.each(func(i int) {
		m.far[i] = math.Inf(1)
		for c := range m.k {
			if d := m.distance(i, c); d < m.far[i] {
				m.far[i], m.of[i] = d, c
			}
		}
	})
	for i, c := range m.of {
		if c != before[i] {
			return true
		}
	}
	return false
}

// contingency counts the clips of each part of a in each of b, and the parts'.
func contingency(a, b []int) (cells [][]float64, rows, columns []float64) {
	rows, columns = make([]float64, slices.Max(a)+1), make([]float64, slices.Max(b)+1)
	cells = make([][]float64, len(rows))
	for i := range cells {
		cells[i] = make([]float64, len(columns))
	}
	for i := range a {
		cells[a[i]][b[i]]++
		rows[a[i]]++
		columns[b[i]]++
	}
	return cells, rows, columns
}

// NMI is the mutual information of two ways to divide the same clips, over the
// mean of their entropies, as scikit-learn's; 1 where both are of one part.
func NMI(a, b []int) float64 {
	cells, rows, columns := contingency(a, b)
	n := float64(len(a))
	entropy, shared := 0.0, 0.0
	for _, counts := range [][]float64{rows, columns} {
		for _, c := range counts {
			if c > 0 {
				entropy -= c / n * math.Log(c/n) / 2
			}
		}
	}
	for i, of := range cells {
		for j, c := range of {
			if c > 0 {
				shared += c / n * math.Log(c*n/(rows[i]*columns[j]))
			}
		}
	}
	if entropy == 0 {
		return 1
	}
	return max(0, shared) / entropy
}

// ARI is the share of pairs of clips that two ways to divide them agree on,
// adjusted for chance (Hubert and Arabie 1985); 1 where no pair is divided.
func ARI(a, b []int) float64 {
	cells, rows, columns := contingency(a, b)
	pairs := func(counts []float64) (sum float64) {
		for _, c := range counts {
			sum += c * (c - 1) / 2
		}
		return sum
	}
	together := 0.0
	for _, of := range cells {
		together += pairs(of)
	}
	inA, inB := pairs(rows), pairs(columns)
	chance := inA * inB / max(1, pairs([]float64{float64(len(a))}))
	most := (inA + inB) / 2
	if most == chance {
		return 1
	}
	return (together - chance) / (most - chance)
}
