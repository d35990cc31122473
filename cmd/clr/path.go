package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/eval"
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
mlp_probe, knn_probe, judge, finetune, labels where nothing needs them, and where corpus,
store and init are, if what is in them is the same.

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
			if o.MaxEpochs < 0 {
				return fault.New(fault.Usage, "0 is all of them", "--max-epochs is %d, it must be 0 or more", o.MaxEpochs)
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
	c.Flags().IntVar(&o.MaxEpochs, "max-epochs", 0, "stop at so many epochs likewise; 0 is all")
	c.Flags().Int("save-every", 0, "steps between checkpoints, as --set checkpoint.steps=N")
	c.Flags().Int("keep", 2, "checkpoints to keep, as --set checkpoint.keep=N")
	return c
}

func (p *program) importWeights() *cobra.Command {
	weights := ""
	c := &cobra.Command{
		Use:     "import --weights FILE --config FILE --run FOLDER",
		GroupID: "path",
		Short:   "Make a run whose encoder has weights of a file, torchvision's and timm's too",
		Long: `Makes a run folder of a config without training: the encoder has the weights of a
file, once for each fold, and clr linear-probe, export and all that takes a run take
it. clr pretrain --resume trains it on.

The file is what the config's key init could name: an export, a bundle's
model.safetensors or a checkpoint of clr, or a ResNet of torchvision or timm as
safetensors. Three colours become one channel by their sum. What does not fit the
config's encoder is told at once, with what would. The file's SHA-256 is part of the
run.`,
		Example: "  clr import --weights resnet18.safetensors --config configs/esc10-simclr.yaml --run runs/imagenet \\\n" +
			"    --set encoder.depth=18 --set encoder.width=64 --set encoder.stem=imagenet",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if err := p.needsRun("name a new folder with --run, such as --run runs/theirs"); err != nil {
				return err
			}
			if weights == "" {
				return fault.New(fault.Usage, "name a safetensors file with --weights", "no weights are given")
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			return pipeline.ImportWeights(c.Context(), cfg, weights, p.run, p.console())
		}),
	}
	p.configFlags(c)
	p.runFlag(c, "folder to make the run in")
	c.Flags().StringVarP(&weights, "weights", "w", "", "file of the weights, or a run folder")
	must(c.MarkFlagFilename("weights", "safetensors"))
	p.jsonFlag(c)
	return c
}

func (p *program) probe(about pipeline.Kind) *cobra.Command {
	kind := about.Name
	o := pipeline.ProbeOptions{Kind: kind}
	var protocol string
	protocols, constants := choices(eval.Protocols[kind])
	usual, _ := eval.ProtocolOf(eval.Table[kind])
	train := "trains " + about.What + "\non the training clips of each fold"
	if kind == "knn" {
		train = "asks the nearest training\nclips of each fold, by cosine,"
	}
	long := `Embeds every clip with the frozen encoder, ` + train + ` and tests it on the test clips. The same is
asked of random weights and of plain statistics of the features. The report is
kept in the run folder too. Where the manifest's labels are joined by semicolons,
each is asked for by itself, and the score that counts is the mAP.

With --embeddings it asks about a file instead, .npz, .npy or .parquet, by
whatever program: docs/embeddings.md says how labels, folds and splits stand in
it or in a manifest. --fractions adds rows for parts of the labels.
`
	if protocols != nil {
		long += `
--protocol says how the heads are trained; docs/evaluation.md has the constants
and sources:

` + constants + "\n"
	}
	long += `
The config is the run's; --set may change ` + about.Section + `, embed, workers and store, with
--embeddings ` + about.Section + `, split and seed.`
	c := &cobra.Command{
		Use:     kind + "-probe --run FOLDER | --embeddings FILE",
		GroupID: "path",
		Short:   "Ask a run's encoder, or any embeddings, for labels, by " + about.What,
		Long:    long,
		Example: "  clr " + kind + "-probe --run runs/first\n" +
			"  clr " + kind + "-probe --embeddings vectors.npz --json",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if f := c.Flags().Lookup("C"); f != nil && f.Changed {
				for _, key := range []string{"c_min=", "c_max="} {
					p.sets = append(p.sets, about.Section+"."+key+f.Value.String())
				}
				p.sets = append(p.sets, about.Section+".c_steps=1")
			}
			if err := p.setProtocol(about, protocol, usual, o.Embeddings != ""); err != nil {
				return err
			}
			o.Run, o.Fold = p.run, p.fold
			return p.report(pipeline.Probe(c.Context(), o, p.overrides(), p.console()))
		}),
	}
	p.askedFlags(c, &o.Asked)
	p.setFlag(c, about.Section+"."+about.Example, about.Section, "embed", "split", "seed", "workers", "store")
	c.Flags().Float64SliceVar(&o.Fractions, "fractions", nil, "parts of the labels to learn from, beside all, such as 0.01,0.1")
	c.Flags().Lookup("fractions").DefValue = ""
	if kind == "linear" {
		c.Flags().Float64("C", 0, "inverse strength of the penalty, fixed rather than chosen on validation clips")
	}
	if protocols != nil {
		c.Flags().StringVar(&protocol, "protocol", "", strings.Join(protocols, ", ")+" (default: what the run's config says, or "+usual+")")
		must(c.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions(protocols, cobra.ShellCompDirectiveNoFileComp)))
	}
	return c
}

