package main

import (
	"time"

	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

func (p *program) top() *cobra.Command {
	var o pipeline.TopOptions
	c := &cobra.Command{
		Use:     "top RUN",
		GroupID: "check",
		Short:   "Follow a training from another terminal",
		Long: `Shows how far a run has come that another process trains: steps, time left, the
loss with its course over the epochs, the deviation of the projections, warnings.
On a terminal it is drawn anew each time; elsewhere there is a line where something
is new, with --json one of JSON. It changes nothing, and the run knows nothing of it.

It ends when the run does: with 0 where that is done, else with the run's own exit
code (see clr help exit-codes), and with 1 where its process is gone without a word.
With --once it looks once, and ends with 0 where the run goes on. Interrupted, it
ends with 0.`,
		Example: "  clr top runs/first\n  clr top runs/first --once --json",
		Args:    oneRun,
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			o.Run = args[0]
			return pipeline.Top(c.Context(), o, p.console())
		},
	}
	c.Flags().DurationVar(&o.Every, "every", time.Second, "from one look to the next")
	c.Flags().BoolVar(&o.Once, "once", false, "look once")
	p.jsonFlag(c)
	return c
}
