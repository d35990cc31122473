package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The passes of kernel.FFT, sixteen frames in the lanes. Nothing is fused: the
// twins in kernel/fourier.go give the same bytes.

// fourierRow is a row of z: sixteen real parts and sixteen imaginary ones.
const fourierRow, fourierImag = 128, 64

func (v vectors) fourier() {
	v.fourierFirst("fourierFirst", 8)
	v.fourierFirst("fourierFirstHalf", 4)
	for _, radix := range []int{8, 5, 4, 3, 2} {
		v.fourierPass(radix, true)
		v.fourierPass(radix, false)
	}
	v.fourierApart("fourierPower", true)
	v.fourierApart("fourierComplex", false)
}

// A number is a vector of complex numbers.
type number struct{ re, im reg.VecVirtual }

// fourierLegs addresses up to eight rows, leg bytes apart.
type fourierLegs struct{ low, high, leg, three reg.GPVirtual }

func newFourierLegs(base, leg reg.GPVirtual) fourierLegs {
	l := fourierLegs{base, GP64(), leg, GP64()}
	LEAQ(Mem{Base: leg, Index: leg, Scale: 2}, l.three)
	LEAQ(Mem{Base: base, Index: leg, Scale: 4}, l.high)
	return l
}

// at is leg j, offset bytes on.
func (l fourierLegs) at(j, offset int) Mem {
	m := Mem{Base: l.low, Disp: offset}
	if j >= 4 {
		m.Base = l.high
	}
	switch j % 4 {
	case 1:
		m.Index, m.Scale = l.leg, 1
	case 2:
		m.Index, m.Scale = l.leg, 2
	case 3:
		m.Index, m.Scale = l.three, 1
	}
	return m
}

func (l fourierLegs) advance(by Op) {
	ADDQ(by, l.low)
	ADDQ(by, l.high)
}

func (v vectors) broadcast(m Mem) reg.VecVirtual {
	r := v.register()
	VBROADCASTSS(m, r)
	return r
}

func (v vectors) sum(a, b reg.VecVirtual) reg.VecVirtual {
	r := v.register()
	VADDPS(b, a, r)
	return r
}

func (v vectors) difference(a, b reg.VecVirtual) reg.VecVirtual {
	r := v.register()
	VSUBPS(b, a, r)
	return r
}

func (v vectors) product(a reg.VecVirtual, b Op) reg.VecVirtual {
	r := v.register()
	VMULPS(b, a, r)
	return r
}

func (v vectors) plus(a, b number) number {
	return number{v.sum(a.re, b.re), v.sum(a.im, b.im)}
}

func (v vectors) minus(a, b number) number {
	return number{v.difference(a.re, b.re), v.difference(a.im, b.im)}
}

// plusRight is a - i·b, minusRight a + i·b.
func (v vectors) plusRight(a, b number) number {
	return number{v.sum(a.re, b.im), v.difference(a.im, b.re)}
}

func (v vectors) minusRight(a, b number) number {
	return number{v.difference(a.re, b.im), v.sum(a.im, b.re)}
}

// four is kernel.four; c may be meant times -i.
func (v vectors) four(a, b, c, d number, right bool) [4]number {
	plus, minus := v.plus, v.minus
	if right {
		plus, minus = v.plusRight, v.minusRight
	}
	ac, as := plus(a, c), minus(a, c)
	bd, bs := v.plus(b, d), v.minus(b, d)
	return [4]number{v.plus(ac, bd), v.plusRight(as, bs), v.minus(ac, bd), v.minusRight(as, bs)}
}

// eight is kernel.eight of the numbers that load gives, of which half are zero;
// put takes each result.
func (v vectors) eight(load func(j int) number, half bool, put func(p int, x number)) {
	var s, d [4]number
	local := Mem{}
	if !half && !v.wide() {
		local = AllocLocal(4 * 2 * 32)
	}
	for j := range s {
		s[j] = load(j)
		switch {
		case half && v.wide():
			d[j] = s[j]
		case !half:
			b := load(j + 4)
			d[j] = v.minus(s[j], b)
			s[j] = v.plus(s[j], b)
			if !v.wide() { // sixteen registers do not hold both
				VMOVUPS(d[j].re, local.Offset(64*j))
				VMOVUPS(d[j].im, local.Offset(64*j+32))
			}
		}
	}
	for p, x := range v.four(s[0], s[1], s[2], s[3], false) {
		put(2*p, x)
	}
	for j := range d {
		switch {
		case v.wide():
		case half:
			d[j] = load(j)
		default:
			d[j] = number{v.load(local.Offset(64 * j)), v.load(local.Offset(64*j + 32))}
		}
		r := float32(math.Sqrt2 / 2)
		switch a, b := d[j].re, d[j].im; j {
		case 1:
			d[j] = number{v.product(v.sum(a, b), constant(r)), v.product(v.difference(b, a), constant(r))}
		case 3:
			d[j] = number{v.product(v.difference(b, a), constant(r)), v.product(v.sum(a, b), constant(-r))}
		}
	}
	for p, x := range v.four(d[0], d[1], d[2], d[3], true) {
		put(2*p+1, x)
	}
}

