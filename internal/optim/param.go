// Package optim moves weights against their gradients: the optimisers, their
// options, and the schedule of the learning rate.
package optim

import "clr/internal/kernel"

// A Param is a weight and its gradient. Grad.Data may point into the memory
// plan of the machine that computed it, so it is only valid until the next run.
type Param struct {
	Name        string
	Value, Grad kernel.Array
	Rate        float32 // multiplies the learning rate, usually 1; at 0 the weight is frozen: it keeps its bytes
}
