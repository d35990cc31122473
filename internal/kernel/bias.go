package kernel

// AddBias computes y = x + b for x (N,C,HW) in lanes and b (C), then ReLU if
// asked. y may be x; its padded lanes become zero.
func AddBias(y, x, b []float32, n, c, hw int, relu bool) {
	s := Norm{N: n, C: c, H: hw, W: 1}
	s.check("AddBias", y, x)
	coef := buffers.get()
	coef.grow(c * 4)
	for ch, v := range b[:c] {
		*(*[4]float32)(coef.data[ch*4:]) = [4]float32{0, 1, 0, v}
	}
	s.affine(affineArgs{y: y, x: x, relu: relu}, coef.data)
	buffers.put(coef)
}

// BiasGrad computes db (C), the sum of dy (N,C,HW) over examples and pixels.
func BiasGrad(db, dy []float32, n, c, hw int) {
	s := Norm{N: n, C: c, H: hw, W: 1}
	s.check("BiasGrad", dy)
	sums := s.laneSums(dy, nil, nil)
	for ch := range c {
		sum, _ := s.total(sums.data, 0, ch)
		db[ch] = float32(sum)
	}
	doubles.put(sums)
}
