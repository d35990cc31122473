package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

// The commands along the path from recordings to scores. What they do stands
// in internal/pipeline, a file each.

func (p *program) features() *cobra.Command {
	c := &cobra.Command{
		Use:     "features --config FILE",
		GroupID: "path",
		Short:   "Compute the features of a corpus into a store",
		Long: `Reads the recordings that the config's corpus lists, and keeps their features in
one file. What is there already is kept. clr pretrain does this by itself where
the store is missing.

--window and --hop cut each line of the manifest into clips, as the keys windows.length
and windows.hop do: what is made of the store needs the same keys.

With on_error.do: skip, lines that cannot be used are left out, up to the share
on_error.most, and listed with their reasons in STORE.quarantine.csv; each
clr features tries them again.`,
		Example: "  clr features --config configs/quickstart.yaml\n" +
			"  clr features --config configs/quickstart.yaml --window 0.25 --hop 0.125 --set on_error.do=skip",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			p.setBy(c, map[string]string{"window": "windows.length", "hop": "windows.hop"})
			cfg, err := p.load()
			if err != nil {
				return err
			}
			return pipeline.Features(c.Context(), cfg, p.console())
		}),
	}
	p.jsonFlag(c)
	p.configFlags(c)
	c.Flags().Float64("window", 0, "cut each line into windows of so many seconds, as --set windows.length=S; 0 takes it whole")
	c.Flags().Float64("hop", 0, "seconds from one window to the next, as --set windows.hop=S; 0 is the window")
	return c
}

func (p *program) pretrain() *cobra.Command {
	var o pipeline.PretrainOptions
	c := &cobra.Command{
		Use:     "pretrain --config FILE --run FOLDER",
		GroupID: "path",
		Short:   "Learn an encoder, without labels unless the method needs them",
		Long: `Pretrains the config's encoder, once for each fold of the corpus, and keeps
checkpoints, a line of metrics per step and the resolved config in the run
folder. The test clips of a fold are never heard. Every 50 steps it is looked
whether what is learnt is any good, and warned where it seems not: clr health
shows it. With health.on_collapse: stop, a collapse ends the run with exit code 4.

Stopped by a signal, it saves and exits with 75; killed, it keeps what was saved
last. --resume goes on from there, to the same bytes as a run that was never
stopped. It takes the config that the run was started with; only these may change:
schedule.epochs (to more), checkpoint, log, health, workers, embed, linear_probe,
mlp_probe, finetune, labels where nothing needs them, and where corpus, store and
init are, if what is in them is the same.

One process at a time writes a run folder. Left to itself it saves as often as
takes a hundredth of the time, at most every 10 s; --save-every says it in steps,
checkpoint.every in epochs.`,
		Example: "  clr pretrain --config configs/quickstart.yaml --run runs/first\n" +
			"  clr pretrain --config configs/quickstart.yaml --run runs/warm --set method.temperature=0.5",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if err := p.needsRun("name a new folder with --run, such as --run runs/first"); err != nil {
				return err
			}
			if o.MaxSteps < 0 {
				return fault.New(fault.Usage, "0 is all of them", "--max-steps is %d, it must be 0 or more", o.MaxSteps)
			}
			p.setBy(c, map[string]string{"save-every": "checkpoint.steps", "keep": "checkpoint.keep"})
			cfg, err := p.load()
			if err != nil {
				return err
			}
			o.Run, o.Fold = p.run, p.fold
			return pipeline.Pretrain(c.Context(), cfg, o, p.console())
		}),
	}
	p.configFlags(c)
	p.runFlag(c, "folder to keep the run in")
	p.foldFlag(c)
	c.Flags().BoolVar(&o.Resume, "resume", false, "go on from the run's last checkpoint, or start where there is none")
	c.Flags().IntVar(&o.MaxSteps, "max-steps", 0, "stop at so many steps from the run's start, with a checkpoint; 0 is all")
	c.Flags().Int("save-every", 0, "steps between checkpoints, as --set checkpoint.steps=N")
	c.Flags().Int("keep", 2, "checkpoints to keep, as --set checkpoint.keep=N")
	return c
}

func (p *program) probe(kind string) *cobra.Command {
	what, section, example := "a linear classifier", "linear_probe", "c_max=1"
	if kind == "mlp" {
		what, section, example = "a classifier with a hidden layer", "mlp_probe", "epochs=50"
	}
	c := &cobra.Command{
		Use:     kind + "-probe --run FOLDER",
		GroupID: "path",
		Short:   "Ask a run's encoder for labels, by " + what,
		Long: `Embeds every clip with the frozen encoder, trains ` + what + `
on the training clips of each fold and tests it on the test clips. The same is
asked of random weights and of plain statistics of the features. The report is
kept in the run folder too.

The config is the run's; --set may change ` + section + `, embed, workers and store.`,
		Example: "  clr " + kind + "-probe --run runs/first",
		Args:    noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if err := p.needsRun(writtenRun); err != nil {
				return err
			}
			return p.report(pipeline.Probe(c.Context(), pipeline.ProbeOptions{Run: p.run, Kind: kind, Fold: p.fold}, p.overrides(), p.console()))
		}),
	}
	p.runFlag(c, "folder of the run")
	p.foldFlag(c)
	p.jsonFlag(c)
	p.setFlag(c, section+"."+example, section, "embed", "workers", "store")
	return c
}

func (p *program) export() *cobra.Command {
	var o pipeline.ExportOptions
	formats, about := choices(pipeline.ExportFormats)
	c := &cobra.Command{
		Use:     "export --run FOLDER --out FILE",
		GroupID: "path",
		Short:   "Write a run's encoder or embeddings for other tools",
		Long:    "Writes what a run has learnt to a file:\n\n" + about,
		Example: "  clr export --run runs/first --out encoder.safetensors\n" +
			"  clr export --run runs/first --out embeddings.npy --format npy",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if err := p.needsRun(writtenRun); err != nil {
				return err
			}
			if o.Out == "" {
				return fault.New(fault.Usage, "name a file with --out", "no output is given")
			}
			o.Run, o.Fold = p.run, p.fold
			return pipeline.Export(c.Context(), o, p.console())
		}),
	}
	p.runFlag(c, "folder of the run")
	p.foldFlag(c)
	c.Flags().StringVarP(&o.Out, "out", "o", "", "file to write")
	c.Flags().StringVar(&o.Format, "format", "safetensors", strings.Join(formats, ", "))
	c.Flags().StringVar(&o.Corpus, "corpus", "", "manifest of other recordings to embed")
	must(c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	p.jsonFlag(c)
	return c
}

func (p *program) demo() *cobra.Command {
	open := false
	c := &cobra.Command{
		Use:     "demo",
		GroupID: "path",
		Short:   "Run the whole path on speech that the binary carries",
		Long: `Computes features, pretrains, probes and exports on spoken digits, by
configs/quickstart.yaml, and shows what pretraining was worth on speakers that
were never heard. With --open it makes a report too, as clr report does, and prints
the page's path alone on stdout.`,
		Example: "  clr demo\n  xdg-open \"$(clr demo --open)\"",
		Args:    noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			return pipeline.Demo(c.Context(), pipeline.DemoOptions{Run: p.run, Overrides: p.overrides(), Open: open}, p.console())
		}),
	}
	p.runFlag(c, "folder to keep the run in (default: a new one, runs/demo)")
	c.Flags().BoolVar(&open, "open", false, "make a report, and print its path alone, for whatever opens it")
	p.jsonFlag(c)
	p.setFlag(c, "schedule.epochs=20")
	return c
}
