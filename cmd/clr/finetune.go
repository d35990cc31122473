package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

func (p *program) finetune() *cobra.Command {
	var o pipeline.FinetuneCommand
	starts, about := choices(pipeline.FinetuneStarts)
	c := &cobra.Command{
		Use:     "finetune --run FOLDER",
		GroupID: "path",
		Short:   "Train a run's whole network on with labels",
		Long: `Trains encoder and a linear layer by cross-entropy on the labels of each fold's
training clips, and tests it once on the fold's test clips: a clip's prediction
is the mean of the logits of its windows. It begins with one of

` + about + `

--fractions trains on parts of the labels, a row of the report each. Each part
is a run of its own in the folder that --out names, which resumes to the same
bytes and can be verified, exported and compared; report-finetune.json and
predictions-finetune.csv stand beside them.

The config is the run's; --set may change finetune, workers and store.`,
		Example: "  clr finetune --run runs/first --fractions 0.01,0.1,1\n" +
			"  clr finetune --run runs/first --from random --set finetune.optimizer.lr=0.003",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if err := p.needsRun(writtenRun); err != nil {
				return err
			}
			if f := c.Flags().Lookup("fractions"); f.Changed {
				p.sets = append(p.sets, "finetune.fractions=["+f.Value.String()+"]")
			}
			o.Run, o.Fold = p.run, p.fold
			return p.report(pipeline.Finetune(c.Context(), o, p.overrides(), p.console()))
		}),
	}
	p.runFlag(c, "folder of the run")
	p.foldFlag(c)
	p.jsonFlag(c)
	p.setFlag(c, "finetune.schedule.epochs=10", "finetune", "workers", "store")
	c.Flags().StringVar(&o.Out, "out", "", "folder for what is trained (default: finetune in the run folder, or finetune-random, finetune-init)")
	c.Flags().StringVar(&o.From, "from", "pretrained", "what it begins with: "+strings.Join(starts, ", "))
	c.Flags().BoolVar(&o.Resume, "resume", false, "go on from the last checkpoints, or start where there are none")
	c.Flags().String("fractions", "1", "parts of the labels, as --set finetune.fractions=[0.1,1]")
	must(c.MarkFlagDirname("out"))
	must(c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions(starts, cobra.ShellCompDirectiveNoFileComp)))
	return c
}
