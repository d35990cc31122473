package main

import (
	"errors"

	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) replay() *cobra.Command {
	c := &cobra.Command{
		Use:     "replay FILE",
		GroupID: "check",
		Short:   "Run the step again at which a run diverged, and show where",
		Long: `A run whose loss or gradient is not finite stops with exit code 4 and leaves
diverged.safetensors in its folder, or the fold's. The file holds the step: views,
weights, config. It needs neither the recordings nor the run, on any machine.

Shows the loss, the first function of the network whose result is not finite and
the layer that it belongs to, whether views or weights were not finite before, and
the norms of weights and gradients. --json has every clip, weight and function.

Exit code 4 says that the step diverges here too, 0 that it does not, which
can be on another CPU path; both are named.`,
		Example: "  clr replay runs/first/diverged.safetensors",
		Args: func(c *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return fault.New(fault.Usage, "name the diverged.safetensors in a run's folder, or a fold's", "no replay file is given")
			case 1:
				return nil
			}
			return noArguments(c, args[1:])
		},
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			r, err := pipeline.Replay(c.Context(), args[0])
			if r == nil {
				return err
			}
			return errors.Join(err, r.Write(p.console()))
		},
	}
	p.jsonFlag(c)
	return c
}
