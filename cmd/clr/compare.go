package main

import (
	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
	"clr/internal/sweep"
)

func (p *program) compare() *cobra.Command {
	c := &cobra.Command{
		Use:     "compare RUN RUN...",
		GroupID: "check",
		Short:   "Show runs side by side: configs, training, scores",
		Long: `Shows what differs between the configs of runs, and in what they were made by;
their training (losses and the rest are means over the first or the last epoch),
and whether they hold the same bytes or at which step they part; and their probes' scores, each tested against the first run's on the same clips:
McNemar's exact test, two-sided, and a 95 % interval of the difference with clips
drawn again. With more than two runs the p-values are Holm's. A test tells whether
these encoders differ on such clips, not whether another seed would. Folders of sweeps
are compared as clr sweep compare does, which asks that too.`,
		Example: "  clr compare runs/first runs/warm\n  clr compare runs/seed-* --json",
		Args: func(c *cobra.Command, args []string) error {
			if sweeps(args) {
				return nil
			}
			if len(args) < 2 {
				return fault.New(fault.Usage, "such as clr compare runs/first runs/warm", "clr compare takes two run folders or more, %d given", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			p.started = true
			if sweeps(args) {
				r, err := sweep.Compare(args, "", -1)
				if err != nil {
					return err
				}
				return r.Write(p.console())
			}
			r, err := pipeline.Compare(args)
			if err != nil {
				return err
			}
			return r.Write(p.console())
		},
	}
	p.jsonFlag(c)
	return c
}

// sweeps says whether all are folders of sweeps.
func sweeps(dirs []string) bool {
	for _, dir := range dirs {
		if !sweep.Is(dir) {
			return false
		}
	}
	return len(dirs) > 0
}
