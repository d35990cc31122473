package preview

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"

	"clr/internal/audio"
)

// PNG draws a spectrogram of width × height pixels: time to the right, bin 0 at
// the bottom, in so many colours (2 to 256; fewer make smaller files). A single
// bin is a curve: as colours, the swings of a waveform would be one grey.
func PNG(s audio.Spectrogram, r Range, width, height, levels int) []byte {
	if s.Bins == 1 {
		return curve(s.Data, r, width, height)
	}
	m := image.NewPaletted(image.Rect(0, 0, width, height), colours(levels))
	if s.Bins > 0 && s.Frames > 0 {
		rows := shrink(s, height)
		for y := range height {
			row := rows.Row((height - 1 - y) * rows.Bins / height)
			for x := range width {
				m.Pix[y*m.Stride+x] = uint8(math.Round(r.of(mean(row, x, width)) * float64(levels-1)))
			}
		}
	}
	return encoded(m)
}

// shrink makes at most so many bins of a spectrogram's, by means of neighbours.
func shrink(s audio.Spectrogram, most int) audio.Spectrogram {
	if s.Bins <= most {
		return s
	}
	var small audio.Spectrogram
	small.Resize(most, s.Frames)
	for b := range most {
		from, to := part(b, most, s.Bins)
		row := small.Row(b)
		for t := range row {
			sum := 0.0
			for i := from; i < to; i++ {
				sum += float64(s.Data[i*s.Frames+t])
			}
			row[t] = float32(sum / float64(to-from))
		}
	}
	return small
}

// mean is what pixel x of width shows of a row: the value there, or where
// several share the pixel, their mean.
func mean(row []float32, x, width int) float64 {
	from, to := part(x, width, len(row))
	sum := 0.0
	for _, v := range row[from:to] {
		sum += float64(v)
	}
	return sum / float64(to-from)
}

// part is which of n values share place i of so many: at least one.
func part(i, of, n int) (from, to int) {
	from = i * n / of
	return from, max((i+1)*n/of, from+1)
}

// ink is the colour of a curve, to be seen on white and on black.
var ink = color.RGBA{0x31, 0x88, 0xae, 0xff}

// curve draws values over time, the range from the bottom to the top, on nothing:
// in each column from the least to the greatest there, the last of the column
// before among them, so that the line has no gaps.
func curve(x []float32, r Range, width, height int) []byte {
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.RGBA{}, ink})
	at := func(v float32) int { // row of a value, from the top
		return min(int((1-r.of(float64(v)))*float64(height)), height-1)
	}
	if len(x) == 0 {
		width = 0
	}
	for col := range width {
		from, to := part(col, width, len(x))
		if col > 0 {
			_, before := part(col-1, width, len(x))
			from = min(from, before-1)
		}
		low, high := x[from], x[from]
		for _, v := range x[from:to] {
			low, high = min(low, v), max(high, v)
		}
		for y := at(high); y <= at(low); y++ {
			m.Pix[y*m.Stride+col] = 1
		}
	}
	return encoded(m)
}

func encoded(m image.Image) []byte {
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, m); err != nil {
		panic("preview: " + err.Error()) // a buffer takes everything; no side is 0
	}
	return b.Bytes()
}
