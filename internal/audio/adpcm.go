package audio

import (
	"encoding/binary"
	"io"

	"clr/internal/fault"
)

// ADPCM of WAV: blocks of a fixed number of bytes, each with its decoder's
// state in front and then four bits a sample (Microsoft, "Multimedia Data
// Standards Update", 1994). Sums round as in libsndfile and sox.

// An adpcmReader reads samples block by block.
type adpcmReader struct {
	stretch
	channels  int
	blockSize int64 // bytes
	perBlock  int   // frames
	decode    func(dst []int, block []byte) int
	frames    int64 // of the recording
	done      int64 // of them, all blocks decoded so far
	raw       []byte
	block     []int // (frames, channels) of the current block
	next      int   // the first sample of it that was not given
}

// adpcmSource reads blocks from n bytes at base, all that they hold: how many
// frames of the last one are sound stands in a fact chunk, but libsndfile
// itself writes half of it for stereo, and no reader heeds it.
func adpcmSource(r io.ReadSeeker, f wavFormat, base, n int64) (*source, error) {
	a := &adpcmReader{stretch: stretch{r: r, base: base, n: n}, channels: f.channels, blockSize: int64(f.align)}
	state, name := 4*f.channels, "ima_adpcm"
	inBlock := func(n int) int { return 1 + (n-state)/(4*f.channels)*8 } // frames of n bytes
	a.decode = a.decodeIMA
	if f.tag == tagMSADPCM {
		state, name = 7*f.channels, "ms_adpcm"
		inBlock = func(n int) int { return 2 + 2*(n-state)/f.channels }
		coefficients, err := msCoefficients(f.extra)
		if err != nil {
			return nil, err
		}
		a.decode = func(dst []int, block []byte) int { return a.decodeMS(dst, block, coefficients) }
	}
	switch {
	case f.bits != 4:
		return nil, fault.New(fault.Data, convert, "%d-bit %s is not supported; 4-bit is", f.bits, tagName(f.tag))
	case f.align < state:
		return nil, fault.New(fault.Data, replace, "blocks take %d bytes (block align), the state of %d channels alone takes %d", f.align, f.channels, state)
	case len(f.extra) < 2:
		return nil, fault.New(fault.Data, replace, "the fmt chunk does not tell how many samples a block holds")
	}
	a.perBlock = int(binary.LittleEndian.Uint16(f.extra))
	if most := inBlock(f.align); a.perBlock < 1 || a.perBlock > most {
		return nil, fault.New(fault.Data, replace, "the header says %d samples in a block of %d bytes and %d channels, which holds %d",
			a.perBlock, f.align, f.channels, most)
	}
	a.frames = n / a.blockSize * int64(a.perBlock)
	if rest := int(n % a.blockSize); rest >= state {
		a.frames += int64(min(a.perBlock, inBlock(rest)))
	}
	return &source{encoding: name, rate: f.rate, channels: f.channels, frames: a.frames, seek: a.seek, read: a.samples}, nil
}

func (a *adpcmReader) seek(frame int64) (int64, error) {
	frame = min(frame, a.frames)
	block := frame / int64(a.perBlock)
	a.move(block * a.blockSize)
	a.done, a.block, a.next = block*int64(a.perBlock), a.block[:0], 0
	if skip := int(frame-a.done) * a.channels; skip > 0 {
		if err := a.fill(); err != nil {
			return 0, err
		}
		a.next = skip
	}
	return frame, nil
}

func (a *adpcmReader) samples(dst []float32) (int, error) {
	if a.next == len(a.block) {
		if a.done == a.frames {
			return 0, io.EOF
		}
		if err := a.fill(); err != nil {
			return 0, err
		}
	}
	n := min(len(dst), len(a.block)-a.next)
	for i, v := range a.block[a.next : a.next+n] {
		dst[i] = float32(v) / (1 << 15)
	}
	a.next += n
	return n, nil
}

