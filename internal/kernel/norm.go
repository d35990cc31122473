package kernel

import (
	"math"
	"unsafe"
)

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
// each channel; of a channel with an infinity, variance and mean are not
// finite.
func (s Norm) Stats(stats, x []float32) {
	s.check("Norm.Stats", x)
	sums := s.laneSums(x, nil, nil, false)
	defer doubles.put(sums)
	for g := range s.groups() {
		out, n := stats[g*3*s.C:][:3*s.C], float64(s.count(g))
		sum, square := s.total(sums.data, g)
		for c := range s.C {
			mean := sum[c] / n
			variance := square[c]/n - mean*mean
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

// Sums writes (Groups,2,C): Σ dŷ·x̂ and Σ dŷ, the gradients of gamma and beta.
// With relu, dŷ is dy where the ReLU after gamma·x̂ + beta let it through, else
// 0; without, it is dy, and gamma and beta are not read.
func (s Norm) Sums(sums, x, stats, gamma, beta, dy []float32, relu bool) {
	s.check("Norm.Sums", x, dy)
	k := s.coefs(func(g, c int) (k [coefCount]float32) {
		st := stats[g*3*s.C:]
		k[0] = st[c]
		if relu {
			k[2], k[4] = gamma[c]*st[2*s.C+c], beta[c]
		}
		return k
	})
	part := s.laneSums(dy, x, k, relu)
	for g := range s.groups() {
		st, out := stats[g*3*s.C:], sums[g*2*s.C:][:2*s.C]
		sum, cross := s.total(part.data, g)
		for c := range s.C {
			out[c] = float32(cross[c] * float64(st[2*s.C+c]))
			out[s.C+c] = float32(sum[c])
		}
	}
	doubles.put(part)
	coefTables.put(k)
}

// sumChannels and sumPixels are how much one work item sums: of 64 channels
// whole rows of memory, so that it is read in long runs.
const sumChannels, sumPixels = 64, 256

// cuts is the number of work items of a block, along channels and pixels.
func (s Norm) cuts() (channels, pixels int) {
	return (s.C + sumChannels - 1) / sumChannels, (s.pixels() + sumPixels - 1) / sumPixels
}

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

// laneSums gives two sums, as sumArgs has them, for each block, each piece of
// its pixels, each group in it and each channel: (blocks, pieces, span, 2, C).
// The caller returns the struct to doubles.
func (s Norm) laneSums(u, x []float32, k *coefTable, gated bool) *doubleBuffer {
	part := doubles.get()
	channels, pieces := s.cuts()
	part.grow(Blocks(s.N) * pieces * s.span() * 2 * s.C)
	share(&sumTasks, Blocks(s.N)*pieces*channels,
		sumTask{Norm: s, u: u, x: x, k: k, gated: gated, part: part.data, span: s.span()})
	return part
}

// total adds what laneSums left for one group, in the order of blocks and
// pixels: both sums of each channel. It writes over part.
func (s Norm) total(part []float64, g int) (sum, cross []float64) {
	span := s.span()
	_, pieces := s.cuts()
	var all []float64
	for b := s.first(g) / Lanes; b*Lanes < s.first(g+1); b++ {
		lo, _ := s.groupsOf(b)
		for i := range pieces {
			p := part[((b*pieces+i)*span+g-lo)*2*s.C:][:2*s.C]
			if all == nil {
				all = p
				continue
			}
			for c, v := range p {
				all[c] += v
			}
		}
	}
	return all[:s.C], all[s.C:]
}

type sumTask struct {
	Norm
	u, x  []float32
	k     *coefTable
	gated bool
	part  []float64
	span  int
}

var sumTasks stash[sumTask]

// Do sums one piece. The last comes first: what was written last before is
// still in the cache.
func (t *sumTask) Do(item int) {
	cuts, pieces := t.cuts()
	item = Blocks(t.N)*pieces*cuts - 1 - item
	piece, c0 := item/cuts, item%cuts*sumChannels
	b, p0 := piece/pieces, piece%pieces*sumPixels
	m := sumMemories.get()
	defer sumMemories.put(m)
	acc, part := m.fresh()
	off := ((b*t.pixels()+p0)*t.C + c0) * Lanes
	a := sumArgs{acc: acc, part: part, u: t.u[off:], step: t.C * Lanes, gated: t.gated,
		pixels: min(sumPixels, t.pixels()-p0), channels: min(sumChannels, t.C-c0)}
	if t.x != nil {
		a.x = t.x[off:]
		a.coef, a.lanes = t.k.of(t.Norm, b, c0)
	}
	runSums(&a)
	lo, hi := t.groupsOf(b)
	for g := lo; g < hi; g++ {
		p := t.part[(piece*t.span+g-lo)*2*t.C:][:2*t.C]
		from, to := max(0, t.first(g)-b*Lanes), min(Lanes, t.first(g+1)-b*Lanes)
		for c := range a.channels {
			var sum, cross float64
			for l := from; l < to; l++ {
				sum += acc[c*2*Lanes+l]
				cross += acc[(c*2+1)*Lanes+l]
			}
			p[c0+c], p[t.C+c0+c] = sum, cross
		}
	}
}

// sumArgs is the argument of the summing routines. Per channel and lane,
//
//	acc += (Σ u, Σ u²)             without x
//	acc += (Σ û, Σ û·(x - k0))     with x
//
// over pixels; û is u, or if gated 0 where (x - k0)·k2 + k4 ≤ 0. Runs of sumRun
// pixels are summed in float32, without x as differences to the run's first
// pixel, so that no digits are lost to a mean far from zero; runs are added in
// float64.
type sumArgs struct {
	acc              []float64 // (channels, 2, 16)
	part             []float32 // (channels, 3, 16) of working memory, all zero
	u, x             []float32
	coef             []float32 // (channels, 5), or (channels, 5, 16)
	pixels, channels int
	step             int  // float32s from pixel to pixel
	lanes            bool // each lane has its coefficients
	gated            bool
}

// sumRun is how many pixels are summed in float32.
const sumRun = 16

func sumsTwin(a *sumArgs) {
	for p := 0; p < a.pixels; p += sumRun {
		n := min(sumRun, a.pixels-p)
		for c := range a.channels {
			acc := (*[2 * Lanes]float64)(a.acc[c*2*Lanes:])
			if i := p*a.step + c*Lanes; a.x == nil {
				squareRun(acc, a.u[i:], n, a.step)
			} else {
				crossRun(acc, a, a.u[i:], a.x[i:], c, n)
			}
		}
	}
}

func squareRun(acc *[2 * Lanes]float64, u []float32, n, step int) {
	center := *at(u, 0)
	var sum, square lane
	for p := range n {
		for l, v := range at(u[p*step:], 0) {
			d := center[l] - v
			sum[l] += d
			square[l] += d * d
		}
	}
	for l, c := range center {
		c, d := float64(c), float64(sum[l])
		acc[l] += float64(n)*c - d
		acc[Lanes+l] += float64(square[l]) + c*(float64(n)*c-d-d)
	}
}

func crossRun(acc *[2 * Lanes]float64, a *sumArgs, u, x []float32, c, n int) {
	center, scale, shift := coef(a.coef, a.lanes, c, 0), coef(a.coef, a.lanes, c, 2), coef(a.coef, a.lanes, c, 4)
	var sum, cross lane
	for p := range n {
		u := *at(u[p*a.step:], 0)
		for l, v := range at(x[p*a.step:], 0) {
			d := v - center[l]
			if a.gated && d*scale[l]+shift[l] <= 0 {
				u[l] = 0
			}
			sum[l] += u[l]
			cross[l] += u[l] * d
		}
	}
	for l := range sum {
		acc[l] += float64(sum[l])
		acc[Lanes+l] += float64(cross[l])
	}
}

// A sumMemory is the working memory of a sumTask. Both parts begin at a cache
// line: a vector across two of them takes twice as long.
type sumMemory struct {
	acc  [sumChannels*2*Lanes + 8]float64
	part [sumChannels*3*Lanes + 16]float32
}

var sumMemories stash[sumMemory]

// fresh is the memory, all zero.
func (m *sumMemory) fresh() (acc []float64, part []float32) {
	clear(m.acc[:])
	clear(m.part[:])
	a := -uintptr(unsafe.Pointer(&m.acc)) % 64 / 8
	p := -uintptr(unsafe.Pointer(&m.part)) % 64 / 4
	return m.acc[a:][:sumChannels*2*Lanes], m.part[p:][:sumChannels*3*Lanes]
}

// A doubleBuffer is working memory in float64.
type doubleBuffer struct{ data []float64 }

var doubles stash[doubleBuffer]

func (b *doubleBuffer) grow(n int) {
	if len(b.data) < n {
		b.data = make([]float64, n)
	}
}
