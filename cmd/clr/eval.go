package main

import (
	"errors"

	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

func (p *program) eval() *cobra.Command {
	var o pipeline.EvalOptions
	c := &cobra.Command{
		Use:     "eval --suite FILE --run FOLDER",
		GroupID: "path",
		Short:   "Ask a run's encoder about many corpora, by many probes, into one table",
		Long: `A suite lists tasks, which are corpora with labels, and probes, with their
protocols and settings; docs/evaluation.md has its keys. Each probe asks each task,
beside random weights, plain statistics of the features and chance.

A clip goes through an encoder once, whatever asks: embeddings are kept in --cache,
under a hash of weights, feature settings and sound. Each answer is kept in the
folder of results as soon as it is there; the same command goes on where it was
stopped, and asks anew what has changed since: weights, recordings, labels,
settings. The table is printed, and is suite.json, suite.csv and suite.md there.

Of the corpus that the run was pretrained on, each fold is asked by the encoder
that never heard it; other corpora are asked by the run's only encoder, or that of
--fold, and where that heard clips of the test part, it is told how many.
--run may be given several times.`,
		Example: "  clr eval --suite configs/suite.yaml --run runs/first\n" +
			"  clr eval --suite configs/suite.yaml --run runs/first --run runs/warm --out both --json",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			o.Fold = p.fold
			r, err := pipeline.Eval(c.Context(), o, p.console())
			if r == nil {
				return err
			}
			return errors.Join(err, r.Write(p.console()))
		}),
	}
	c.Flags().StringVar(&o.Suite, "suite", "", "YAML file of tasks and probes")
	c.Flags().StringArrayVarP(&o.Runs, "run", "r", nil, "`folder` of a run (repeatable)")
	c.Flags().StringVarP(&o.Out, "out", "o", "", "folder of results (default: eval in the run folder)")
	c.Flags().StringVar(&o.Cache, "cache", pipeline.SuiteCache, "folder of embeddings, which suites may share")
	p.foldFlag(c)
	p.jsonFlag(c)
	must(c.MarkFlagFilename("suite", "yaml", "yml"))
	must(c.MarkFlagDirname("run"))
	must(c.MarkFlagDirname("out"))
	must(c.MarkFlagDirname("cache"))
	return c
}