// three is kernel.three.
func (v vectors) three(x []number) []number {
	t, d := v.plus(x[1], x[2]), v.minus(x[1], x[2])
	half, s := constant(0.5), constant(float32(math.Sqrt(3)/2))
	m := v.minus(x[0], number{v.product(t.re, half), v.product(t.im, half)})
	d = number{v.product(d.re, s), v.product(d.im, s)}
	return []number{v.plus(x[0], t), v.plusRight(m, d), v.minusRight(m, d)}
}

// five is kernel.five.
func (v vectors) five(x []number) []number {
	c := func(k float64) Mem { return constant(float32(math.Cos(2 * math.Pi * k / 5))) }
	s := func(k float64) Mem { return constant(float32(math.Sin(2 * math.Pi * k / 5))) }
	a, b, p, q := v.plus(x[1], x[4]), v.plus(x[2], x[3]), v.minus(x[1], x[4]), v.minus(x[2], x[3])
	part := func(x, a, b reg.VecVirtual) (e, f, all reg.VecVirtual) {
		e = v.sum(v.sum(x, v.product(a, c(1))), v.product(b, c(2)))
		f = v.sum(v.sum(x, v.product(a, c(2))), v.product(b, c(1)))
		return e, f, v.sum(v.sum(x, a), b)
	}
	cross := func(p, q reg.VecVirtual) (g, h reg.VecVirtual) {
		g = v.sum(v.product(p, s(1)), v.product(q, s(2)))
		return g, v.difference(v.product(p, s(2)), v.product(q, s(1)))
	}
	var e, f, g, h, all number
	e.re, f.re, all.re = part(x[0].re, a.re, b.re)
	e.im, f.im, all.im = part(x[0].im, a.im, b.im)
	g.re, h.re = cross(p.re, q.re)
	g.im, h.im = cross(p.im, q.im)
	return []number{all, v.plusRight(e, g), v.plusRight(f, h), v.minusRight(f, h), v.minusRight(e, g)}
}

// turned is x·(re + i·im), with both at m.
func (v vectors) turned(x number, m Mem) number {
	re, im := v.broadcast(m), v.broadcast(m.Offset(4))
	return number{v.difference(v.product(x.re, re), v.product(x.im, im)), v.sum(v.product(x.re, im), v.product(x.im, re))}
}

func (v vectors) number(m Mem, part int) number {
	return number{v.load(v.part(m, part)), v.load(v.part(m.Offset(fourierImag), part))}
}

func (v vectors) putRow(x number, m Mem, part int) {
	VMOVUPS(x.re, v.part(m, part))
	VMOVUPS(x.im, v.part(m.Offset(fourierImag), part))
}

// fourierFirst is kernel.firstTwin with so many legs that are not zero; legs of
// the frames are in bytes apart, and so are those of z.
func (v vectors) fourierFirst(name string, legs int) {
	v.text(name, "func(z, frames, window, twists *float32, n, frameLeg, leg int)")
	z, frames := Load(Param("z"), GP64()).(reg.GPVirtual), Load(Param("frames"), GP64()).(reg.GPVirtual)
	window, twists, n := Load(Param("window"), GP64()), Load(Param("twists"), GP64()), Load(Param("n"), GP64())
	in := newFourierLegs(frames, Load(Param("frameLeg"), GP64()).(reg.GPVirtual))
	out := newFourierLegs(z, Load(Param("leg"), GP64()).(reg.GPVirtual))
	Label("loop")
	for part := range v.per() {
		v.eight(func(j int) number {
			w := Mem{Base: window, Disp: 8 * j}
			a, b := v.broadcast(w), v.broadcast(w.Offset(4))
			m := in.at(j, 0)
			VMULPS(v.part(m, part), a, a)
			VMULPS(v.part(m.Offset(fourierImag), part), b, b)
			return number{a, b}
		}, legs == 4, func(p int, x number) {
			if p > 0 {
				x = v.turned(x, Mem{Base: twists, Disp: 8 * (p - 1)})
			}
			v.putRow(x, out.at(p, 0), part)
		})
	}
	in.advance(I32(fourierRow))
	out.advance(I32(fourierRow))
	ADDQ(U8(8*legs), window)
	ADDQ(U8(8*7), twists)
	DECQ(n)
	JNZ(LabelRef("loop"))
	ret()
}

