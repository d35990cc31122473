package main

import (
	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) reportPage() *cobra.Command {
	var o pipeline.ReportOptions
	open := false
	c := &cobra.Command{
		Use:     "report RUN...",
		GroupID: "check",
		Short:   "Write a page that shows runs: scores, curves, a map of the embeddings that plays",
		Long: `Writes one HTML page that needs no network and nothing beside itself: what was
run, curves of training and health, scores of the probes that were asked with
intervals and baselines, confusion matrices, and of the first run a map of its
test clips' embeddings (t-SNE and PCA), each point with its sound and its nearest
neighbours. Further runs are laid over the curves and set beside the scores.

A run that goes on is shown as it is now. Equal runs and options give an equal
page. Recordings that are not there any more are left out, with a note.`,
		Example: "  clr report runs/first\n  clr report runs/first runs/warm --out both.html\n  xdg-open \"$(clr report runs/first --open)\"",
		Args: func(_ *cobra.Command, args []string) error {
			o.Runs = args
			return o.Check()
		},
		RunE: func(c *cobra.Command, _ []string) error {
			p.started = true
			if open && p.json {
				return fault.New(fault.Usage, "take one of them", "--open and --json both decide what is printed")
			}
			w, err := pipeline.Report(c.Context(), o, p.console())
			if err != nil {
				return err
			}
			if open {
				return pipeline.PrintPath(p.console(), w.Page)
			}
			return w.Write(p.console())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.Out, "out", "o", "", "page to write (default: report.html in the first run's folder)")
	f.IntVar(&o.Clips, "clips", pipeline.ReportClips, "on the map, at most; 0 leaves the map out")
	f.Uint64Var(&o.Seed, "seed", pipeline.ReportSeed, "of t-SNE")
	f.BoolVar(&open, "open", false, "print the page's path alone, for whatever opens it")
	f.StringVar(&o.Fold, "fold", "", "whose embeddings are mapped (default: the first that has a checkpoint)")
	p.jsonFlag(c)
	return c
}
