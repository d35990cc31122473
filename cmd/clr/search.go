package main

import (
	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) search() *cobra.Command {
	var o pipeline.SearchOptions
	c := &cobra.Command{
		Use:     "search --index FILE RECORDING...",
		GroupID: "path",
		Short:   "Find the clips or windows of an index that sound most like recordings",
		Long: `Embeds recordings as the index's were, and prints the rows of the index that are
nearest to each: cosine of the embeddings, of every row, nothing approximated. Equal
ones stand in the order of the index. Where the index has windows, so has a
recording, and a row is as near as it is to the nearest of them.

The index is what clr embed wrote (Parquet or .npz), which says by which encoder;
another one is refused. Where that encoder has moved, or the index is of another
program, --run, --bundle or --model name it.`,
		Example: "  clr search --index embeddings.parquet bark.wav\n" +
			"  clr search --index field.npz --bundle bundle --top 100 --json bark.wav howl.wav",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fault.New(fault.Usage, "such as clr search --index embeddings.parquet bark.wav", "no recording is given to search for")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			if o.Index == "" {
				return fault.New(fault.Usage, "name what clr embed wrote with --index", "no index is given")
			}
			o.Queries, o.Run, o.Fold = args, p.run, p.fold
			return pipeline.Search(c.Context(), o, p.console())
		},
	}
	p.sourceFlags(c, &o.Source)
	p.jsonFlag(c)
	c.Flags().StringVarP(&o.Index, "index", "i", "", "table of embeddings: .parquet, .npz or .npy")
	c.Flags().IntVar(&o.Top, "top", 10, "rows to print for each recording")
	must(c.MarkFlagFilename("index", "parquet", "npz", "npy"))
	return c
}
