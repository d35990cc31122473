package pipeline

import (
	"cmp"
	"fmt"
	"strings"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
	"clr/internal/pipeline/strict"
)

// learningRate is the one at the top of the schedule.
func (c *Config) learningRate() float64 {
	return c.Update.Rate(c.Optimizer.LearningRate(), c.Batch)
}

// rateNote says where learningRate comes from, and what the schedule makes of it.
func (c *Config) rateNote() string {
	s := c.Schedule
	note := fmt.Sprintf("top of %s over %d epochs, the first %d of them warm-up", s.Shape, s.Epochs, s.WarmupEpochs)
	if s.Shape == "step" {
		note += ", " + s.Step.String()
	}
	if c.Update.LRScale == "none" {
		return note
	}
	return c.Update.Rule(c.Optimizer.LearningRate(), c.Batch) + ", " + note
}

// moved is the optimizer with what stands around it.
func (c *Config) moved() optim.Options { return c.Update.Around(c.Optimizer) }

// checkNames refuses patterns that fit no weight, as far as the network is known
// before its data are; setRates asks again.
func (c *Config) checkNames() []checkError {
	if len(c.Update.Freeze)+len(c.Optimizer.Excluded()) == 0 {
		return nil
	}
	in, err := c.Input()
	if err != nil {
		return nil // whoever makes the network tells
	}
	draft, err := method.Draft(c.Method, method.Setup{Encoder: c.Encoder, Batch: 2 * c.Method.Unit(), Input: in, Classes: 2}) // neither number names weights
	if err != nil {
		return nil
	}
	wrong := c.unmatched(draft.Params)
	if len(wrong) == 0 {
		if err := c.Update.SetRates(draft.Params, model.Depths(draft.Params)); err != nil {
			wrong = append(wrong, checkError{"update.freeze", err})
		}
	}
	return wrong
}

// unmatched are the config's patterns that fit no weight of a network.
func (c *Config) unmatched(params []*optim.Param) (wrong []checkError) {
	var names []string // and the patterns of their parts
	for _, p := range params {
		words := strings.Split(p.Name, ".")
		names = append(names, p.Name, "*."+words[len(words)-1])
		for i := 1; i < len(words); i++ {
			names = append(names, strings.Join(words[:i], ".")+".*")
		}
	}
	for _, list := range []struct {
		path     string
		patterns []string
	}{{"optimizer.exclude", c.Optimizer.Excluded()}, {"update.freeze", c.Update.Freeze}} {
		for _, i := range optim.Unmatched(list.patterns, params) {
			near := cmp.Or(strict.Nearest(list.patterns[i], names), names[0])
			wrong = append(wrong, checkError{fmt.Sprintf("%s.%d", list.path, i), fault.New(fault.Usage, "clr model summary lists the encoder's layers; * is any text",
				"no weight of the network fits %q; the nearest is %s", list.patterns[i], near)})
		}
	}
	return wrong
}

// setRates says of each weight how fast it moves, and which are frozen.
func (c *Config) setRates(params []*optim.Param) error {
	for _, w := range c.unmatched(params) {
		return fault.New(fault.Usage, fault.Remedy(w.err), "%s: %w", w.path, w.err)
	}
	if err := c.Update.SetRates(params, model.Depths(params)); err != nil {
		return fmt.Errorf("update.freeze: %w", err)
	}
	return nil
}

// averaged begins the names of the averaged encoder in a checkpoint.
const averaged = "ema."

// embeds begins the names of the encoder that embeds, in a checkpoint.
func (c *Config) embeds() string {
	if c.Update.EMA > 0 && c.Embed.Weights == "ema" {
		return averaged
	}
	return ""
}

// average keeps the average of a method's encoder, running statistics included; nil
// where the config wants none.
func (c *Config) average(m method.Method) *optim.Average {
	if c.Update.EMA == 0 {
		return nil
	}
	encoder := map[string]kernel.Array{}
	for name, a := range m.State() {
		if strings.HasPrefix(name, "encoder.") {
			encoder[name] = a
		}
	}
	return optim.NewAverage(c.Update.EMA, encoder)
}

// tellRate says what the learning rate is, and what accumulating does not do.
func (t *trainer) tellRate(con Console) {
	c, u := t.d.c, t.d.c.Update
	if u.LRScale != "none" {
		con.Say("learning rate %.4g: %s (%d steps)", t.base, c.rateNote(), c.Schedule.WarmupEpochs*t.batches.steps)
	}
	for _, w := range c.accumulating(t.total()) {
		con.Warn("%s", w.Text)
	}
}

// accumulating says what averaging gradients does not do, and what is left over in a
// run of so many steps.
func (c *Config) accumulating(steps int) (all []Concern) {
	k := c.Update.Accumulate
	if k > 1 {
		all = append(all, Concern{Code: "accumulate.batch", Try: "raise batch instead, where memory allows",
			Text: fmt.Sprintf("update.accumulate %d averages gradients; it is no batch of %d clips: negatives and batch statistics are still those of %d", k, k*c.Batch, c.Batch)})
	}
	if left := steps % k; left > 0 {
		all = append(all, Concern{Code: "accumulate.left", Try: "choose an update.accumulate that divides the steps, or other schedule.epochs",
			Text: fmt.Sprintf("the last %d of %d steps come to no move of the weights: update.accumulate is %d", left, steps, k)})
	}
	return all
}
