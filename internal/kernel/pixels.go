package kernel

import "clr/internal/fault"

// The layout for a few examples: maps in pixels are (N, H, W, C), channels side
// by side, so that one example fills a vector. A convolution is then a product:
// its rows are output pixels, its columns output channels, its sums go over taps
// and input channels. What a tap of a pixel reads is C values in a row, found by
// a list of places made once from the shape, so that strides, dilation and edges
// cost nothing and nothing is copied.

const (
	pixelColumns = 32                      // output channels of one product
	pixelRows    = 12                      // output pixels of one product
	pixelItems   = 16                      // work items that a layer should have
	pixelBatch   = 8                       // products of one work item for each 32 channels, at most
	maxPlace     = maxWinoChannels * Lanes // values at a place, where places may be nowhere
	pixelBorder  = 16                      // input channels below which a bordered copy joins the taps of a kernel row
)

// A PixelConv is a convolution of maps in pixels, for inference, always direct.
// It never changes; several goroutines may use it at once. Each output is one sum
// over taps, then channels, in float32, whoever computes it.
type PixelConv struct {
	shape  ConvShape
	oh, ow int
	border bool    // x is copied with its padding around it
	taps   int     // places of each pixel
	n      int     // values at each place
	places []int   // (taps, rows) for each product, in float32s of x, or nowhere
	inside bool    // no place is nowhere
	last   product // the last one, which may have fewer rows
	whole  int     // products of pixelRows rows before it
	batch  int     // products of a work item
}

// A product is some output pixels: the first, how many, and how many the routine makes.
type product struct{ first, real, rows int }

// NewPixelConv checks the shape and lists the places. The error is of kind Usage.
func NewPixelConv(s ConvShape) (*PixelConv, error) {
	s, oh, ow, err := s.checked()
	if err != nil {
		return nil, err
	}
	c := &PixelConv{shape: s, oh: oh, ow: ow, taps: s.Kernel[0] * s.Kernel[1], n: s.Ci}
	if s.Ci < pixelBorder && s.Kernel[1] > 1 && s.Dilation[1] == 1 {
		c.border, c.taps, c.n = true, s.Kernel[0], s.Kernel[1]*s.Ci
	}
	pixels := s.N * oh * ow
	c.whole = (pixels - 1) / pixelRows
	c.last = product{first: c.whole * pixelRows, real: pixels - c.whole*pixelRows}
	for _, rows := range []int{12, 6, 3} {
		if c.last.real <= rows {
			c.last.rows = rows
		}
	}
	c.inside = true
	for i := range c.whole + 1 {
		p := c.product(i)
		for tap := range c.taps {
			for r := range p.rows {
				at := c.place(p.first+min(r, p.real-1), tap)
				c.places = append(c.places, at)
				c.inside = c.inside && at != nowhere
			}
		}
	}
	if !c.inside && c.n > maxPlace {
		return nil, fault.New(fault.Usage, "use fewer channels, or no padding",
			"convolution of %d channels with padding: the layout for few examples takes up to %d", c.n, maxPlace)
	}
	c.batch = max(1, min(pixelBatch, (c.whole+1)*c.blocks()/pixelItems))
	return c, nil
}

func (c *PixelConv) product(i int) product {
	if i == c.whole {
		return c.last
	}
	return product{i * pixelRows, pixelRows, pixelRows}
}

// place is where a tap of an output pixel reads.
func (c *PixelConv) place(pixel, tap int) int {
	s := c.shape
	n, i, j := pixel/(c.oh*c.ow), pixel/c.ow%c.oh, pixel%c.ow
	h, w := i*s.Stride[0], j*s.Stride[1]
	if c.border {
		rows, width := c.bordered()
		return ((n*rows+h+tap*s.Dilation[0])*width + w) * s.Ci
	}
	h += tap/s.Kernel[1]*s.Dilation[0] - s.Pad[0]
	w += tap%s.Kernel[1]*s.Dilation[1] - s.Pad[1]
	if h < 0 || h >= s.H || w < 0 || w >= s.W {
		return nowhere
	}
	return ((n*s.H+h)*s.W + w) * s.Ci
}

