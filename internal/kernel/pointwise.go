package kernel

// Routines on whole slices. A work item is a stretch of pieceSize floats.
const pieceSize = 16 << 10

// An opcode says what a pointwise item does.
type opcode uint8

const (
	opReLU        opcode = iota // dst = max(a, 0)
	opReLUGrad                  // dst = b where a is not ≤ 0, else 0
	opReLUGradSum               // dst = b + c where a is not ≤ 0, else 0
	opAdd                       // dst = a + b
	opTimes                     // dst = t·a
	opAddTimes                  // dst += t·a
	opLerp                      // dst += t·(a - dst)
)

// ReLU computes y = max(x, 0); NaN stays NaN. y may be x.
func ReLU(y, x []float32) {
	check(len(y) == len(x), "ReLU", "lengths differ")
	pointwise(pointArgs{op: opReLU, dst: y, a: x})
}

// ReLUGrad computes dx = dy where y is not ≤ 0, and 0 elsewhere. dx may be dy.
func ReLUGrad(dx, y, dy []float32) {
	check(len(dx) == len(y) && len(dx) == len(dy), "ReLUGrad", "lengths differ")
	pointwise(pointArgs{op: opReLUGrad, dst: dx, a: y, b: dy})
}

// ReLUGradSum computes dx = d + e where y is not ≤ 0, and 0 elsewhere: the
// gradient where two branches meet. dx may be d or e.
func ReLUGradSum(dx, y, d, e []float32) {
	check(len(dx) == len(y) && len(dx) == len(d) && len(dx) == len(e), "ReLUGradSum", "lengths differ")
	pointwise(pointArgs{op: opReLUGradSum, dst: dx, a: y, b: d, c: e})
}

// Add computes dst = a + b. dst may be a or b.
func Add(dst, a, b []float32) {
	check(len(dst) == len(a) && len(dst) == len(b), "Add", "lengths differ")
	pointwise(pointArgs{op: opAdd, dst: dst, a: a, b: b})
}

// Scale computes dst = t·x. dst may be x.
func Scale(dst, x []float32, t float32) {
	check(len(dst) == len(x), "Scale", "lengths differ")
	pointwise(pointArgs{op: opTimes, dst: dst, a: x, t: t})
}

// Lerp computes dst += t·(src - dst).
func Lerp(dst, src []float32, t float32) {
	check(len(dst) == len(src), "Lerp", "lengths differ")
	pointwise(pointArgs{op: opLerp, dst: dst, a: src, t: t})
}

type pointArgs struct {
	dst, a, b, c []float32
	t            float32
	op           opcode
}

func pointwise(p pointArgs) {
	share(&pointTasks, (len(p.dst)+pieceSize-1)/pieceSize, pointTask(p))
}

type pointTask pointArgs

var pointTasks stash[pointTask]

func (t *pointTask) Do(item int) {
	from, to := item*pieceSize, min(len(t.dst), (item+1)*pieceSize)
	p := pointArgs{op: t.op, t: t.t, dst: t.dst[from:to], a: t.a[from:to]}
	if t.b != nil {
		p.b = t.b[from:to]
	}
	if t.c != nil {
		p.c = t.c[from:to]
	}
	runPoint(&p)
}

func pointTwin(p *pointArgs) {
	dst, a := p.dst, p.a[:len(p.dst)]
	switch p.op {
	case opReLU:
		for i, v := range a {
			if v < 0 {
				v = 0
			}
			dst[i] = v
		}
	case opReLUGrad:
		b := p.b[:len(dst)]
		for i, v := range b {
			if a[i] <= 0 {
				v = 0
			}
			dst[i] = v
		}
	case opReLUGradSum:
		b, c := p.b[:len(dst)], p.c[:len(dst)]
		for i, v := range b {
			v += c[i]
			if a[i] <= 0 {
				v = 0
			}
			dst[i] = v
		}
	case opAdd:
		b := p.b[:len(dst)]
		for i, v := range a {
			dst[i] = v + b[i]
		}
	case opTimes:
		for i, v := range a {
			dst[i] = p.t * v
		}
	case opAddTimes:
		for i, v := range a {
			dst[i] += p.t * v
		}
	case opLerp:
		for i, v := range a {
			dst[i] += p.t * (v - dst[i])
		}
	}
}

// Dot is Σ a·b in float64: sixteen sums, one per index modulo 16, over pieces
// of fixed size, all added in a fixed order.
func Dot(a, b []float32) float64 {
	check(len(a) == len(b), "Dot", "lengths differ")
	items := (len(a) + pieceSize - 1) / pieceSize
	part := doubles.get()
	defer doubles.put(part)
	part.grow(items)
	share(&dotTasks, items, dotTask{a: a, b: b, part: part.data[:items]})
	var sum float64
	for _, v := range part.data[:items] {
		sum += v
	}
	return sum
}

// SumSquares is Σ x² in float64.
func SumSquares(x []float32) float64 { return Dot(x, x) }

type dotTask struct {
	a, b []float32
	part []float64
}

var dotTasks stash[dotTask]

func (t *dotTask) Do(item int) {
	from, to := item*pieceSize, min(len(t.a), (item+1)*pieceSize)
	t.part[item] = runDot(t.a[from:to], t.b[from:to])
}

func dotTwin(a, b []float32) float64 {
	var sums [Lanes]float64
	n := len(a) / Lanes
	for i := range n {
		u, v := at(a, i), at(b, i)
		for l := range sums {
			sums[l] += float64(u[l]) * float64(v[l])
		}
	}
	return dotRest(&sums, a[n*Lanes:], b[n*Lanes:])
}

// dotRest adds fewer than sixteen products to the sums, and then those up.
func dotRest(sums *[Lanes]float64, a, b []float32) float64 {
	for i, v := range a {
		sums[i] += float64(v) * float64(b[i])
	}
	var sum float64
	for _, v := range sums {
		sum += v
	}
	return sum
}