// fourierPass is kernel.passTwin for one radix; leg and step are in bytes.
func (v vectors) fourierPass(radix int, twisted bool) {
	name := fmt.Sprint("fourierEnd", radix)
	if twisted {
		name = fmt.Sprint("fourierPass", radix)
	}
	v.text(name, "func(z, twists *float32, n, leg, step int)")
	z := Load(Param("z"), GP64()).(reg.GPVirtual)
	n, step := Load(Param("n"), GP64()), Load(Param("step"), GP64())
	var twists reg.Register
	if twisted {
		twists = Load(Param("twists"), GP64())
	}
	legs := newFourierLegs(z, Load(Param("leg"), GP64()).(reg.GPVirtual))
	Label("loop")
	for part := range v.per() {
		load := func(j int) number { return v.number(legs.at(j, 0), part) }
		put := func(p int, x number) {
			if p > 0 && twisted {
				x = v.turned(x, Mem{Base: twists, Disp: 8 * (p - 1)})
			}
			v.putRow(x, legs.at(p, 0), part)
		}
		if radix == 8 {
			v.eight(load, false, put)
			continue
		}
		x := make([]number, radix)
		for j := range x {
			x[j] = load(j)
		}
		switch radix {
		case 5:
			x = v.five(x)
		case 4:
			y := v.four(x[0], x[1], x[2], x[3], false)
			x = y[:]
		case 3:
			x = v.three(x)
		case 2:
			x = []number{v.plus(x[0], x[1]), v.minus(x[0], x[1])}
		}
		for p, y := range x {
			put(p, y)
		}
	}
	legs.advance(step)
	if twisted {
		ADDQ(U8(8*(radix-1)), twists)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	ret()
}

// fourierApart takes n pairs of values apart, as kernel.fourierPair.apart, from
// the first up and from the one at offset last down, into powers or numbers.
func (v vectors) fourierApart(name string, power bool) {
	v.text(name, "func(dst, z *float32, pairs *byte, n, last int)")
	dst, z := Load(Param("dst"), GP64()), Load(Param("z"), GP64())
	pairs, n, up := Load(Param("pairs"), GP64()), Load(Param("n"), GP64()), GP64()
	down := Load(Param("last"), GP64())
	ADDQ(dst, down)
	MOVQ(dst, up)
	Label("loop")
	a, b := GP64(), GP64()
	MOVLQSX(Mem{Base: pairs}, a)
	MOVLQSX(Mem{Base: pairs, Disp: 4}, b)
	for part := range v.per() {
		x, y := v.number(Mem{Base: z, Index: a, Scale: 1}, part), v.number(Mem{Base: z, Index: b, Scale: 1}, part)
		e := number{v.sum(x.re, y.re), v.difference(x.im, y.im)}
		t := v.turned(number{v.sum(x.im, y.im), v.difference(y.re, x.re)}, Mem{Base: pairs, Disp: 8})
		x = v.plus(e, t)
		y = number{v.difference(e.re, t.re), v.difference(t.im, e.im)}
		for i, r := range []number{x, y} {
			m := Mem{Base: []reg.Register{up, down}[i]}
			if power {
				VMOVUPS(v.sum(v.product(r.re, r.re), v.product(r.im, r.im)), v.part(m, part))
			} else {
				v.putRow(r, m, part)
			}
		}
	}
	row := fourierRow
	if power {
		row = 64
	}
	ADDQ(I32(int32(row)), up)
	SUBQ(I32(int32(row)), down)
	ADDQ(U8(16), pairs)
	DECQ(n)
	JNZ(LabelRef("loop"))
	ret()
}