// bordered is the size of a map with its padding.
func (c *PixelConv) bordered() (h, w int) {
	return c.shape.H + 2*c.shape.Pad[0], c.shape.W + 2*c.shape.Pad[1]
}

func (c *PixelConv) blocks() int { return (c.shape.Co + pixelColumns - 1) / pixelColumns }
func (c *PixelConv) panel() int  { return c.taps * c.n * pixelColumns }

// Out is the size of the output maps.
func (c *PixelConv) Out() (h, w int) { return c.oh, c.ow }

// Packed is the number of float32s of the weights and bias as Forward reads them.
func (c *PixelConv) Packed() int { return c.blocks() * (c.panel() + pixelColumns) }

// Scratch is the number of float32s that Forward needs.
func (c *PixelConv) Scratch() int {
	if !c.border {
		return 0
	}
	h, w := c.bordered()
	return c.shape.N * h * w * c.shape.Ci
}

// Pack brings w (Co,Ci,KH,KW) and bias (Co), or none, into the layout that
// Forward reads: (⌈Co/32⌉, taps, Ci, 32), then the bias; zeros past Co.
func (c *PixelConv) Pack(packed, w, bias []float32) {
	s := c.shape
	taps := s.Kernel[0] * s.Kernel[1]
	check(len(packed) >= c.Packed() && len(w) >= s.Co*s.Ci*taps && (bias == nil || len(bias) >= s.Co), "PixelConv.Pack", "slice too short")
	share(&pixelPacks, c.blocks(), pixelPack{PixelConv: c, packed: packed, w: w})
	b := packed[c.blocks()*c.panel() : c.Packed()]
	clear(b[copy(b, bias[:min(len(bias), s.Co)]):])
}

type pixelPack struct {
	*PixelConv
	packed, w []float32
}

var pixelPacks stash[pixelPack]

func (t *pixelPack) Do(block int) {
	s := t.shape
	taps := s.Kernel[0] * s.Kernel[1]
	panel := t.packed[block*t.panel():][:t.panel()]
	for l := range pixelColumns {
		co := block*pixelColumns + l
		for tap := range taps {
			for ci := range s.Ci {
				var v float32
				if co < s.Co {
					v = t.w[(co*s.Ci+ci)*taps+tap]
				}
				panel[(tap*s.Ci+ci)*pixelColumns+l] = v
			}
		}
	}
}

// Forward computes y = w ∗ x + bias + residual, unless that is nil, and then the
// ReLU if asked, with x, y, residual in pixels. Padding is zeros.
func (c *PixelConv) Forward(y, x, packed, residual, scratch []float32, relu bool) {
	s := c.shape
	out := s.N * c.oh * c.ow * s.Co
	check(len(y) >= out && (residual == nil || len(residual) >= out), "PixelConv.Forward", "output side too short")
	check(len(x) >= s.N*s.H*s.W*s.Ci, "PixelConv.Forward", "input side too short")
	check(len(packed) >= c.Packed() && len(scratch) >= c.Scratch(), "PixelConv.Forward", "weights or scratch too short")
	if c.border {
		c.surround(scratch, x)
		x = scratch
	}
	chunks := (c.whole + c.batch) / c.batch // of products
	share(&pixelTasks, c.blocks()*chunks, pixelTask{PixelConv: c, y: y, x: x, packed: packed, add: residual, relu: relu, chunks: chunks})
}