// fill decodes the next block.
func (a *adpcmReader) fill() error {
	if a.raw == nil {
		a.raw, a.block = make([]byte, a.blockSize), make([]int, a.perBlock*a.channels)
	}
	raw := a.raw[:min(a.blockSize, a.n-a.at)]
	if err := a.stretch.read(raw); err != nil {
		return err
	}
	a.block = a.block[:cap(a.block)]
	frames := a.decode(a.block, raw)
	frames = int(min(int64(frames), a.frames-a.done))
	a.block, a.next = a.block[:frames*a.channels], 0
	a.done += int64(frames)
	return nil
}

// imaSteps and imaIndex are the tables of the IMA's "Recommended Practices for
// Enhancing Digital Audio Compatibility" (1992).
var imaSteps = [89]int{
	7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107, 118,
	130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963, 1060,
	1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132,
	7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
}

var imaIndex = [8]int{-1, -1, -1, -1, 2, 4, 6, 8}

// decodeIMA decodes a block into dst and tells how many frames it held. Each
// channel's first sample and step stand in front; words of eight samples of
// each channel in turn follow, low bits first.
func (a *adpcmReader) decodeIMA(dst []int, block []byte) int {
	words := (len(block) - 4*a.channels) / (4 * a.channels)
	frames := min(a.perBlock, 1+8*words)
	for c := range a.channels {
		head := block[4*c:]
		value := int(int16(binary.LittleEndian.Uint16(head)))
		index := min(int(head[2]), len(imaSteps)-1)
		dst[c] = value
		for i := range frames - 1 {
			b := block[4*(a.channels*(1+i/8)+c)+i%8/2]
			code := int(b >> (i % 2 * 4) & 15)
			step := imaSteps[index]
			change := step >> 3
			if code&1 != 0 {
				change += step >> 2
			}
			if code&2 != 0 {
				change += step >> 1
			}
			if code&4 != 0 {
				change += step
			}
			if code&8 != 0 {
				change = -change
			}
			value = clamp16(value + change)
			index = max(0, min(index+imaIndex[code&7], len(imaSteps)-1))
			dst[(i+1)*a.channels+c] = value
		}
	}
	return frames
}

// msCoefficients are the predictors that the fmt chunk lists, behind the
// number of samples a block.
func msCoefficients(extra []byte) ([][2]int, error) {
	le := binary.LittleEndian
	n := 0
	if len(extra) >= 4 {
		n = int(le.Uint16(extra[2:]))
	}
	if n < 1 || n > 256 || len(extra) < 4+4*n {
		return nil, fault.New(fault.Data, replace, "the fmt chunk lists %d predictors in %d bytes; 1 to 256 of 4 bytes each are needed", n, max(0, len(extra)-4))
	}
	pairs := make([][2]int, n)
	for i := range pairs {
		pairs[i] = [2]int{int(int16(le.Uint16(extra[4+4*i:]))), int(int16(le.Uint16(extra[6+4*i:])))}
	}
	return pairs, nil
}

var msAdapt = [16]int{230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230}

// mostStep keeps a hostile block's step from growing without end; from twice
// the full scale on, every code but 0 saturates.
const mostStep = 1 << 21

// decodeMS decodes a block into dst and tells how many frames it held. In
// front stand each channel's predictor, step, second and first sample; then
// the channels' samples in turn, high bits first.
func (a *adpcmReader) decodeMS(dst []int, block []byte, coefficients [][2]int) int {
	le := binary.LittleEndian
	ch := a.channels
	frames := min(a.perBlock, 2+2*(len(block)-7*ch)/ch)
	for c := range ch {
		word := func(i int) int { return int(int16(le.Uint16(block[ch+2*(i*ch+c):]))) }
		k := coefficients[min(int(block[c]), len(coefficients)-1)]
		step, last, before := word(0), word(1), word(2)
		dst[c] = before
		if frames > 1 {
			dst[ch+c] = last
		}
		for i := 2; i < frames; i++ {
			n := (i-2)*ch + c
			code := int(block[7*ch+n/2] >> (4 - n%2*4) & 15)
			by := code - code&8*2 // signed
			value := clamp16((last*k[0]+before*k[1])>>8 + by*step)
			step = max(16, min(msAdapt[code]*step>>8, mostStep))
			before, last = last, value
			dst[i*ch+c] = value
		}
	}
	return frames
}

func clamp16(v int) int { return max(-1<<15, min(v, 1<<15-1)) }
