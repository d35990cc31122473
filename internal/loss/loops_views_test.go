package loss

import "math"

// byolLoops is equation 2 for both orders of each pair; simsiamLoops too.
func byolLoops(in ...rows) float64 {
	p, z, total := in[0], in[1], 0.0
	for i := range p.n {
		total += 2 - 2*dot(p.row(i), z.row((i+p.n/2)%p.n))
	}
	return total / float64(p.n/2)
}

func simsiamLoops(in ...rows) float64 {
	p, z, total := in[0], in[1], 0.0
	for i := range p.n {
		total += -dot(p.row(i), z.row((i+p.n/2)%p.n)) / 2
	}
	return total / float64(p.n/2)
}

// columns are the columns of one of the two views of z.
func columns(z rows, view int) [][]float64 {
	c := make([][]float64, z.d)
	for i := range z.n / 2 {
		for j, v := range z.row(view*z.n/2 + i) {
			c[j] = append(c[j], v)
		}
	}
	return c
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// covariance is Σ (a - mean)(b - mean) / over.
func covariance(a, b []float64, over int) float64 {
	ma, mb, sum := mean(a), mean(b), 0.0
	for i := range a {
		sum += (a[i] - ma) * (b[i] - mb)
	}
	return sum / float64(over)
}

func barlowTwinsLoops(lambda float64, in ...rows) float64 {
	n, total := in[0].n/2, 0.0
	for i, a := range columns(in[0], 0) {
		for j, b := range columns(in[0], 1) {
			c := covariance(a, b, n) / math.Sqrt((covariance(a, a, n)+1e-5)*(covariance(b, b, n)+1e-5))
			if i == j {
				total += (1 - c) * (1 - c)
			} else {
				total += lambda * c * c
			}
		}
	}
	return total
}

func vicregLoops(o VICRegOptions) loops {
	return func(in ...rows) float64 {
		z, n, d, total := in[0], in[0].n/2, float64(in[0].d), 0.0
		for i := range n {
			for j, v := range z.row(i) {
				total += o.Sim * math.Pow(v-z.row(n + i)[j], 2) / (float64(n) * d)
			}
		}
		for view := range 2 {
			all := columns(z, view)
			for i, a := range all {
				for j, b := range all {
					c := covariance(a, b, n-1)
					if i == j {
						total += o.Var / 2 * max(0, 1-math.Sqrt(c+1e-4)) / d
					} else {
						total += o.Cov * c * c / d
					}
				}
			}
		}
		return total
	}
}
