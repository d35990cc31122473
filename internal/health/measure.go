package health

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/lapack"
	lapackgonum "gonum.org/v1/gonum/lapack/gonum"

	"clr/internal/kernel"
)

// Bins is how many bins a histogram of cosines has: bin b counts those from
// -1 + b/10 to below -1 + (b+1)/10, the last also 1.
const Bins = 20

// A Report measures a batch's projections, scaled to unit length: N pairs of
// rows with P dimensions. A row of zeros stays as it is. Where Pairs is below 2
// there is nothing to compare with, and all measures are 0.
type Report struct {
	Pairs      int `json:"pairs"`      // N: clips with both views finite; the measures are of these
	Dimensions int `json:"dimensions"` // P
	NotFinite  int `json:"not_finite"` // rows with a value that is not

	Std         float64 `json:"std"`             // deviation of a dimension over the rows of a view (with N-1), mean over dimensions
	StdSpread   float64 `json:"std_spread"`      // 1/√P: what Std comes to where rows fill the sphere
	StdLeast    float64 `json:"std_least"`       // deviation of the dimension that has the least
	Dead        int     `json:"dead_dimensions"` // with a deviation below a hundredth of StdSpread
	RankMe      float64 `json:"rankme"`          // how many directions are in use: 1 to min(2N, P), or 0 where all rows are zeros
	Alignment   float64 `json:"alignment"`       // squared distance of a clip's two views, mean over clips: 0 to 4
	Uniformity  float64 `json:"uniformity"`      // log of the mean of exp(-2·squared distance) over two clips' views: -8 to 0, 0 where all are equal
	PositiveCos float64 `json:"positive_cosine"` // mean over the N pairs of views of one clip
	NegativeCos float64 `json:"negative_cosine"` // mean over the 2N(N-1) pairs of views of two clips
	Top1        float64 `json:"top1"`            // share of rows to which, of all rows of the other view, their clip's is most similar; n equally similar count 1/n, so that chance is 1/N

	Positives [Bins]int `json:"positive_histogram"` // of the cosines
	Negatives [Bins]int `json:"negative_histogram"`
}

// A Meter measures batch after batch. The zero value is ready; it keeps memory
// for the largest batch so far. One goroutine at a time may use it.
type Meter struct {
	x            []float64 // (2N, P): unit rows of the pairs measured
	copied, work []float64 // what LAPACK writes over
	singular     []float64
	best         []match // (2N)
}

// A match is how the other view's rows compare with that of a row's own clip.
type match struct {
	positive float64
	beaten   bool // another is more similar
	ties     int  // so many others are as similar
}

// Measure reports on projections z (2N, P), N first views before the N second
// ones. It takes time by N²P.
//
// The two views may come from two towers, which place them apart: so deviations
// are from each view's mean (two collapsed towers would look spread otherwise),
// and Top1 asks the other view only.
//
//   - Std: Chen & He 2021, "Exploring simple Siamese representation learning", §4.1.
//   - RankMe: exp of the entropy of the singular values divided by their sum,
//     Garrido et al. 2023, equation 1, without its 1e-7. Rows are not centred, so
//     equal ones have rank 1.
//   - Alignment and uniformity: Wang & Isola 2020, §4, with α = t = 2. Uniformity
//     is of distinct rows of a view, the mean of the two views.
func (m *Meter) Measure(z kernel.Array) Report {
	if len(z.Shape) != 2 || z.Shape[0]%2 != 0 || len(z.Data) < z.Shape[0]*z.Shape[1] {
		panic(fmt.Sprintf("health: Measure: %d values of shape %v, want (2N, P)", len(z.Data), z.Shape))
	}
	r := Report{Dimensions: z.Shape[1]}
	m.gather(z, &r)
	if r.Pairs < 2 || r.Dimensions == 0 {
		return r
	}
	m.deviations(&r)
	r.RankMe = m.rank(r.Pairs, r.Dimensions)
	m.compare(&r)
	return r
}

// gather fills m.x with the unit rows of the finite pairs.
func (m *Meter) gather(z kernel.Array, r *Report) {
	n, p := z.Shape[0]/2, z.Shape[1]
	m.x = grown(m.x, 2*n*p)
	first := func(i int) []float32 { return z.Data[i*p : (i+1)*p] }
	both := func(i int) bool { return finite(first(i)) && finite(first(n+i)) }
	for i := range n {
		if both(i) {
			r.Pairs++
		}
	}
	at := 0
	for i := range n {
		for _, row := range [2][]float32{first(i), first(n + i)} {
			if !finite(row) {
				r.NotFinite++
			}
		}
		if both(i) {
			unit(m.x[at*p:(at+1)*p], first(i))
			unit(m.x[(r.Pairs+at)*p:(r.Pairs+at+1)*p], first(n+i))
			at++
		}
	}
	m.x = m.x[:2*r.Pairs*p]
}

func (m *Meter) deviations(r *Report) {
	n, p := r.Pairs, r.Dimensions
	r.StdSpread, r.StdLeast = 1/math.Sqrt(float64(p)), math.Inf(1)
	for k := range p {
		std := math.Sqrt((variance(m.x[k:n*p], p, n) + variance(m.x[n*p+k:], p, n)) / 2)
		r.Std += std
		r.StdLeast = min(r.StdLeast, std)
		if std < r.StdSpread/100 {
			r.Dead++
		}
	}
	r.Std /= float64(p)
}

