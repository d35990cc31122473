package kernel

import "math"

// rowsPerItem is how many rows of a matrix one work item takes.
const rowsPerItem = 16

// NormalizeRows computes y = x / max(‖x‖, eps) for each row of x (N,D). Norms
// are float64. y may be x.
func NormalizeRows(y, x []float32, n, d int, eps float32) {
	check(len(y) >= n*d && len(x) >= n*d, "NormalizeRows", "slice too short")
	share(&rowTasks, (n+rowsPerItem-1)/rowsPerItem, rowTask{dst: y, x: x, n: n, d: d, eps: eps})
}

// NormalizeRowsGrad computes dx from dy and y = x / max(‖x‖, eps), all (N,D):
//
//	dx = (dy - y·(y·dy)) / ‖x‖, or dy / eps where ‖x‖ < eps
//
// dx may be dy.
func NormalizeRowsGrad(dx, x, y, dy []float32, n, d int, eps float32) {
	check(len(dx) >= n*d && len(x) >= n*d && len(y) >= n*d && len(dy) >= n*d, "NormalizeRowsGrad", "slice too short")
	share(&rowTasks, (n+rowsPerItem-1)/rowsPerItem, rowTask{dst: dx, x: x, y: y, dy: dy, n: n, d: d, eps: eps})
}

type rowTask struct {
	dst, x, y, dy []float32 // dy nil: forward
	n, d          int
	eps           float32
}

var rowTasks stash[rowTask]

func (t *rowTask) Do(item int) {
	for r := item * rowsPerItem; r < min(t.n, (item+1)*rowsPerItem); r++ {
		x, dst := t.x[r*t.d:][:t.d], t.dst[r*t.d:][:t.d]
		norm, eps := math.Sqrt(runDot(x, x)), float64(t.eps)
		inv := 1 / math.Max(norm, eps)
		if t.dy == nil {
			times(dst, x, float32(inv))
			continue
		}
		y, dy := t.y[r*t.d:][:t.d], t.dy[r*t.d:][:t.d]
		var along float64
		if !(norm < eps) {
			along = runDot(y, dy)
		}
		times(dst, dy, float32(inv))
		runPoint(&pointArgs{op: opAddTimes, dst: dst, a: y, t: float32(-along * inv)})
	}
}

// times: dst = t·x, on the caller's thread.
func times(dst, x []float32, t float32) { runPoint(&pointArgs{op: opTimes, dst: dst, a: x, t: t}) }
