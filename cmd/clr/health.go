package main

import (
	"errors"

	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

func (p *program) health() *cobra.Command {
	c := &cobra.Command{
		Use:     "health RUN",
		GroupID: "check",
		Short:   "Show how a run's representation fared, and what was warned of",
		Long: `Reads the health.jsonl of each fold of a run, which may still be going on, or have
been stopped or broken: the last and the worst value of each measure, the last
histograms of how similar views are, the last norms of some layers' weights,
gradients and updates, and every warning with what to try. docs/health.md says what
the measures are. --json has the same, and all layers.

It ends with 4 where a collapse was found or a step was not finite, else with 0.`,
		Example: "  clr health runs/first\n  clr health runs/first --json",
		Args:    oneRun,
		RunE: func(_ *cobra.Command, args []string) error {
			p.started = true
			r, err := pipeline.Health(args[0])
			if r == nil {
				return err
			}
			return errors.Join(err, r.Write(p.console()))
		},
	}
	p.jsonFlag(c)
	return c
}