// surround copies the maps with zeros around them. With few channels that is little.
func (c *PixelConv) surround(dst, x []float32) {
	s := c.shape
	rows, width := c.bordered()
	for n := range s.N {
		for i := range rows {
			row := dst[(n*rows+i)*width*s.Ci:][:width*s.Ci]
			h := i - s.Pad[0]
			if h < 0 || h >= s.H {
				clear(row)
				continue
			}
			from, to := s.Pad[1]*s.Ci, (s.Pad[1]+s.W)*s.Ci
			clear(row[:from])
			copy(row[from:to], x[(n*s.H+h)*s.W*s.Ci:])
			clear(row[to:])
		}
	}
}

// A pixelTask's items are some products of 32 channels each.
type pixelTask struct {
	*PixelConv
	y, x, packed, add []float32
	relu              bool
	chunks            int
}

var (
	pixelTasks stash[pixelTask]
	placeLists stash[tapList]
)

func (t *pixelTask) Do(item int) {
	block, first := item/t.chunks, item%t.chunks*t.batch
	column := block * pixelColumns
	places := t.places[first*pixelRows*t.taps : min(len(t.places), (first+t.batch)*pixelRows*t.taps)]
	if !t.inside {
		list := placeLists.get()
		defer placeLists.put(list)
		places = list.resolve(places, t.x)
	}
	co := t.shape.Co
	a := pixelArgs{x: t.x, w: t.packed[block*t.panel():][:t.panel()], taps: t.taps, n: t.n, relu: t.relu,
		bias: t.packed[t.blocks()*t.panel()+column:][:pixelColumns]}
	for i := first; i < min(t.whole+1, first+t.batch); i++ {
		p := t.product(i)
		a.places, a.rows = places[(i-first)*pixelRows*t.taps:], p.real
		at := p.first*co + column
		if column+pixelColumns <= co {
			a.y, a.step = t.y[at:], co
			if t.add != nil {
				a.add = t.add[at:]
			}
			runPixels(&a, p.rows)
			continue
		}
		t.narrow(a, p, at, co-column)
	}
}

// narrow makes a product of fewer than 32 channels, by way of a buffer.
func (t *pixelTask) narrow(a pixelArgs, p product, at, channels int) {
	buf := buffers.get()
	defer buffers.put(buf)
	buf.grow(pixelRows * pixelColumns)
	a.y, a.step, a.relu = buf.data, pixelColumns, false
	runPixels(&a, p.rows)
	for r := range p.real {
		y := t.y[at+r*t.shape.Co:][:channels]
		copy(y, buf.data[r*pixelColumns:])
		for i, v := range y {
			if t.add != nil {
				v += t.add[at+r*t.shape.Co+i]
			}
			if t.relu && v < 0 {
				v = 0
			}
			y[i] = v
		}
	}
}

// pixelArgs is the argument of the products:
//
//	y[p·step + c] = bias[c] + add[p·step + c] + Σ tap Σ k<n  x[places[tap][p] + k] · w[tap][k][c]
//
// for p < rows, c < 32, then ReLU if asked. places holds as many for each tap as
// the routine makes pixels; all exist. add may be nil. The assembly reads it field
// by field (see _gen).
type pixelArgs struct {
	x, w, y, add, bias []float32
	places             []int
	taps, n            int
	step, rows         int
	relu               bool
}

// pixelsTwin is the plain form, which needs no places resolved: nowhere is 0.
func pixelsTwin(a *pixelArgs, rows int) {
	for p := range a.rows {
		var sum [pixelColumns]float32
		for tap := range a.taps {
			at := a.places[tap*rows+p]
			for k := range a.n {
				var x float32
				if at != nowhere {
					x = a.x[at+k]
				}
				for c, w := range (*[pixelColumns]float32)(a.w[(tap*a.n+k)*pixelColumns:]) {
					sum[c] += x * w
				}
			}
		}
		for c, v := range sum {
			v += a.bias[c]
			if a.add != nil {
				v += a.add[p*a.step+c]
			}
			if a.relu && v < 0 {
				v = 0
			}
			a.y[p*a.step+c] = v
		}
	}
}
