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
	share(&laneTasks, Blocks(n)*h, laneTask{lanes: dst, rows: src, n: n, c: c, h: h, w: w, to: true})
}

// FromLanes rearranges src [⌈N/16⌉][H][W][C][16] into dst (N,C,H,W).
func FromLanes(dst, src []float32, n, c, h, w int) {
	check(len(dst) >= n*c*h*w && len(src) >= Blocks(n)*Lanes*c*h*w, "FromLanes", "slice too short")
	share(&laneTasks, Blocks(n)*h, laneTask{lanes: src, rows: dst, n: n, c: c, h: h, w: w})
}

// laneTask carries one image row of one block a time, in either direction.
type laneTask struct {
	lanes, rows []float32
	n, c, h, w  int
	to          bool
}

var laneTasks stash[laneTask]

func (t *laneTask) Do(item int) {
	b, i := item/t.h, item%t.h
	real := min(Lanes, t.n-b*Lanes)
	block := t.lanes[item*t.w*t.c*Lanes : (item+1)*t.w*t.c*Lanes] // (W, C, 16)
	if t.to && real < Lanes {
		clear(block)
	}
	for l := range real {
		for ch := range t.c {
			row := t.rows[(((b*Lanes+l)*t.c+ch)*t.h+i)*t.w:][:t.w]
			if t.to {
				for j, v := range row {
					block[(j*t.c+ch)*Lanes+l] = v
				}
			} else {
				for j := range row {
					row[j] = block[(j*t.c+ch)*Lanes+l]
				}
			}
		}
	}
}

// check panics when a caller broke a routine's contract.
func check(ok bool, routine, complaint string) {
	if !ok {
		panic("kernel: " + routine + ": " + complaint)
	}
}
