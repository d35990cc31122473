package main

import (
	"errors"

	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

func (p *program) judge() *cobra.Command {
	var o pipeline.Asked
	c := &cobra.Command{
		Use:     "judge --run FOLDER | --embeddings FILE",
		GroupID: "path",
		Short:   "Judge a run's embeddings, or any, as they lie: few shots, clusters, retrieval",
		Long: `Asks three questions of the test clips' embeddings, and fits nothing to labels:

  few-shot     episodes of 5 classes of which 1 or 5 clips are shown: the share of
               other clips that lie nearest to the mean of their own class's
  clustering   whether k-means finds the classes: NMI and ARI
  retrieval    whether the nearest clips are of the same class: mAP@k

None is asked about a clip of its own recording, and of clips with several labels
retrieval alone. A run is judged beside random weights and plain statistics of the
features, and the judgement is kept in its folder as report-judge.json.
docs/embeddings.md has formulas and sources, and says how labels, folds and splits
stand in a file or in a manifest.

The config is the run's; --set may change judge, embed, workers and store, with
--embeddings judge, split and seed.`,
		Example: "  clr judge --run runs/first\n" +
			"  clr judge --embeddings vectors.parquet --set judge.few_shot.ways=10 --json",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			o.Run, o.Fold = p.run, p.fold
			j, err := pipeline.Judge(c.Context(), o, p.overrides(), p.console())
			if j == nil {
				return err
			}
			show := j.WriteTable
			if p.json {
				show = j.WriteJSON
			}
			return errors.Join(err, show(p.console().Out))
		}),
	}
	p.askedFlags(c, &o)
	p.setFlag(c, "judge.few_shot.ways=10", "judge", "embed", "split", "seed", "workers", "store")
	return c
}
