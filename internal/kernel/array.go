package kernel

// An Array is a dense, row-major block of float32. A nil Shape is a scalar
// with one element.
type Array struct {
	Shape []int
	Data  []float32
}

// New makes an Array of zeros.
func New(shape ...int) Array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return Array{Shape: shape, Data: make([]float32, n)}
}
