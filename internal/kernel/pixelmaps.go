package kernel

// ToPixels rearranges src (N,C,HW) into dst (N,HW,C), the layout of pixels.
func ToPixels(dst, src []float32, n, c, hw int) {
	check(len(dst) >= n*c*hw && len(src) >= n*c*hw, "ToPixels", "slice too short")
	swapInner(dst, src, n, c, hw)
}

// FromPixels rearranges src (N,HW,C) into dst (N,C,HW).
func FromPixels(dst, src []float32, n, c, hw int) {
	check(len(dst) >= n*c*hw && len(src) >= n*c*hw, "FromPixels", "slice too short")
	swapInner(dst, src, n, hw, c)
}

// swapInner turns (n, a, b) into (n, b, a).
func swapInner(dst, src []float32, n, a, b int) {
	for k := range n {
		d, s := dst[k*a*b:][:a*b], src[k*a*b:][:a*b]
		for i := range a {
			for j, v := range s[i*b:][:b] {
				d[j*a+i] = v
			}
		}
	}
}

// MaxPixels is MaxForward for maps in pixels.
func (s Pool) MaxPixels(y, x []float32) {
	oh, ow := s.sized()
	check(len(y) >= s.N*oh*ow*s.C && len(x) >= s.N*s.H*s.W*s.C, "Pool.MaxPixels", "slice too short")
	share(&maxPixelTasks, s.N*oh, maxPixelTask{Pool: s, y: y, x: x, oh: oh, ow: ow})
}

// A maxPixelTask's items are rows of the output.
type maxPixelTask struct {
	Pool
	y, x   []float32
	oh, ow int
}

var maxPixelTasks stash[maxPixelTask]

func (t *maxPixelTask) Do(item int) {
	n, i := item/t.oh, item%t.oh
	x := t.x[n*t.H*t.W*t.C:][:t.H*t.W*t.C]
	list := tapLists.get()
	defer tapLists.put(list)
	for j := range t.ow {
		y := t.y[(item*t.ow+j)*t.C:][:t.C]
		list.offsets = list.offsets[:0]
		h0, h1, w0, w1 := t.window(i, j)
		for h := h0; h < h1; h++ {
			for w := w0; w < w1; w++ {
				list.offsets = append(list.offsets, (h*t.W+w)*t.C)
			}
		}
		if t.C >= Lanes {
			runMaxForward(&poolArgs{x: x, y: y, taps: list.offsets, channels: t.C / Lanes})
		}
		for c := t.C / Lanes * Lanes; c < t.C; c++ {
			top := x[list.offsets[0]+c]
			for _, tap := range list.offsets[1:] {
				if v := x[tap+c]; v > top || v != v {
					top = v
				}
			}
			y[c] = top
		}
	}
}

// MeanPixels is Mean for maps in pixels, to features (N, Features).
func (g Global) MeanPixels(y, x []float32) { g.pixels(y, x, false) }

// MaxPixels is Max for maps in pixels, to features (N, Features).
func (g Global) MaxPixels(y, x []float32) { g.pixels(y, x, true) }

func (g Global) pixels(y, x []float32, largest bool) {
	check(len(y) >= g.N*g.Features() && len(x) >= g.N*g.H*g.W*g.C, "Global", "slice too short")
	share(&globalPixelTasks, g.N, globalPixelTask{Global: g, y: y, x: x, largest: largest})
}

// A globalPixelTask's items are examples.
type globalPixelTask struct {
	Global
	y, x    []float32
	largest bool
}

var globalPixelTasks stash[globalPixelTask]

func (t *globalPixelTask) Do(n int) {
	x, y := t.x[n*t.H*t.W*t.C:][:t.H*t.W*t.C], t.y[n*t.Features():][:t.Features()]
	if !t.KeepRows {
		t.reduce(y, x, 1)
		return
	}
	for h := range t.H {
		t.reduce(y[h:], x[h*t.W*t.C:][:t.W*t.C], t.H)
	}
}

// reduce makes feature c·step from the pixels x (pixels, C).
func (t *globalPixelTask) reduce(y, x []float32, step int) {
	pixels := len(x) / t.C
	for c := range t.C {
		sum, top := float64(x[c]), x[c]
		for p := 1; p < pixels; p++ {
			v := x[p*t.C+c]
			sum += float64(v)
			if v > top || v != v && top == top {
				top = v
			}
		}
		if y[c*step] = float32(sum / float64(pixels)); t.largest {
			y[c*step] = top
		}
	}
}
