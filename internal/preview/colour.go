package preview

import (
	"image/color"
	"math"
)

// viridis is ten evenly spaced colours of the map viridis by Stéfan van der Walt
// and Nathaniel Smith (2015, dedicated to the public domain by CC0): lightness
// rises evenly, for those who see no red or no green too.
var viridis = [10][3]float64{
	{0x44, 0x01, 0x54}, {0x48, 0x28, 0x78}, {0x3e, 0x4a, 0x89}, {0x31, 0x68, 0x8e}, {0x26, 0x82, 0x8e},
	{0x1f, 0x9e, 0x89}, {0x35, 0xb7, 0x79}, {0x6d, 0xcd, 0x59}, {0xb4, 0xde, 0x2c}, {0xfd, 0xe7, 0x25},
}

// colours is n evenly spaced colours, straight lines between viridis' ten.
func colours(n int) color.Palette {
	p := make(color.Palette, n)
	for i := range p {
		at := float64(i) / float64(n-1) * float64(len(viridis)-1)
		k := min(int(at), len(viridis)-2)
		mix := func(c int) uint8 {
			return uint8(math.Round(viridis[k][c] + float64((at-float64(k))*(viridis[k+1][c]-viridis[k][c]))))
		}
		p[i] = color.RGBA{mix(0), mix(1), mix(2), 0xff}
	}
	return p
}
