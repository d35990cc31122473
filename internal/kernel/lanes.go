package kernel

// Lanes is the number of examples that lie side by side in a block.
const Lanes = 16

// lane is one value of sixteen examples: the unit of every feature map.
type lane = [Lanes]float32

// Blocks is the number of blocks that hold n examples.
func Blocks(n int) int { return (n + Lanes - 1) / Lanes }

// at views element i of a slice of lanes.
func at(x []float32, i int) *lane { return (*lane)(x[i*Lanes:]) }

// ToLanes rearranges src (N,C,H,W) into dst [⌈N/16⌉][H][W][C][16] and sets the
// padded lanes to zero.
func ToLanes(dst, src []float32, n, c, h, w int) {
	check(len(dst) >= Blocks(n)*Lanes*c*h*w && len(src) >= n*c*h*w, "ToLanes", "slice too short")
	laneTask{lanes: dst, rows: src, n: n, c: c, hw: h * w, to: true}.run()
}

// FromLanes rearranges src [⌈N/16⌉][H][W][C][16] into dst (N,C,H,W).
func FromLanes(dst, src []float32, n, c, h, w int) {
	check(len(dst) >= n*c*h*w && len(src) >= Blocks(n)*Lanes*c*h*w, "FromLanes", "slice too short")
	laneTask{lanes: src, rows: dst, n: n, c: c, hw: h * w}.run()
}

// laneTask carries values of one block, in either direction. With one channel,
// as spectrograms have, or one pixel, as embeddings, an example's values come in
// the same order on both sides, and a full block is a matrix to transpose.
type laneTask struct {
	lanes, rows []float32
	n, c, hw    int
	to          bool
	cuts        int
}

var laneTasks stash[laneTask]

// laneValues is how many values of an example a work item carries.
const laneValues = 2048

func (t laneTask) run() {
	t.cuts = (t.c*t.hw + laneValues - 1) / laneValues
	share(&laneTasks, Blocks(t.n)*t.cuts, t)
}

func (t *laneTask) Do(item int) {
	b, size := item/t.cuts, t.c*t.hw
	from := item % t.cuts * laneValues
	to := min(size, from+laneValues)
	if t.n-b*Lanes >= Lanes && (t.c == 1 || t.hw == 1) {
		whole := (to - from) / Lanes
		t.turn(b, from, whole)
		from += whole * Lanes
	}
	for i := from; i < to; i++ {
		t.spread(b, i)
	}
}

// turn carries n times sixteen values of a full block, from the i-th on.
func (t *laneTask) turn(b, i, n int) {
	if n == 0 {
		return
	}
	size := t.c * t.hw
	rows, lanes := t.rows[b*Lanes*size+i:], t.lanes[(b*size+i)*Lanes:]
	if t.to {
		transpose16(lanes, rows, size, Lanes, n)
		return
	}
	var turned [Lanes * Lanes]float32
	for k := range n {
		transpose16(turned[:], lanes[k*Lanes*Lanes:], Lanes, 0, 1)
		for l := range Lanes {
			*(*lane)(rows[l*size+k*Lanes:]) = *at(turned[:], l)
		}
	}
}

// spread carries the i-th value in the lanes' order.
func (t *laneTask) spread(b, i int) {
	size := t.c * t.hw
	values := at(t.lanes, b*size+i)
	row := i%t.c*t.hw + i/t.c // (W, C) to (C, W)
	if t.to {
		*values = lane{}
	}
	for l := range min(Lanes, t.n-b*Lanes) {
		if r := (b*Lanes+l)*size + row; t.to {
			values[l] = t.rows[r]
		} else {
			t.rows[r] = values[l]
		}
	}
}

// check panics when a caller broke a routine's contract.
func check(ok bool, routine, complaint string) {
	if !ok {
		panic("kernel: " + routine + ": " + complaint)
	}
}
