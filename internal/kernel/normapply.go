package kernel

// Apply computes y = gamma·x̂ + beta, plus residual unless nil, and then ReLU if
// asked. y may be x or residual; its padded lanes become zero. stats is
// (Groups,3,C) as from Stats; gamma and beta are (C).
func (s Norm) Apply(y, x, stats, gamma, beta, residual []float32, relu bool) {
	s.check("Norm.Apply", y, x)
	if residual != nil {
		s.check("Norm.Apply", residual)
	}
	coef := buffers.get()
	coef.grow(s.groups() * s.C * 4)
	for g := range s.groups() {
		st := stats[g*3*s.C:]
		for c := range s.C {
			k := (*[4]float32)(coef.data[(g*s.C+c)*4:])
			*k = [4]float32{st[c], gamma[c] * st[2*s.C+c], 0, beta[c]}
		}
	}
	s.affine(affineArgs{y: y, x: x, add: residual, relu: relu}, coef.data)
	buffers.put(coef)
}

// Data computes dx, the gradient of x in training mode:
//
//	dx = gamma·inv·(dŷ - mean(dŷ) - x̂·mean(dŷ·x̂))
//
// sums is (Groups,2,C) as from Sums. Padded lanes become zero. dx may be dy.
func (s Norm) Data(dx, x, y, stats, gamma, sums, dy []float32, relu bool) {
	s.check("Norm.Data", dx, x, dy)
	if relu {
		s.check("Norm.Data", y)
	} else {
		y = nil
	}
	coef := buffers.get()
	coef.grow(s.groups() * s.C * 4)
	for g := range s.groups() {
		st, sum, n := stats[g*3*s.C:], sums[g*2*s.C:], float64(s.count(g))
		for c := range s.C {
			inv := float64(st[2*s.C+c])
			a := float64(gamma[c]) * inv
			k := (*[4]float32)(coef.data[(g*s.C+c)*4:])
			*k = [4]float32{st[c], float32(-a * inv * float64(sum[c]) / n), float32(a), float32(-a * float64(sum[s.C+c]) / n)}
		}
	}
	s.affine(affineArgs{y: dx, x: x, u: dy, gate: y}, coef.data)
	buffers.put(coef)
}

// DataEval computes dx with the statistics held constant: dx = gamma·inv·dŷ.
// Padded lanes become zero. dx may be dy.
func (s Norm) DataEval(dx, y, stats, gamma, dy []float32, relu bool) {
	s.check("Norm.DataEval", dx, dy)
	if relu {
		s.check("Norm.DataEval", y)
	} else {
		y = nil
	}
	coef := buffers.get()
	coef.grow(s.groups() * s.C * 4)
	for g := range s.groups() {
		st := stats[g*3*s.C:]
		for c := range s.C {
			k := (*[4]float32)(coef.data[(g*s.C+c)*4:])
			*k = [4]float32{0, 0, gamma[c] * st[2*s.C+c], 0}
		}
	}
	s.affine(affineArgs{y: dx, u: dy, gate: y}, coef.data)
	buffers.put(coef)
}

// affineArgs is the argument of the routines that go over maps once, with four
// coefficients (k0 … k3) a channel:
//
//	y = (x - k0)·k1 + k3 + û·k2 + add
//
// then ReLU if asked, then zero in lanes whose mask is 0. û is u, or 0 where
// gate is not nil and ≤ 0. Any of x, u, gate, add may be nil, not x and u both.
type affineArgs struct {
	y, x, u, gate, add []float32
	coef               []float32 // (channels, 4)
	mask               [Lanes]uint32
	pixels, channels   int
	relu               bool
}

// affineLanes is how many pixels times channels a work item has, at least.
const affineLanes = 64 * 64

// affine runs over all maps; coef is (Groups,C,4).
func (s Norm) affine(a affineArgs, coef []float32) {
	step := max(1, affineLanes/s.C)
	cuts := (s.pixels() + step - 1) / step
	share(&affineTasks, Blocks(s.N)*cuts, affineTask{Norm: s, args: a, coef: coef, step: step, cuts: cuts})
}

type affineTask struct {
	Norm
	args       affineArgs
	coef       []float32
	step, cuts int
}

var affineTasks stash[affineTask]

func (t *affineTask) Do(item int) {
	b, p0 := item/t.cuts, item%t.cuts*t.step
	a := t.args
	a.pixels, a.channels = min(t.step, t.pixels()-p0), t.C
	from, to := (b*t.pixels()+p0)*t.C*Lanes, (b*t.pixels()+p0+a.pixels)*t.C*Lanes
	for _, m := range [...]*[]float32{&a.y, &a.x, &a.u, &a.gate, &a.add} {
		if *m != nil {
			*m = (*m)[from:to]
		}
	}
	lo, hi := t.groupsOf(b)
	var group [Lanes]int
	for l := range group {
		if r := b*Lanes + l; r < t.N {
			group[l], a.mask[l] = r*t.groups()/t.N, ^uint32(0)
		}
	}
	if hi-lo == 1 {
		a.coef = t.coef[lo*t.C*4 : hi*t.C*4]
		runAffine(&a)
		return
	}
	// Rows of several groups in one block: each lane has its own coefficients.
	// At most Groups-1 blocks are so.
	a.coef = t.coef
	affineTwin(&a, &group)
}

// affineTwin is the plain form, and the only one for blocks of several groups:
// lane l takes the coefficients of group[l] in coef (groups, channels, 4).
func affineTwin(a *affineArgs, group *[Lanes]int) {
	for c := range a.channels {
		var k [4]lane
		for l, g := range group {
			for i, v := range a.coef[(g*a.channels+c)*4:][:4] {
				k[i][l] = v
			}
		}
		for p := range a.pixels {
			i := p*a.channels + c
			var v lane
			if a.x != nil {
				for l, x := range at(a.x, i) {
					v[l] = (x-k[0][l])*k[1][l] + k[3][l]
				}
			}
			if a.u != nil {
				u := *at(a.u, i)
				if a.gate != nil {
					for l, y := range at(a.gate, i) {
						if y <= 0 {
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
