package main

import (
	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

// The commands about augmentations, before anything is learnt with them.

func (p *program) augment() *cobra.Command {
	c := &cobra.Command{
		Use:     "augment",
		GroupID: "data",
		Short:   "See and hear what augmentations make of a clip",
		Args:    unknownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.augmentPreview())
	return c
}

func (p *program) augmentPreview() *cobra.Command {
	var o pipeline.PreviewOptions
	seed := uint64(0)
	c := &cobra.Command{
		Use:   "preview --config FILE --clip CLIP",
		Short: "Write a page that shows a clip, each augmentation, and the pairs of training",
		Long: `Writes one HTML page that needs no network and nothing beside itself: the clip,
each augmentation of the config's chain alone, and the pairs of views that
training will see, drawn by the loader itself for (seed, epoch, clip, view), with
players where the waveform is changed. Features are made first where they are
missing, for normalisation and mixing need those of the training clips.

The clip is an index or a path of the manifest, or any audio file; that is drawn
as if the manifest listed it last. Equal input gives an equal page.`,
		Example: "  clr augment preview --config configs/quickstart.yaml --clip 0\n" +
			"  clr augment preview --config C --clip call.wav --all --out all.html --png pictures",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if err := o.Check(); err != nil {
				return err
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			if c.Flags().Changed("seed") {
				cfg.Seed = seed
			}
			o.Fold = p.fold
			return pipeline.Preview(c.Context(), cfg, o, p.console())
		}),
	}
	p.configFlags(c)
	p.foldFlag(c)
	f := c.Flags()
	f.StringVar(&o.Clip, "clip", "", "index or path in the manifest, or an audio file")
	f.StringVarP(&o.Out, "out", "o", "preview.html", "page to write")
	f.StringVar(&o.PNG, "png", "", "write the pictures into this `folder` too")
	f.IntVar(&o.Draws, "draws", 3, "of each augmentation, and how many epochs' pairs")
	f.IntVar(&o.Epoch, "epoch", 0, "of the draws and the first pair")
	f.Uint64Var(&seed, "seed", 0, "another than the config's")
	f.BoolVar(&o.All, "all", false, "after the chain's augmentations, all others with their defaults")
	must(c.MarkFlagDirname("png"))
	p.jsonFlag(c)
	return c
}
