package optim

// layers is what optimisers share that give each parameter a rate of its own:
// norms by piece, and the rates that follow.
type layers struct {
	sums  []norms   // by piece
	first []int     // each parameter's first piece
	trust []float64 // by parameter
}

// norms are sums of squares: of weights, gradients and the update, before any rate.
type norms struct{ w, g, update float64 }

func newLayers(s slots) layers {
	l := layers{sums: make([]norms, len(s.pieces)), trust: make([]float64, len(s.names))}
	at := 0
	for i := range s.names {
		l.first = append(l.first, at)
		for at < len(s.pieces) && s.pieces[at].param == i {
			at++
		}
	}
	l.first = append(l.first, at)
	return l
}

// sum adds up a parameter's pieces, in order.
func (l *layers) sum(param int) (n norms) {
	for _, s := range l.sums[l.first[param]:l.first[param+1]] {
		n.w += s.w
		n.g += s.g
		n.update += s.update
	}
	return n
}
