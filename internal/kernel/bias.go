package kernel

// AddBias computes y = x + b for x (N,C,HW) in lanes and b (C), then ReLU if
// asked. y may be x; its padded lanes become zero.
func AddBias(y, x, b []float32, n, c, hw int, relu bool) {
	s := Norm{N: n, C: c, H: hw, W: 1}
	s.check("AddBias", y, x)
	k := s.coefs(func(_, ch int) [coefCount]float32 { return [coefCount]float32{0, 1, 0, b[ch], 0} })
	s.affine(affineArgs{y: y, x: x, relu: relu}, k)
	coefTables.put(k)
}

// BiasGrad computes db (C), the sum of dy (N,C,HW) over examples and pixels.
func BiasGrad(db, dy []float32, n, c, hw int) {
	s := Norm{N: n, C: c, H: hw, W: 1}
	s.check("BiasGrad", dy)
	none := s.coefs(func(int, int) (k [coefCount]float32) { return k })
	sums := s.laneSums(dy, dy, none, false)
	sum, _ := s.total(sums.data, 0)
	for ch, v := range sum {
		db[ch] = float32(v)
	}
	doubles.put(sums)
	coefTables.put(none)
}
