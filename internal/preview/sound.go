package preview

import (
	"encoding/binary"
	"math"

	"clr/internal/audio"
)

// A Sound is what a player plays.
type Sound struct {
	WAV []byte
	Cut bool // it is the start of a longer clip
}

// longest is how much of a clip a player holds, in seconds.
const longest = 30

// Play makes a Sound of a clip's start, as a file that every browser plays: 16
// bits, one channel. What passes full scale is cut, as any sound card does.
func Play(c audio.Clip) *Sound {
	n := min(len(c.Samples), longest*c.Rate)
	return &Sound{wavFile(c.Samples[:n], c.Rate), n < len(c.Samples)}
}

func wavFile(x []float32, rate int) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, 44+2*len(x))
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(36+2*len(x)))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, 1) // PCM
	b = le.AppendUint16(b, 1) // channel
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(2*rate)) // bytes a second
	b = le.AppendUint16(b, 2)              // bytes a frame
	b = le.AppendUint16(b, 16)             // bits
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(2*len(x)))
	for _, v := range x {
		s := math.Round(32767 * min(max(float64(v), -1), 1))
		if v != v {
			s = 0
		}
		b = le.AppendUint16(b, uint16(int16(s)))
	}
	return b
}
