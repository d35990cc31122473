package main

import (
	"errors"

	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) verify() *cobra.Command {
	o := pipeline.VerifyOptions{}
	full := false
	c := &cobra.Command{
		Use:     "verify RUN",
		GroupID: "check",
		Short:   "Execute a run again and compare it, bit by bit",
		Long: `Trains again from the config in the run folder, without writing there, and
compares every step with metrics.jsonl: loss, learning rate, gradient norm,
spread of the projections, the digests of the weights, and the newest checkpoint
where its step is reached. It ends with 0 if all is identical, and with 5 if not,
naming the first step that differs and what has changed around it: binary, Go,
CPU path, recordings, features.`,
		Example: "  clr verify runs/demo\n  clr verify runs/demo --full",
		Args:    oneRun,
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			if o.Steps < 1 {
				return fault.New(fault.Usage, "--full executes all of them", "--steps is %d, it must be 1 or more", o.Steps)
			}
			if full {
				o.Steps = 0
			}
			o.Run, o.Fold = args[0], p.fold
			v, err := pipeline.Verify(c.Context(), o, p.overrides(), p.console())
			if v == nil || len(v.Folds) == 0 {
				return err
			}
			return errors.Join(err, v.Write(p.console()))
		},
	}
	c.Flags().IntVar(&o.Steps, "steps", 100, "steps of each fold to execute again")
	c.Flags().BoolVar(&full, "full", false, "execute all steps, and look into every recording")
	c.MarkFlagsMutuallyExclusive("steps", "full")
	p.foldFlag(c)
	p.jsonFlag(c)
	p.setFlag(c, "workers=4", "workers", "store")
	return c
}

// oneRun takes one run folder.
func oneRun(c *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fault.New(fault.Usage, "such as "+c.CommandPath()+" runs/first", "%s takes one run folder, %d are given", c.CommandPath(), len(args))
}
