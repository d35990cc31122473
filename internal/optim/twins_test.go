package optim_test

import (
	"math"
	"slices"
	"testing"

	"clr/internal/optim"
)

// The formulas, in float64 and with the whole parameter at once.
func TestTwin(t *testing.T) {
	norm := func(v []float64) (sum float64) {
		for _, x := range v {
			sum += x * x
		}
		return math.Sqrt(sum)
	}
	for name, o := range every() {
		if name == "accumulated" { // TestAccumulate, TestClip
			continue
		}
		params, slow := network(1), [][]float64{}
		state := make([][2][]float64, len(params))
		for i, p := range params {
			slow = append(slow, appendTo(nil, p.Value.Data))
			state[i] = [2][]float64{make([]float64, len(p.Value.Data)), make([]float64, len(p.Value.Data))}
		}
		opt := o.New(params)
		for step := range 3 {
			gradients(params, step)
			lr := o.LearningRate() / float64(step+1)
			opt.Step(params, lr)
			for i, p := range params {
				w, g, m, v := slow[i], appendTo(nil, p.Grad.Data), state[i][0], state[i][1]
				oneD := len(p.Value.Shape) < 2
				switch o := o.(type) {
				case optim.LAMB:
					lambTwin(w, g, m, v, o, lr, step, o.Exclude1D && oneD || len(o.Exclude) > 0 && p.Name == "e")
				case optim.SGD:
					for j := range w {
						d := g[j]
						if !oneD || !o.Exclude1D {
							d += o.WeightDecay * w[j]
						}
						m[j] = o.Momentum*m[j] + d
						if o.Nesterov {
							w[j] -= lr * (d + o.Momentum*m[j])
						} else {
							w[j] -= lr * m[j]
						}
					}
				case optim.LARS:
					spared, trust := oneD && o.Exclude1D, 1.0
					d := slices.Clone(g)
					for j := range d {
						if !spared {
							d[j] += o.WeightDecay * w[j]
						}
					}
					if !spared && o.Kind == "you" {
						trust = o.Eta * norm(w) / (norm(g) + o.WeightDecay*norm(w))
					} else if !spared {
						trust = o.Eta * norm(w) / norm(d)
					}
					for j := range w {
						if o.Kind == "you" {
							m[j] = o.Momentum*m[j] + trust*d[j]
							w[j] -= lr * m[j]
						} else {
							m[j] = o.Momentum*m[j] + lr*trust*d[j]
							w[j] -= m[j]
						}
					}
				case optim.Adam:
					adamTwin(w, g, m, v, optim.AdamW(o), lr, step, false, o.Exclude1D && oneD)
				case optim.AdamW:
					adamTwin(w, g, m, v, o, lr, step, true, o.Exclude1D && oneD || len(o.Exclude) > 0 && (p.Name == "a" || p.Name == "e"))
				}
				for j := range w {
					if got := float64(p.Value.Data[j]); math.Abs(got-w[j]) > 2e-6*(1+math.Abs(w[j])) {
						t.Fatalf("%s: step %d, %s[%d] is %g, want %g", name, step, p.Name, j, got, w[j])
					}
				}
			}
		}
	}
}

func adamTwin(w, g, m, v []float64, o optim.AdamW, lr float64, step int, decoupled, spared bool) {
	decay := o.WeightDecay
	if spared {
		decay = 0
	}
	t := float64(step + 1)
	for j := range w {
		d := g[j]
		if decoupled {
			w[j] *= 1 - lr*decay
		} else {
			d += decay * w[j]
		}
		m[j] = o.Betas[0]*m[j] + (1-o.Betas[0])*d
		v[j] = o.Betas[1]*v[j] + (1-o.Betas[1])*d*d
		w[j] -= lr * m[j] / (1 - math.Pow(o.Betas[0], t)) / (math.Sqrt(v[j]/(1-math.Pow(o.Betas[1], t))) + o.Eps)
	}
}

// lambTwin is algorithm 2 of You et al. 2020 line by line.
func lambTwin(w, g, m, v []float64, o optim.LAMB, lr float64, step int, spared bool) {
	decay, fillM, fillV := o.WeightDecay, 1.0, 1.0
	if spared {
		decay = 0
	}
	if t := float64(step + 1); o.BiasCorrection {
		fillM, fillV = 1-math.Pow(o.Betas[0], t), 1-math.Pow(o.Betas[1], t)
	}
	u, ww, uu := make([]float64, len(w)), 0.0, 0.0
	for j := range w {
		m[j] = o.Betas[0]*m[j] + (1-o.Betas[0])*g[j]
		v[j] = o.Betas[1]*v[j] + (1-o.Betas[1])*g[j]*g[j]
		u[j] = m[j]/fillM/(math.Sqrt(v[j]/fillV)+o.Eps) + decay*w[j]
		ww += w[j] * w[j]
		uu += u[j] * u[j]
	}
	trust := math.Sqrt(ww / uu)
	if spared {
		trust = 1
	}
	for j := range w {
		w[j] -= lr * trust * u[j]
	}
}
