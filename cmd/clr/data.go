package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/layout"
	"clr/internal/pipeline"
	"clr/internal/pipeline/strict"
)

// The commands about corpora, before anything is learnt from them.

func (p *program) data() *cobra.Command {
	c := &cobra.Command{
		Use:     "data",
		GroupID: "data",
		Short:   "Make manifests of corpora, check them, tell what is in them",
		Args:    unknownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.dataImport(), p.dataCheck(), p.dataStats())
	return c
}

func (p *program) dataImport() *cobra.Command {
	var o pipeline.ImportOptions
	layouts := slices.Sorted(maps.Keys(layout.Table))
	var about strings.Builder
	for _, name := range layouts {
		about.WriteString("\n  " + name + strings.Repeat(" ", max(1, 17-len(name))) + layout.Table[name].Doc())
	}
	c := &cobra.Command{
		Use:   "import LAYOUT ROOT --out MANIFEST",
		Short: "Make a manifest of a corpus as its makers lay it out",
		Long: `Reads the lists and names of a corpus in the folder ROOT, never its sound, and
writes a manifest: path (relative to the manifest), label, split, fold, group,
start, end, sha256, those that the layout tells. Given splits and folds are taken
as they are. The layouts:
` + about.String(),
		Example: "  clr data import esc50 ESC-50-master --out esc50.csv\n" +
			"  clr data import esc50 ESC-50-master --only esc10 --out esc10.csv\n" +
			"  clr data import hear tasks/nsynth_pitch-v2.2.3-5h --rate 16000 --out pitch.csv\n" +
			"  clr data import folder birds --split 0.8,0.1,0.1 --group '^([^_]+)_' --out birds.csv",
		ValidArgs: layouts,
		Args:      func(_ *cobra.Command, args []string) error { return checkLayout(args, layouts) },
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			o.Layout, o.Root = args[0], args[1]
			if o.Out == "" {
				return fault.New(fault.Usage, "name the manifest with --out", "no output is given")
			}
			for _, other := range layouts {
				for _, flag := range layout.Table[other].Takes {
					if takes := layout.Table[o.Layout].Takes; c.Flags().Changed(flag) && !slices.Contains(takes, flag) {
						return fault.New(fault.Usage, "leave it out; it is for "+other, "the layout %s knows no --%s", o.Layout, flag)
					}
				}
			}
			return pipeline.Import(c.Context(), o, p.console())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.Out, "out", "o", "", "manifest to write")
	f.BoolVar(&o.Force, "force", false, "write over a manifest that is there")
	f.BoolVar(&o.Hash, "hash", false, "fill in the SHA-256 of each recording")
	f.StringVar(&o.Layouts.Only, "only", "", "esc50: esc10 for the ten classes of ESC-10")
	f.StringVar(&o.Layouts.Label, "label", "", "nsynth: `field` that is the label, such as pitch (default instrument_family_str)")
	f.IntVar(&o.Layouts.Rate, "rate", 0, "hear: take the recordings of this rate, Hz (default the highest there is)")
	f.StringVar(&o.Layouts.CSV, "csv", "", "evar: the list (default the one .csv `file` in ROOT)")
	f.StringVar(&o.Layouts.Group, "group", "", "folder: regular `expression` on the path below the class; its match, or first group, is the source")
	f.BoolVar(&o.Layouts.Unlabelled, "unlabelled", false, "folder: sub-folders are no classes")
	f.Float64SliceVar(&o.Layouts.Split, "split", nil, "folder: `shares` of train,test or train,valid,test; classes evenly, groups whole")
	f.Uint64Var(&o.Layouts.Seed, "seed", 1, "folder: of the split")
	p.jsonFlag(c)
	return c
}

// checkLayout refuses arguments that are not a layout and a folder.
func checkLayout(args, layouts []string) error {
	hint := "the layouts are " + strings.Join(layouts, ", ")
	if len(args) > 0 && !slices.Contains(layouts, args[0]) {
		if near := strict.Nearest(args[0], layouts); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return fault.New(fault.Usage, hint, "there is no layout %q", args[0])
	}
	if len(args) != 2 {
		return fault.New(fault.Usage, "such as clr data import esc50 ESC-50-master --out esc50.csv; "+hint,
			"clr data import takes a layout and a folder, %d given", len(args))
	}
	return nil
}

func (p *program) dataCheck() *cobra.Command {
	var o pipeline.SurveyOptions
	c := &cobra.Command{
		Use:   "check [MANIFEST]",
		Short: "Hear every recording of a corpus, and report what is wrong with it",
		Long: `Decodes every recording of a manifest, or of a config's corpus, and looks for what
would spoil learning or scores: files that cannot be read or are not those of the
sha256 column; sounds, recordings and groups on both sides of a split, where a
sound is the same in whatever format; labels that are tested and never learnt;
clips that are silent, clipped, off centre or far from the usual length. What
divides the clips is the config's split, or else the columns split and fold.

Each finding has a code and a severity, which docs/data.md lists. The exit code is
3 where there are errors.`,
		Example: "  clr data check esc50.csv\n" +
			"  clr data check --config configs/quickstart.yaml --json",
		Args: atMostManifest,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.survey(&o, args); err != nil {
				return err
			}
			return pipeline.CheckData(c.Context(), o, p.console())
		},
	}
	p.configFlags(c)
	c.Flags().BoolVar(&o.Strict, "strict", false, "exit with 3 where there are warnings too")
	p.jsonFlag(c)
	return c
}

func (p *program) dataStats() *cobra.Command {
	var o pipeline.SurveyOptions
	c := &cobra.Command{
		Use:   "stats [MANIFEST]",
		Short: "Hear every recording of a corpus, and tell what is in it",
		Long: `Decodes every recording of a manifest, or of a config's corpus, and counts clips
and hours: in all, by split, fold, label and group, by sample rate, channels and
encoding; with durations and levels.`,
		Example: "  clr data stats esc50.csv",
		Args:    atMostManifest,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.survey(&o, args); err != nil {
				return err
			}
			return pipeline.DataStats(c.Context(), o, p.console())
		},
	}
	p.configFlags(c)
	p.jsonFlag(c)
	return c
}

// survey takes the manifest and the config that a command line names.
func (p *program) survey(o *pipeline.SurveyOptions, args []string) (err error) {
	p.started = true
	if len(args) == 1 {
		o.Manifest = args[0]
	}
	if p.config != "" || len(p.sets) > 0 {
		o.Config, err = p.load()
	}
	return err
}

// atMostManifest refuses more than one argument.
func atMostManifest(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return noArguments(c, args[1:])
	}
	return nil
}
