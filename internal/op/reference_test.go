package op_test

import "math"

// The functions again, in float64 and in the plainest loops, over PyTorch's layouts.

type size struct{ n, c, h, w int } // (N, C, H, W)

func (s size) at(n, c, h, w int) int { return ((n*s.c+c)*s.h+h)*s.w + w }
func (s size) shape() []int          { return []int{s.n, s.c, s.h, s.w} }
func (s size) total() int            { return s.n * s.c * s.h * s.w }

func refConv(x, w []float64, s size, co int, kernel, stride, pad, dilation [2]int) []float64 {
	oh := (s.h+2*pad[0]-dilation[0]*(kernel[0]-1)-1)/stride[0] + 1
	ow := (s.w+2*pad[1]-dilation[1]*(kernel[1]-1)-1)/stride[1] + 1
	o, ws := size{s.n, co, oh, ow}, size{co, s.c, kernel[0], kernel[1]}
	y := make([]float64, o.total())
	for n := range s.n {
		for k := range co {
			for i := range oh {
				for j := range ow {
					for c := range s.c {
						for a := range kernel[0] {
							for b := range kernel[1] {
								r, q := i*stride[0]-pad[0]+a*dilation[0], j*stride[1]-pad[1]+b*dilation[1]
								if r >= 0 && r < s.h && q >= 0 && q < s.w {
									y[o.at(n, k, i, j)] += x[s.at(n, c, r, q)] * w[ws.at(k, c, a, b)]
								}
							}
						}
					}
				}
			}
		}
	}
	return y
}

func refBias(x, b []float64, s size, relu bool) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = x[i] + b[i/(s.h*s.w)%s.c]
		if relu {
			y[i] = max(y[i], 0)
		}
	}
	return y
}

// refNorm normalises by the statistics of each group, or by mean and variance if given.
func refNorm(x, gamma, beta, residual, mean, variance []float64, s size, groups int, relu bool) []float64 {
	y := make([]float64, len(x))
	rows := s.n / groups
	for g := range groups {
		for c := range s.c {
			var index []int
			for n := g * rows; n < (g+1)*rows; n++ {
				for p := range s.h * s.w {
					index = append(index, s.at(n, c, 0, 0)+p)
				}
			}
			var m, v float64
			if mean != nil {
				m, v = mean[c], variance[c]
			} else {
				for _, i := range index {
					m += x[i] / float64(len(index))
				}
				for _, i := range index {
					v += (x[i] - m) * (x[i] - m) / float64(len(index))
				}
			}
			for _, i := range index {
				y[i] = (x[i]-m)/math.Sqrt(v+1e-5)*gamma[c] + beta[c]
				if residual != nil {
					y[i] += residual[i]
				}
				if relu {
					y[i] = max(y[i], 0)
				}
			}
		}
	}
	return y
}

func refPool(x []float64, s size, kernel, stride, pad [2]int, largest bool) []float64 {
	oh := (s.h+2*pad[0]-kernel[0])/stride[0] + 1
	ow := (s.w+2*pad[1]-kernel[1])/stride[1] + 1
	o := size{s.n, s.c, oh, ow}
	y := make([]float64, o.total())
	for n := range s.n {
		for c := range s.c {
			for i := range oh {
				for j := range ow {
					best, sum := math.Inf(-1), 0.0
					for a := range kernel[0] {
						for b := range kernel[1] {
							r, q := i*stride[0]-pad[0]+a, j*stride[1]-pad[1]+b
							if r >= 0 && r < s.h && q >= 0 && q < s.w {
								best = max(best, x[s.at(n, c, r, q)])
								sum += x[s.at(n, c, r, q)]
							}
						}
					}
					y[o.at(n, c, i, j)] = best
					if !largest {
						y[o.at(n, c, i, j)] = sum / float64(kernel[0]*kernel[1])
					}
				}
			}
		}
	}
	return y
}

func refGlobal(x []float64, s size, keepRows, largest bool) []float64 {
	width := s.w
	if !keepRows {
		width = s.h * s.w
	}
	y := make([]float64, len(x)/width)
	for i := range y {
		best, sum := math.Inf(-1), 0.0
		for _, v := range x[i*width : (i+1)*width] {
			best = max(best, v)
			sum += v
		}
		y[i] = best
		if !largest {
			y[i] = sum / float64(width)
		}
	}
	return y
}

func refNormalize(x []float64, d int) []float64 {
	y := make([]float64, len(x))
	for r := 0; r < len(x); r += d {
		var q float64
		for _, v := range x[r : r+d] {
			q += v * v
		}
		for i := r; i < r+d; i++ {
			y[i] = x[i] / max(math.Sqrt(q), 1e-12)
		}
	}
	return y
}

func refConcat(a, b []float64, n int) []float64 {
	var y []float64
	da, db := len(a)/n, len(b)/n
	for r := range n {
		y = append(append(y, a[r*da:(r+1)*da]...), b[r*db:(r+1)*db]...)
	}
	return y
}

// refAddNearest adds to each row of x the row of queue with the largest product.
func refAddNearest(x, queue []float64, d int) []float64 {
	y := make([]float64, len(x))
	for r := 0; r < len(x); r += d {
		best, at := math.Inf(-1), 0
		for k := 0; k < len(queue); k += d {
			product := 0.0
			for i := range d {
				product += x[r+i] * queue[k+i]
			}
			if product > best {
				best, at = product, k
			}
		}
		for i := range d {
			y[r+i] = x[r+i] + queue[at+i]
		}
	}
	return y
}
