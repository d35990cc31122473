package kernel

import "math"

// A Norm is batch normalisation of (N,C,H,W) over N, H and W. With Groups, row
// r belongs to group r·Groups/N and each group has statistics of its own, as if
// it were a batch alone; 0 means 1.
type Norm struct {
	N, C, H, W, Groups int
	Eps                float32
}

func (s Norm) groups() int { return max(1, s.Groups) }
func (s Norm) pixels() int { return s.H * s.W }

// first is the first row of group g.
func (s Norm) first(g int) int { return (g*s.N + s.groups() - 1) / s.groups() }

// count is the number of values of a channel in group g.
func (s Norm) count(g int) int { return (s.first(g+1) - s.first(g)) * s.pixels() }

func (s Norm) check(name string, maps ...[]float32) {
	check(s.N >= 1 && s.groups() <= s.N, name, "fewer rows than groups")
	for _, m := range maps {
		check(len(m) >= Blocks(s.N)*s.pixels()*s.C*Lanes, name, "maps too short")
	}
}

// Stats writes (Groups,3,C): mean, biased variance and 1/√(variance+eps) of
// each channel. Sums are float64.
func (s Norm) Stats(stats, x []float32) {
	s.check("Norm.Stats", x)
	sums := s.laneSums(x, nil, nil)
	defer doubles.put(sums)
	for g := range s.groups() {
		out, n := stats[g*3*s.C:][:3*s.C], float64(s.count(g))
		for c := range s.C {
			sum, square := s.total(sums.data, g, c)
			mean := sum / n
			variance := square/n - mean*mean
			if variance < 0 {
				variance = 0
			}
			out[c], out[s.C+c] = float32(mean), float32(variance)
			out[2*s.C+c] = float32(1 / math.Sqrt(variance+float64(s.Eps)))
		}
	}
}

// RunningStats writes (1,3,C), the same from running statistics.
func (s Norm) RunningStats(stats, mean, variance []float32) {
	check(s.groups() == 1, "Norm.RunningStats", "running statistics know no groups")
	for c := range s.C {
		stats[c], stats[s.C+c] = mean[c], variance[c]
		stats[2*s.C+c] = float32(1 / math.Sqrt(float64(variance[c])+float64(s.Eps)))
	}
}

// Sums writes (Groups,2,C): Σ dŷ·x̂ and Σ dŷ, the gradients of gamma and beta,
// where dŷ is dy, or with relu dy where y is not ≤ 0. y is nil without relu.
func (s Norm) Sums(sums, x, y, stats, dy []float32, relu bool) {
	s.check("Norm.Sums", x, dy)
	if relu {
		s.check("Norm.Sums", y)
	} else {
		y = nil
	}
	part := s.laneSums(dy, x, y)
	defer doubles.put(part)
	for g := range s.groups() {
		st, out := stats[g*3*s.C:], sums[g*2*s.C:][:2*s.C]
		for c := range s.C {
			sum, cross := s.total(part.data, g, c)
			out[c] = float32((cross - float64(st[c])*sum) * float64(st[2*s.C+c]))
			out[s.C+c] = float32(sum)
		}
	}
}

// sumChannels is how many channels one work item sums.
const sumChannels = 32

// span is the largest number of groups that one block can hold rows of.
func (s Norm) span() int {
	most := 1
	for b := range Blocks(s.N) {
		lo, hi := s.groupsOf(b)
		most = max(most, hi-lo)
	}
	return most
}

// groupsOf gives the groups lo … hi-1 that have rows in block b.
func (s Norm) groupsOf(b int) (lo, hi int) {
	last := min(s.N, (b+1)*Lanes) - 1
	return b * Lanes * s.groups() / s.N, last*s.groups()/s.N + 1
}

// laneSums gives Σ u and Σ u·v (or Σ u², without v) for each block, each group
// in it and each channel: (blocks, span, 2, C). With y, u counts only where y
// is not ≤ 0. The caller returns the struct to doubles.
func (s Norm) laneSums(u, v, y []float32) *doubleBuffer {
	part := doubles.get()
	part.grow(Blocks(s.N) * s.span() * 2 * s.C)
	items := Blocks(s.N) * ((s.C + sumChannels - 1) / sumChannels)
	share(&sumTasks, items, sumTask{Norm: s, u: u, v: v, y: y, part: part.data, span: s.span()})
	return part
}

// total adds what laneSums left for one group and channel, in block order.
func (s Norm) total(part []float64, g, c int) (sum, cross float64) {
	span := s.span()
	for b := s.first(g) / Lanes; b*Lanes < s.first(g+1); b++ {
		lo, _ := s.groupsOf(b)
		p := part[(b*span+g-lo)*2*s.C:][:2*s.C]
		sum += p[c]
		cross += p[s.C+c]
	}
	return sum, cross
}

type sumTask struct {
	Norm
	u, v, y []float32
	part    []float64
	span    int
}

var sumTasks stash[sumTask]

func (t *sumTask) Do(item int) {
	cuts := (t.C + sumChannels - 1) / sumChannels
	b, c0 := item/cuts, item%cuts*sumChannels
	channels := min(sumChannels, t.C-c0)
	var acc [sumChannels * 2 * Lanes]float64 // (channel, 2, 16)
	off := (b*t.pixels()*t.C + c0) * Lanes
	a := sumArgs{acc: acc[:], u: t.u[off:], pixels: t.pixels(), step: t.C * Lanes, channels: channels}
	if t.v != nil {
		a.v = t.v[off:]
	}
	if t.y != nil {
		a.y = t.y[off:]
	}
	runSums(&a)
	lo, hi := t.groupsOf(b)
	for g := lo; g < hi; g++ {
		p := t.part[(b*t.span+g-lo)*2*t.C:][:2*t.C]
		from, to := max(0, t.first(g)-b*Lanes), min(Lanes, t.first(g+1)-b*Lanes)
		for c := range channels {
			var sum, cross float64
			for l := from; l < to; l++ {
				sum += acc[c*2*Lanes+l]
				cross += acc[(c*2+1)*Lanes+l]
			}
			p[c0+c], p[t.C+c0+c] = sum, cross
		}
	}
}

// sumArgs is the argument of the summing routines: per channel and lane
// acc += (Σ u, Σ u·v) over pixels, all in float64. v is nil for u itself; where
// y is given and ≤ 0, u counts as 0.
type sumArgs struct {
	acc              []float64
	u, v, y          []float32
	pixels, channels int
	step             int // float32s from pixel to pixel
}

func sumsTwin(a *sumArgs) {
	for p := range a.pixels {
		for c := range a.channels {
			i := p*a.step + c*Lanes
			u := *at(a.u[i:], 0)
			v := &u
			if a.v != nil {
				v = at(a.v[i:], 0)
			}
			if a.y != nil {
				for l, y := range at(a.y[i:], 0) {
					if y <= 0 {
						u[l] = 0
					}
				}
			}
			acc := (*[2 * Lanes]float64)(a.acc[c*2*Lanes:])
			for l := range u {
				f := float64(u[l])
				acc[l] += f
				acc[Lanes+l] += f * float64(v[l])
			}
		}
	}
}

// A doubleBuffer is working memory in float64.
type doubleBuffer struct{ data []float64 }

var doubles stash[doubleBuffer]

func (b *doubleBuffer) grow(n int) {
	if len(b.data) < n {
		b.data = make([]float64, n)
	}
}
