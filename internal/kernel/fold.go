package kernel

// SwapPixels turns maps (n, h, w, size) into (n, w, h, size), size being the
// float32s of a pixel, in any layout.
func SwapPixels(dst, src []float32, n, h, w, size int) {
	check(len(dst) >= n*h*w*size && len(src) >= n*h*w*size, "SwapPixels", "slice too short")
	share(&swapTasks, n*w, swapTask{dst: dst, src: src, h: h, w: w, size: size})
}

// A swapTask's items are the columns of src.
type swapTask struct {
	dst, src   []float32
	h, w, size int
}

var swapTasks stash[swapTask]

func (t *swapTask) Do(item int) {
	n, j := item/t.w, item%t.w
	for i := range t.h {
		copy(t.dst[(item*t.h+i)*t.size:][:t.size], t.src[((n*t.h+i)*t.w+j)*t.size:])
	}
}
