package kernel

// MatMulScratch is the number of float32s that MatMul needs.
func MatMulScratch(m, n, k int) int { return (Blocks(m) + Blocks(n)) * k * Lanes }

// MatMul computes c (m,n) = a·b, or adds that to c. a is (m,k), or (k,m) with
// transA; b is (k,n), or (n,k) with transB; rows lie one after the other. Sums
// run over k in order, in float32.
func MatMul(c, a, b []float32, m, n, k int, transA, transB, accumulate bool, scratch []float32) {
	check(len(c) >= m*n && len(a) >= m*k && len(b) >= k*n, "MatMul", "matrix too short")
	check(len(scratch) >= MatMulScratch(m, n, k), "MatMul", "scratch too short")
	left := scratch[:Blocks(m)*k*Lanes]              // (⌈m/16⌉, k, 16)
	right := scratch[len(left):][:Blocks(n)*k*Lanes] // (⌈n/16⌉, k, 16)
	share(&panelTasks, Blocks(m), panelTask{panels: left, x: a, n: m, k: k, rows: !transA})
	share(&panelTasks, Blocks(n), panelTask{panels: right, x: b, n: n, k: k, rows: transB})
	share(&matTasks, Blocks(m)*((Blocks(n)+matTiles-1)/matTiles),
		matTask{c: c, left: left, right: right, m: m, n: n, k: k, add: accumulate})
}

// panelTask packs sixteen rows (n,k), or columns (k,n), side by side.
type panelTask struct {
	panels, x []float32
	n, k      int
	rows      bool
}

var panelTasks stash[panelTask]

func (t *panelTask) Do(item int) {
	panel := t.panels[item*t.k*Lanes : (item+1)*t.k*Lanes]
	real := min(Lanes, t.n-item*Lanes)
	if real < Lanes {
		clear(panel)
	}
	if !t.rows {
		for i := range t.k {
			copy(panel[i*Lanes:][:real], t.x[i*t.n+item*Lanes:])
		}
		return
	}
	whole := 0
	if real == Lanes {
		whole = t.k / Lanes
	}
	if whole > 0 {
		transpose16(panel, t.x[item*Lanes*t.k:], t.k, Lanes, whole)
	}
	for l := range real {
		row := t.x[(item*Lanes+l)*t.k:][:t.k]
		for i := whole * Lanes; i < t.k; i++ {
			panel[i*Lanes+l] = row[i]
		}
	}
}

// matTiles is how many tiles of one row of tiles a work item makes.
const matTiles = 8

type matTask struct {
	c, left, right []float32
	m, n, k        int
	add            bool
}

var matTasks stash[matTask]

func (t *matTask) Do(item int) {
	cuts := (Blocks(t.n) + matTiles - 1) / matTiles
	i, from := item/cuts, item%cuts*matTiles
	var sum [256]float32
	var segs [1]seg
	g := tile{c: sum[:], segs: segs[:], outer: 1, rows: min(16, t.m-i*16)}
	for j := from; j < min(Blocks(t.n), from+matTiles); j++ {
		columns := min(16, t.n-j*16)
		out := t.c[i*16*t.n+j*16:]
		g.acc = t.add
		if t.add {
			for r := range g.rows {
				copy(sum[r*16:][:columns], out[r*t.n:])
			}
		}
		// in pieces, because assembly cannot be preempted
		for k := 0; k < t.k; k += runSteps {
			segs[0].n = min(runSteps, t.k-k)
			g.a, g.b = t.left[(i*t.k+k)*16:], t.right[(j*t.k+k)*16:]
			runTile(&g)
			g.acc = true
		}
		for r := range g.rows {
			copy(out[r*t.n:][:columns], sum[r*16:])
		}
	}
}
