package augment

// The loops that touch every value of a view. They go four values at a time,
// so that counting and bounds checks cost little beside the arithmetic. Every
// sum has an order fixed by the lengths.

// raise adds g to x.
func raise(x []float32, g float32) {
	for len(x) >= 4 {
		v := x[:4:4]
		v[0], v[1], v[2], v[3] = v[0]+g, v[1]+g, v[2]+g, v[3]+g
		x = x[4:]
	}
	for i := range x {
		x[i] += g
	}
}

// blend makes dst u·a + t·b.
func blend(dst, a, b []float32, u, t float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for len(dst) >= 4 && len(a) >= 4 && len(b) >= 4 {
		d, p, q := dst[:4:4], a[:4:4], b[:4:4]
		d[0], d[1] = u*p[0]+t*q[0], u*p[1]+t*q[1]
		d[2], d[3] = u*p[2]+t*q[2], u*p[3]+t*q[3]
		dst, a, b = dst[4:], a[4:], b[4:]
	}
	for i := range dst {
		dst[i] = u*a[i] + t*b[i]
	}
}

// blend4 makes dst the weighted sum of four rows.
func blend4(dst []float32, rows *[4][]float32, weight *[4]float32) {
	p, q, r, s := rows[0][:len(dst)], rows[1][:len(dst)], rows[2][:len(dst)], rows[3][:len(dst)]
	w, x, y, z := weight[0], weight[1], weight[2], weight[3]
	for i := range dst {
		dst[i] = w*p[i] + x*q[i] + y*r[i] + z*s[i]
	}
}

// blendPair adds w·(a+b) to dst.
func blendPair(dst, a, b []float32, w float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for len(dst) >= 4 && len(a) >= 4 && len(b) >= 4 {
		d, p, q := dst[:4:4], a[:4:4], b[:4:4]
		d[0], d[1] = d[0]+w*(p[0]+q[0]), d[1]+w*(p[1]+q[1])
		d[2], d[3] = d[2]+w*(p[2]+q[2]), d[3]+w*(p[3]+q[3])
		dst, a, b = dst[4:], a[4:], b[4:]
	}
	for i := range dst {
		dst[i] += w * (a[i] + b[i])
	}
}

// scaled makes dst w·(a-mean).
func scaled(dst, a []float32, mean, w float32) {
	a = a[:len(dst)]
	for len(dst) >= 4 && len(a) >= 4 {
		d, p := dst[:4:4], a[:4:4]
		d[0], d[1], d[2], d[3] = (p[0]-mean)*w, (p[1]-mean)*w, (p[2]-mean)*w, (p[3]-mean)*w
		dst, a = dst[4:], a[4:]
	}
	for i, v := range a[:len(dst)] {
		dst[i] = (v - mean) * w
	}
}

// fill makes all of x v.
func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// meanOf is the mean, summed in float64: four sums of every fourth value.
func meanOf(x []float32) float32 {
	var a, b, c, d float64
	rest := x
	for len(rest) >= 4 {
		v := rest[:4:4]
		a, b, c, d = a+float64(v[0]), b+float64(v[1]), c+float64(v[2]), d+float64(v[3])
		rest = rest[4:]
	}
	for _, v := range rest {
		a += float64(v)
	}
	return float32(((a + b) + (c + d)) / float64(len(x)))
}

// loudest is the largest value. The comparison, unlike max, almost always goes
// one way, and costs nothing then.
func loudest(x []float32) float32 {
	top := x[0]
	for len(x) >= 4 {
		v := x[:4:4]
		if v[0] > top {
			top = v[0]
		}
		if v[1] > top {
			top = v[1]
		}
		if v[2] > top {
			top = v[2]
		}
		if v[3] > top {
			top = v[3]
		}
		x = x[4:]
	}
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	return top
}
