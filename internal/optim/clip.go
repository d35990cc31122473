package optim

import "clr/internal/kernel"

// A clip shortens the gradient, all weights' together, to a norm at most, as
// torch.nn.utils.clip_grad_norm_ does: g = g·most / (‖g‖ + 1e-6). It keeps no state.
type clip struct {
	Optimizer
	most float64
}

// Step implements Optimizer. The gradients themselves are shortened.
func (c clip) Step(params []*Param, lr float64) {
	if by := c.most / (GradNorm(params) + 1e-6); by < 1 {
		for _, p := range params {
			if p.Rate != 0 {
				kernel.Scale(p.Grad.Data, p.Grad.Data, float32(by))
			}
		}
	}
	c.Optimizer.Step(params, lr)
}
