package kernel

// Apply computes y = gamma·x̂ + beta, plus residual unless nil, and then ReLU if
// asked. y may be x or residual; its padded lanes become zero. stats is
// (Groups,3,C) as from Stats; gamma and beta are (C).
func (s Norm) Apply(y, x, stats, gamma, beta, residual []float32, relu bool) {
	s.check("Norm.Apply", y, x)
	if residual != nil {
		s.check("Norm.Apply", residual)
	}
	k := s.coefs(func(g, c int) [coefCount]float32 {
		st := stats[g*3*s.C:]
		return [coefCount]float32{st[c], gamma[c] * st[2*s.C+c], 0, beta[c], 0}
	})
	s.affine(affineArgs{y: y, x: x, add: residual, relu: relu}, k)
	coefTables.put(k)
}

// Data computes dx, the gradient of x in training mode:
//
//	dx = gamma·inv·(dŷ - mean(dŷ) - x̂·mean(dŷ·x̂))
//
// with dŷ as Sums has it, and sums (Groups,2,C) from there. Padded lanes become
// zero. dx may be dy.
func (s Norm) Data(dx, x, stats, gamma, beta, sums, dy []float32, relu bool) {
	s.check("Norm.Data", dx, x, dy)
	k := s.coefs(func(g, c int) [coefCount]float32 { return s.dataCoefs(stats, gamma, beta, sums, g, c, s.count(g)) })
	s.affine(affineArgs{y: dx, x: x, u: dy, gated: relu}, k)
	coefTables.put(k)
}

// dataCoefs are those of Data, for n values of a channel.
func (s Norm) dataCoefs(stats, gamma, beta, sums []float32, g, c, n int) [coefCount]float32 {
	st, sum := stats[g*3*s.C:], sums[g*2*s.C:]
	inv := float64(st[2*s.C+c])
	a := float64(gamma[c]) * inv
	return [coefCount]float32{
		st[c], float32(-a * inv * float64(sum[c]) / float64(n)), gamma[c] * st[2*s.C+c], float32(-a * float64(sum[s.C+c]) / float64(n)), beta[c],
	}
}

// DataEval computes dx with the statistics held constant: dx = gamma·inv·dŷ,
// with dŷ as Sums has it. Padded lanes become zero. dx may be dy. x is read for
// the ReLU only.
func (s Norm) DataEval(dx, x, stats, gamma, beta, dy []float32, relu bool) {
	s.check("Norm.DataEval", dx, dy)
	if relu {
		s.check("Norm.DataEval", x)
	}
	k := s.coefs(func(g, c int) [coefCount]float32 { return s.evalCoefs(stats, gamma, beta, g, c) })
	s.affine(affineArgs{y: dx, x: x, u: dy, gated: relu, flat: true}, k)
	coefTables.put(k)
}

// evalCoefs are those of DataEval.
func (s Norm) evalCoefs(stats, gamma, beta []float32, g, c int) [coefCount]float32 {
	st := stats[g*3*s.C:]
	return [coefCount]float32{st[c], 0, gamma[c] * st[2*s.C+c], 0, beta[c]}
}

// affineArgs is the argument of the routines that go over maps once, with five
// coefficients (k0 … k4) a channel:
//
//	y = (x - k0)·k1 + k3 + û·k2 + add
//
// then ReLU if asked, then zero in lanes whose mask is 0. û is u, or if gated 0
// where (x - k0)·k2 + k4 ≤ 0. If flat, the terms with k1 and k3 are left out.
// Any of x, u, add may be nil.
type affineArgs struct {
	y, x, u, add     []float32
	coef             []float32 // (channels, 5), or (channels, 5, 16)
	mask             [Lanes]uint32
	pixels, channels int
	relu             bool
	lanes            bool // each lane has its coefficients
	gated, flat      bool
}

// affineLanes is how many pixels times channels a work item has, at least.
const affineLanes = 64 * 64

// affine runs over all maps.
func (s Norm) affine(a affineArgs, k *coefTable) {
	step := max(1, affineLanes/s.C)
	cuts := (s.pixels() + step - 1) / step
	share(&affineTasks, Blocks(s.N)*cuts, affineTask{Norm: s, args: a, k: k, step: step, cuts: cuts})
}

type affineTask struct {
	Norm
	args       affineArgs
	k          *coefTable
	step, cuts int
}

var affineTasks stash[affineTask]

func (t *affineTask) Do(item int) {
	b, p0 := item/t.cuts, item%t.cuts*t.step
	a := t.args
	a.pixels, a.channels = min(t.step, t.pixels()-p0), t.C
	from, to := (b*t.pixels()+p0)*t.C*Lanes, (b*t.pixels()+p0+a.pixels)*t.C*Lanes
	for _, m := range [...]*[]float32{&a.y, &a.x, &a.u, &a.add} {
		if *m != nil {
			*m = (*m)[from:to]
		}
	}
	a.coef, a.lanes = t.k.of(t.Norm, b, 0)
	a.mask = t.mask(b)
	runAffine(&a)
}

// mask has all bits set in the lanes of block b that hold an example.
func (s Norm) mask(b int) (m [Lanes]uint32) {
	for l := range min(Lanes, s.N-b*Lanes) {
		m[l] = ^uint32(0)
	}
	return m
}

func affineTwin(a *affineArgs) {
	for c := range a.channels {
		var k [coefCount]lane
		for i := range k {
			k[i] = coef(a.coef, a.lanes, c, i)
		}
		for p := range a.pixels {
			i := p*a.channels + c
			var v lane
			if a.x != nil && !a.flat {
				for l, x := range at(a.x, i) {
					v[l] = (x-k[0][l])*k[1][l] + k[3][l]
				}
			}
			if a.u != nil {
				u := *at(a.u, i)
				if a.gated {
					for l, x := range at(a.x, i) {
						if (x-k[0][l])*k[2][l]+k[4][l] <= 0 {
							u[l] = 0
						}
					}
				}
				for l := range v {
					v[l] += u[l] * k[2][l]
				}
			}
			if a.add != nil {
				for l, r := range at(a.add, i) {
					v[l] += r
				}
			}
			y := at(a.y, i)
			for l, f := range v {
				if a.relu && f < 0 {
					f = 0
				}
				if a.mask[l] == 0 {
					f = 0
				}
				y[l] = f
			}
		}
	}
}
