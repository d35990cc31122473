package audio

import (
	"clr/internal/kernel"
)

// spectra transforms sixteen windowed frames at once, into rows of sixteen
// values: a row a bin, a column a frame. The window stands at the start of the
// transform instead of its middle: that turns phases. It keeps buffers: one
// goroutine at a time.
//
// Sizes that kernel.FFT knows go side by side in float32, to the same bytes on
// every machine. All others, odd ones and those with large prime factors, go one
// by one through realFFT in float64.
type spectra struct {
	size   int       // samples of a transform
	window []float64 // (win_length)
	lanes  *kernel.FFT
	single *realFFT // nil if lanes is not

	samples  []float32 // [16][width]
	windowed []float64 // (win_length), for single
	rows     []float32 // (size/2+1)[16]
	pairs    []float32 // (size/2+1)[2][16], once somebody asks
}

func newSpectra(window []float64, size int) spectra {
	s := spectra{size: size, window: window, rows: make([]float32, (size/2+1)*kernel.Lanes)}
	if kernel.FFTSize(size) {
		s.lanes = kernel.NewFFT(window, size)
	} else {
		s.single, s.windowed = newRealFFT(size), make([]float64, len(window))
	}
	s.samples = make([]float32, kernel.Lanes*s.width())
	return s
}

// bins is the number of values of a spectrum.
func (s *spectra) bins() int { return s.size/2 + 1 }

// width is how many samples of each frame must be there; those behind the window
// count for nothing.
func (s *spectra) width() int {
	if s.lanes != nil {
		return s.lanes.Width()
	}
	return len(s.window)
}

// frame is room for the samples of frame i: (win_length). cuts gives all that
// was written.
func (s *spectra) frame(i int) []float32 { return s.samples[i*s.width():][:len(s.window)] }

func (s *spectra) cuts() (frames []float32, stride int) { return s.samples, s.width() }

// power computes |X|² of sixteen frames of width samples, stride apart, good
// until the next call: (size/2+1)[16].
func (s *spectra) power(frames []float32, stride int) []float32 {
	if s.lanes != nil {
		s.lanes.Power(s.rows, frames, stride)
		return s.rows
	}
	for i := range kernel.Lanes {
		for k, v := range s.alone(frames[i*stride:]) {
			s.rows[k*kernel.Lanes+i] = float32(float64(real(v)*real(v)) + float64(imag(v)*imag(v)))
		}
	}
	return s.rows
}

// numbers computes X of the same, real and imaginary: (size/2+1)[2][16].
func (s *spectra) numbers(frames []float32, stride int) []float32 {
	if s.pairs == nil {
		s.pairs = make([]float32, s.bins()*2*kernel.Lanes)
	}
	if s.lanes != nil {
		s.lanes.Complex(s.pairs, frames, stride)
		return s.pairs
	}
	for i := range kernel.Lanes {
		for k, v := range s.alone(frames[i*stride:]) {
			s.pairs[2*k*kernel.Lanes+i], s.pairs[(2*k+1)*kernel.Lanes+i] = float32(real(v)), float32(imag(v))
		}
	}
	return s.pairs
}

func (s *spectra) alone(x []float32) []complex128 {
	for i, w := range s.window {
		s.windowed[i] = float64(x[i]) * w
	}
	return s.single.forward(s.windowed)
}

// A bank makes rows of a spectrogram of rows of sixteen columns.
type bank struct {
	*kernel.Bank
	rows    int
	columns []float32 // (rows)[16], for a spectrogram's last columns
	first   []int     // what it was made of
	weights [][]float64
}

func newBank(rows int, first []int, weights [][]float64) bank {
	return bank{kernel.NewBank(first, weights), rows, make([]float32, rows*kernel.Lanes), first, weights}
}

// project makes rows row, row+1, .. of frames t to t+15, as far as there are.
func (b *bank) project(dst *Spectrogram, row, t int, src []float32, stride int) {
	to := dst.Data[row*dst.Frames+t:]
	n := min(dst.Frames-t, kernel.Lanes)
	if n == kernel.Lanes {
		b.Apply(to, dst.Frames, src, stride)
		return
	}
	b.Apply(b.columns, kernel.Lanes, src, stride)
	for i := range b.rows {
		copy(to[i*dst.Frames:][:n], b.columns[i*kernel.Lanes:])
	}
}
