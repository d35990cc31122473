package pipeline

import (
	"fmt"

	"clr/internal/fault"
)

// batches is how an epoch's clips are cut: into as few batches of at most a
// given size as it takes, nearly equal to each other. Equal batches are equally
// hard; with the remainder alone in the last, that one would have few negatives
// and its own batch statistics.
type batches struct {
	steps int // batches of an epoch
	units int // what they share out as evenly as can be
	unit  int // clips of a unit
}

// cut makes batches of at most batch clips, all multiples of the unit that the
// method works in. Clips that fill no unit are left out, in each epoch others;
// so is a single unit that would be a batch of its own.
func cut(clips, batch, unit int) batches {
	units, most := clips/unit, max(1, batch/unit)
	steps := (units + most - 1) / most
	if units < 2*steps {
		steps = units / most
		units = steps * most
	}
	return batches{steps, units, unit}
}

// batches cuts so many clips as the config wants it.
func (c *Config) batches(clips int) batches { return cut(clips, c.Batch, c.Method.Unit()) }

// batchable refuses fewer clips than a batch.
func (c *Config) batchable(clips int) error {
	if c.Batch > clips {
		return fault.New(fault.Usage, fmt.Sprintf("set batch to at most %d", clips),
			"batch %d is larger than the corpus: %d clips to pretrain on", c.Batch, clips)
	}
	return nil
}

// of says which part of an epoch's order is the batch of a step.
func (b batches) of(step int) (from, to int) {
	i := step % b.steps
	return i * b.units / b.steps * b.unit, (i + 1) * b.units / b.steps * b.unit
}

// epoch is the one that a step belongs to.
func (b batches) epoch(step int) int { return step / b.steps }
