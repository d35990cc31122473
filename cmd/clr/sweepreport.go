package main

import (
	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
	"clr/internal/sweep"
)

func (p *program) sweepReport() *cobra.Command {
	out, open := "", false
	c := &cobra.Command{
		Use:   "report FOLDER",
		Short: "Write a page that shows a sweep: scores, parameters, curves, failures",
		Long: `Writes one HTML page that needs no network and nothing beside itself: the best
point with its score on test clips, which had no part in the choice; scores of all
points with intervals over seeds; parallel coordinates; the score against each
parameter, and how much each explains; learning curves, laid over each other; and
which trials failed or were stopped early, with the reasons.

A sweep that goes on is shown as it is now. Equal trials give an equal page.`,
		Example: "  clr sweep report sweeps/demo\n  xdg-open \"$(clr sweep report sweeps/demo --open)\"",
		Args:    oneArgument("folder", "clr sweep report sweeps/demo"),
		RunE: func(_ *cobra.Command, args []string) error {
			p.started = true
			if open && p.json {
				return fault.New(fault.Usage, "take one of them", "--open and --json both decide what is printed")
			}
			s, err := sweep.Open(args[0])
			if err != nil {
				return err
			}
			w, err := s.Report(out)
			if err != nil {
				return err
			}
			if open {
				return pipeline.PrintPath(p.console(), w.Page)
			}
			return w.Write(p.console())
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "page to write (default: report.html in the sweep's folder)")
	c.Flags().BoolVar(&open, "open", false, "print the page's path alone, for whatever opens it")
	p.jsonFlag(c)
	return c
}