// variance is the unbiased one of n values, each so many behind the last.
func variance(x []float64, each, n int) float64 {
	sum, squares := 0.0, 0.0
	for i := range n {
		sum += x[i*each]
	}
	mean := sum / float64(n)
	for i := range n {
		d := x[i*each] - mean
		squares += float64(d * d)
	}
	return squares / float64(n-1)
}

var lapacks lapackgonum.Implementation

// rank is RankMe. Dgesvd takes the rows themselves, not their products, which
// would lose the singular values below 1e-8 of the largest.
func (m *Meter) rank(n, p int) float64 {
	rows, short := 2*n, min(2*n, p)
	m.copied = append(m.copied[:0], m.x...)
	m.singular = grown(m.singular, short)
	m.work = grown(m.work, max(1, len(m.work)))
	lapacks.Dgesvd(lapack.SVDNone, lapack.SVDNone, rows, p, m.copied, p, m.singular, nil, 1, nil, 1, m.work, -1) // asks how much it needs
	m.work = grown(m.work, int(m.work[0]))
	if !lapacks.Dgesvd(lapack.SVDNone, lapack.SVDNone, rows, p, m.copied, p, m.singular, nil, 1, nil, 1, m.work, len(m.work)) {
		return 0 // its iteration gave up, which finite unit rows are not known to bring about
	}
	sum, entropy := 0.0, 0.0
	for _, s := range m.singular {
		sum += s
	}
	if sum == 0 {
		return 0
	}
	for _, s := range m.singular {
		if share := s / sum; share > 0 {
			entropy -= float64(share * math.Log(share))
		}
	}
	return math.Exp(entropy)
}

// compare takes each two rows once, in order.
func (m *Meter) compare(r *Report) {
	n, p := r.Pairs, r.Dimensions
	row := func(i int) []float64 { return m.x[i*p : (i+1)*p] }
	if cap(m.best) < 2*n {
		m.best = make([]match, 2*n)
	}
	m.best = m.best[:2*n]
	for i := range n {
		a, b := row(i), row(n+i)
		cos := dot(a, b)
		m.best[i], m.best[n+i] = match{positive: cos}, match{positive: cos}
		r.Positives[bin(cos)]++
		r.PositiveCos += cos
		for k := range a {
			d := a[k] - b[k]
			r.Alignment += float64(d * d)
		}
	}
	var near [2]float64 // sums of exp(-2·squared distance), of first and second views
	for i := range 2 * n {
		self := dot(row(i), row(i)) // 1, or 0 where all is zero
		for j := i + 1; j < 2*n; j++ {
			if j == i+n {
				continue
			}
			cos := dot(row(i), row(j))
			r.Negatives[bin(cos)]++
			r.NegativeCos += cos
			if i/n != j/n {
				m.best[i].meet(cos)
				m.best[j].meet(cos)
			} else {
				apart := max(0, self+dot(row(j), row(j))-float64(2*cos))
				near[i/n] += math.Exp(-2 * apart)
			}
		}
	}
	for _, b := range m.best {
		if !b.beaten {
			r.Top1 += 1 / float64(1+b.ties)
		}
	}
	pairs := float64(n)
	r.Alignment /= pairs
	r.PositiveCos /= pairs
	r.NegativeCos /= 2 * pairs * (pairs - 1)
	r.Top1 /= 2 * pairs
	each := pairs * (pairs - 1) / 2
	r.Uniformity = (math.Log(near[0]/each) + math.Log(near[1]/each)) / 2
}

func (b *match) meet(cos float64) {
	switch {
	case cos > b.positive:
		b.beaten = true
	case cos == b.positive:
		b.ties++
	}
}

// bin is where a histogram counts a cosine.
func bin(cos float64) int {
	return max(0, min(Bins-1, int(math.Floor((cos+1)*Bins/2))))
}

// unit sets y to x / ‖x‖, or to zeros where x is.
func unit(y []float64, x []float32) {
	squares := 0.0
	for _, v := range x {
		squares += float64(float64(v) * float64(v))
	}
	norm := math.Sqrt(squares)
	if norm == 0 {
		norm = 1
	}
	for i, v := range x {
		y[i] = float64(v) / norm
	}
}

// dot is Σ a·b in four sums, one per index modulo 4: equal rows have equal
// products wherever they stand.
func dot(a, b []float64) float64 {
	var s [4]float64
	b = b[:len(a)]
	for ; len(a) >= 4; a, b = a[4:], b[4:] {
		s[0] += float64(a[0] * b[0])
		s[1] += float64(a[1] * b[1])
		s[2] += float64(a[2] * b[2])
		s[3] += float64(a[3] * b[3])
	}
	for i, v := range a {
		s[i] += float64(v * b[i])
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// grown is a slice of n values that may hold rubbish.
func grown(x []float64, n int) []float64 {
	if cap(x) < n {
		return make([]float64, n)
	}
	return x[:n]
}
