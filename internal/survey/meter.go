package survey

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"

	"clr/internal/audio"
)

const (
	nearFull = 0.99 // of full scale: 8-bit samples end at 0.992
	flatTop  = 3    // samples; two equal ones at the top occur in sound
)

// A meter measures a clip while its recording passes by. Clipping shows as
// flat tops: flatTop or more samples of a channel on end that have one value
// near full scale.
type meter struct {
	clip        int
	form        audio.Form
	first, last int64 // frames; last is -1 where the clip goes on to the end

	sum     hash.Hash
	raw     []byte
	frames  int64
	peak    float64
	squares float64
	means   []float64 // sum of each channel's samples
	before  []float32 // each channel's last sample
	run     []int64   // how many samples it has been the same
	clipped int64     // samples in flat tops
}

func newMeter(clip int, it audio.Item, form audio.Form) *meter {
	m := &meter{clip: clip, form: form, last: -1, first: audio.FrameAt(it.Start, form.Rate), sum: sha256.New(),
		means: make([]float64, form.Channels), before: make([]float32, form.Channels), run: make([]int64, form.Channels)}
	if it.End != 0 {
		m.last = audio.FrameAt(it.End, form.Rate)
	}
	m.sum.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(form.Rate)), uint64(form.Channels)))
	return m
}

// add measures what is in the clip of a block of frames that begins at one.
func (m *meter) add(at int64, block []float32) {
	c := int64(m.form.Channels)
	from, to := max(0, m.first-at), int64(len(block))/c
	if m.last >= 0 {
		to = min(to, m.last-at)
	}
	if from >= to {
		return
	}
	block = block[from*c : to*c]
	m.frames += to - from
	m.raw = m.raw[:0]
	for i, v := range block {
		m.raw = binary.LittleEndian.AppendUint32(m.raw, math.Float32bits(v))
		x, k := float64(v), i%int(c)
		m.peak = max(m.peak, math.Abs(x))
		m.squares += float64(x * x)
		m.means[k] += x
		if v != m.before[k] {
			m.before[k], m.run[k] = v, 0
		}
		m.run[k]++
		if math.Abs(x) >= nearFull {
			switch {
			case m.run[k] == flatTop:
				m.clipped += flatTop
			case m.run[k] > flatTop:
				m.clipped++
			}
		}
	}
	m.sum.Write(m.raw)
}

// hearing is what was measured.
func (m *meter) hearing() Hearing {
	samples := max(1, float64(m.frames)*float64(m.form.Channels))
	h := Hearing{Seconds: float64(m.frames) / float64(m.form.Rate), Peak: m.peak, RMS: math.Sqrt(m.squares / samples), Clipped: float64(m.clipped) / samples}
	m.sum.Sum(h.Sound[:0])
	for _, sum := range m.means {
		h.DC = max(h.DC, math.Abs(sum)/max(1, float64(m.frames)))
	}
	return h
}