// askedFlags say which embeddings are asked about: a run's, or a file's.
func (p *program) askedFlags(c *cobra.Command, o *pipeline.Asked) {
	p.runFlag(c, "folder of the run")
	p.foldFlag(c)
	p.jsonFlag(c)
	c.Flags().StringVarP(&o.Embeddings, "embeddings", "e", "", "file of embeddings to ask about instead of a run")
	c.Flags().StringVarP(&o.Manifest, "manifest", "m", "", "CSV file with labels, splits or folds of these")
	must(c.MarkFlagFilename("embeddings", "npz", "npy", "parquet"))
	must(c.MarkFlagFilename("manifest", "csv"))
}

// setProtocol makes --protocol the settings that it means, and refuses others
// that a named protocol would not heed. Embeddings that are there already have no
// windows to be set.
func (p *program) setProtocol(about pipeline.Kind, protocol, usual string, there bool) error {
	if protocol == "" {
		return nil
	}
	for _, s := range p.sets {
		key, _, _ := strings.Cut(s, "=")
		if rest, ok := strings.CutPrefix(key, about.Section+"."); ok && !eval.Heeds(about.Name, protocol, rest) {
			return fault.New(fault.Usage, "leave it out, or use --protocol "+usual, "--set %s: the protocol %s has constants of its own and does not heed %s", s, protocol, key)
		}
	}
	p.sets = append(p.sets, about.Section+".protocol="+protocol)
	if protocol == "cola" && !there { // the mean of the logits of windows that do not overlap
		p.sets = append([]string{"embed.pool=mean", "embed.hop=1"}, p.sets...)
	}
	return nil
}

func (p *program) export() *cobra.Command {
	var o pipeline.ExportOptions
	formats, about := choices(pipeline.ExportFormats)
	c := &cobra.Command{
		Use:     "export --run FOLDER --out FILE",
		GroupID: "path",
		Short:   "Write a run's encoder or embeddings for other tools",
		Long: "Writes what a run has learnt to a file, or for a bundle to a folder:\n\n" + about + `

--probe puts the head of clr linear-probe behind the encoder, --probe mlp that of
clr mlp-probe: an ONNX model then gives probabilities too, a safetensors file has the
head's arrays.`,
		Example: "  clr export --run runs/first --out encoder.safetensors\n" +
			"  clr export --run runs/first --out encoder.onnx --format onnx\n" +
			"  clr export --run runs/first --out digits --format bundle --probe mlp --license CC-BY-SA-4.0\n" +
			"  clr export --run runs/first --out embeddings.npy --format npy",
		Args: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("probe") && len(args) == 1 { // as in --probe mlp, which a flag that may stand alone leaves to us
				o.Probe, args = args[0], nil
			}
			return noArguments(c, args)
		},
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
	c.Flags().StringVarP(&o.Out, "out", "o", "", "file to write, or folder of a bundle")
	c.Flags().StringVar(&o.Format, "format", "safetensors", strings.Join(formats, ", "))
	c.Flags().StringVar(&o.Corpus, "corpus", "", "manifest of other recordings to embed")
	c.Flags().BoolVar(&o.FrontEnd, "front-end", false, "onnx: from waveforms on, with feature, windows and their pool inside")
	c.Flags().StringVar(&o.Probe, "probe", "", "with the head of a probe, `linear or mlp`, for probabilities of the labels; alone it is linear")
	c.Flags().Lookup("probe").NoOptDefVal = "linear"
	c.Flags().BoolVar(&o.Projector, "projector", false, "safetensors: with the method's projector and predictor, if it has one, as projector.* and predictor.*")
	c.Flags().StringVar(&o.License, "license", "", "of the weights, as an `SPDX` expression such as CC-BY-4.0: it stands in the metadata and on the card")
	c.Flags().BoolVar(&o.FoldBN, "fold-bn", false, "onnx, bundle: put batch norms into the weights before them")
	c.Flags().BoolVar(&o.Force, "force", false, "bundle: in place of one that is there")
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
