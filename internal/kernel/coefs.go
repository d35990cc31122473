package kernel

// coefCount is the number of coefficients of a channel; what they mean says
// affineArgs.
const coefCount = 5

// A coefTable is the coefficients of all blocks of a norm: (Groups, C, 5) for
// blocks of one group, and (C, 5, 16) for each block that has rows of several,
// of which there are at most Groups-1.
type coefTable struct{ data []float32 }

var coefTables stash[coefTable]

// coefs makes the table of of, the coefficients of channel c in group g. The
// caller returns it to coefTables.
func (s Norm) coefs(of func(g, c int) [coefCount]float32) *coefTable {
	t := coefTables.get()
	groups, n := s.groups(), s.groups()*s.C*coefCount
	if s.span() > 1 {
		n += (groups - 1) * s.C * coefCount * Lanes
	}
	if len(t.data) < n {
		t.data = make([]float32, n)
	}
	for g := range groups {
		for c := range s.C {
			*(*[coefCount]float32)(t.data[(g*s.C+c)*coefCount:]) = of(g, c)
		}
	}
	for b := range Blocks(s.N) {
		if lo, hi := s.groupsOf(b); hi-lo > 1 {
			t.spread(s, b, lo)
		}
	}
	return t
}

// mixed is where the coefficients of a block begin whose first group is lo,
// and not its last: no two blocks have the same.
func (s Norm) mixed(lo int) int { return (s.groups() + lo*Lanes) * s.C * coefCount }

// spread gives each lane of block b the coefficients of its group.
func (t *coefTable) spread(s Norm, b, lo int) {
	from, to := t.data[:s.mixed(0)], t.data[s.mixed(lo):]
	for l := range Lanes {
		g := min(s.N-1, b*Lanes+l) * s.groups() / s.N
		for i, k := range from[g*s.C*coefCount:][:s.C*coefCount] {
			to[i*Lanes+l] = k
		}
	}
}

// of is the coefficients of block b, from a channel on, and whether each lane
// has its own.
func (t *coefTable) of(s Norm, b, channel int) (coef []float32, lanes bool) {
	lo, hi := s.groupsOf(b)
	if hi-lo == 1 {
		return t.data[(lo*s.C+channel)*coefCount : hi*s.C*coefCount], false
	}
	return t.data[s.mixed(lo)+channel*coefCount*Lanes : s.mixed(lo+1)], true
}

// coef is coefficient k of channel c in what coefTable.of gave, for each lane.
func coef(list []float32, lanes bool, c, k int) (out lane) {
	if lanes {
		return *at(list, c*coefCount+k)
	}
	for l := range out {
		out[l] = list[c*coefCount+k]
	}
	return out
}
