package loss

import "clr/internal/kernel"

// triplets are those of one batch.
type triplets struct {
	o      TripletOptions
	labels []float32
	m      int
	d      []float32 // (M, M) distances, of rows from one another
	pulls  []float32 // (M, M) how often a row was pulled to another one, less how often it was pushed away
	loss   float64   // sum
	count  float64   // of what it is to be averaged over
}

// measure fills in the distances.
func (t *triplets) measure(z kernel.Array) {
	d := z.Shape[1]
	for i := range t.m {
		for j := range i + 1 {
			apart := t.o.apart(z.Data[i*d:][:d], z.Data[j*d:][:d])
			t.d[i*t.m+j], t.d[j*t.m+i] = float32(apart), float32(apart)
			t.loss += float64(0 * apart) // NaN shows, chosen or not
		}
	}
}

func (t *triplets) positive(a, p int) bool { return positive(t.labels, a, p) }
func (t *triplets) negative(a, n int) bool { return t.labels[a] >= 0 && t.labels[n] != t.labels[a] }

// add takes a triplet in, and says whether its term is not 0.
func (t *triplets) add(a, p, n int) bool {
	term := t.o.Margin + float64(t.d[a*t.m+p]) - float64(t.d[a*t.m+n])
	if term <= 0 {
		return false
	}
	t.loss += term
	t.pulls[a*t.m+p]++
	t.pulls[a*t.m+n]--
	return true
}

// nearest is the negative of a nearest to it among those farther than least, or -1.
func (t *triplets) nearest(a int, least float32) int {
	best := -1
	for n, d := range t.d[a*t.m:][:t.m] {
		if t.negative(a, n) && !(d <= least) && (best < 0 || !(d >= t.d[a*t.m+best])) {
			best = n
		}
	}
	return best
}

// farthest is, of the rows of a kind, the one farthest from a, or -1.
func (t *triplets) farthest(a int, of func(a, i int) bool) int {
	best := -1
	for i, d := range t.d[a*t.m:][:t.m] {
		if of(a, i) && (best < 0 || !(d <= t.d[a*t.m+best])) {
			best = i
		}
	}
	return best
}

func (t *triplets) hard() {
	for a := range t.m {
		p, n := t.farthest(a, t.positive), t.nearest(a, -1)
		if p >= 0 && n >= 0 {
			t.add(a, p, n)
			t.count++
		}
	}
}

func (t *triplets) semiHard() {
	for a := range t.m {
		last := t.farthest(a, t.negative)
		for p := range t.m {
			if last < 0 || !t.positive(a, p) {
				continue
			}
			n := t.nearest(a, t.d[a*t.m+p])
			if n < 0 {
				n = last
			}
			t.add(a, p, n)
			t.count++
		}
	}
}

func (t *triplets) all() {
	for a := range t.m {
		for p := range t.m {
			if !t.positive(a, p) {
				continue
			}
			for n := range t.m {
				if t.negative(a, n) && t.add(a, p, n) {
					t.count++
				}
			}
		}
	}
}

// gradient writes dz (M, D): a distance's is (zᵢ - zⱼ) / ‖zᵢ - zⱼ‖ by zᵢ, a squared
// one's 2 (zᵢ - zⱼ), and it has moved the two rows by as much.
func (t *triplets) gradient(dz []float32, z kernel.Array) {
	d := z.Shape[1]
	for i := range t.m {
		out, zi := dz[i*d:][:d], z.Data[i*d:][:d]
		clear(out)
		for j := range t.m {
			pulls := float64(t.pulls[i*t.m+j]) + float64(t.pulls[j*t.m+i])
			if pulls == 0 {
				continue
			}
			t.o.pull(out, zi, z.Data[j*d:][:d], pulls/t.count, float64(t.d[i*t.m+j]))
		}
	}
}
