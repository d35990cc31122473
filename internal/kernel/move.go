package kernel

import "math"

// A Momentum is the rule of gradient descent with momentum:
//
//	d = Into·(g + Decay·w);  v = Keep·v + d;  w = w - Rate·(Along·v + Ahead·d)
//
// or without momentum w = w - Rate·d.
type Momentum struct{ Decay, Into, Keep, Along, Ahead, Rate float32 }

// Move moves the weights w and their momentum v, or nil, by the gradient g. It
// is for pieces of parameters, which are shared out by the caller.
func (m Momentum) Move(w, v, g []float32) {
	check(len(w) == len(g) && (v == nil || len(v) == len(g)), "Momentum.Move", "lengths differ")
	n := len(g) &^ (Lanes - 1)
	a, rest := momentumArgs{w[:n], v, g[:n], m}, momentumArgs{w[n:], v, g[n:], m}
	if v != nil {
		a.v, rest.v = v[:n], v[n:]
	}
	if n > 0 {
		runMomentum(&a)
	}
	momentumTwin(&rest)
}

type momentumArgs struct {
	w, v, g []float32
	Momentum
}

func momentumTwin(a *momentumArgs) {
	w, v := a.w[:len(a.g)], a.v
	for i, g := range a.g {
		d := a.Into * (g + a.Decay*w[i])
		if v == nil {
			w[i] -= a.Rate * d
			continue
		}
		v[i] = a.Keep*v[i] + d
		w[i] -= a.Rate * (a.Along*v[i] + a.Ahead*d)
	}
}

// An Adam is the rule of Adam for one step:
//
//	d = g + L2·w;  m = m + B1·(d - m);  v = v + B2·(d² - v)
//	w = Keep·w - Rate·m / (Root·√v + Eps)
type Adam struct{ L2, Keep, B1, B2, Rate, Root, Eps float32 }

// Move moves the weights w and both means m and v by the gradient g, as
// Momentum's.
func (r Adam) Move(w, m, v, g []float32) {
	check(len(w) == len(g) && len(m) == len(g) && len(v) == len(g), "Adam.Move", "lengths differ")
	n := len(g) &^ (Lanes - 1)
	if n > 0 {
		runAdam(&adamArgs{w[:n], m[:n], v[:n], g[:n], r})
	}
	adamTwin(&adamArgs{w[n:], m[n:], v[n:], g[n:], r})
}

type adamArgs struct {
	w, m, v, g []float32
	Adam
}

func adamTwin(a *adamArgs) {
	w, m, v := a.w[:len(a.g)], a.m[:len(a.g)], a.v[:len(a.g)]
	for i, g := range a.g {
		d := g + a.L2*w[i]
		mean := m[i] + a.B1*(d-m[i])
		square := v[i] + a.B2*(d*d-v[i])
		m[i], v[i] = mean, square
		w[i] = a.Keep*w[i] - a.Rate*mean/(a.Root*float32(math.Sqrt(float64(square)))+a.Eps)
	}
}
