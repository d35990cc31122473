package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/audio"
	"clr/internal/bench"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
	"clr/internal/pipeline/strict"
)

// The commands that measure. What is measured and how stands in internal/bench.

func (p *program) bench() *cobra.Command {
	c := &cobra.Command{
		Use:     "bench",
		GroupID: "know",
		Short:   "Measure how fast this machine works",
		Long: `Measures training steps, embeddings, single layers, features, or a config's
loader in front of its training. First it looks whether the machine is quiet, and
warns if it is not. clips_per_s is of the median step, gflops is nominal:
2·Co·OH·OW·Ci·K·K for each pass of a convolution, whatever the algorithm.

  clr bench train --encoder resnet18 --batch 64 --json
  clr bench embed --batch 1
  clr bench kernels
  clr bench features
  clr bench pipeline --config configs/quickstart.yaml`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.benchTrain(), p.benchEmbed(), p.benchKernels(), p.benchFeatures(), p.benchPipeline())
	return c
}

// A measured report shows itself; as JSON its fields are the keys.
type measured interface{ Write(io.Writer) error }

// measures makes the RunE of a bench command.
func (p *program) measures(f func(ctx context.Context, watch func() bench.Machine) (measured, error)) func(*cobra.Command, []string) error {
	return p.does(func(c *cobra.Command) error {
		r, err := f(c.Context(), func() bench.Machine { return bench.Watch(c.Context(), p.err) })
		if err != nil {
			return err
		}
		if p.json {
			return p.console().Show(r)
		}
		return r.Write(p.out)
	})
}

func (p *program) benchTrain() *cobra.Command {
	n := network{batch: 64}
	var steps int
	var how, optimizer string
	c := &cobra.Command{
		Use:   "train",
		Short: "Time training steps",
		Long: `Times whole training steps on random spectrograms in memory: forward, loss,
backward, optimizer. A batch is of clips, and each gives two views. MoCo's second
view goes forward only.`,
		Example: "  clr bench train --encoder resnet50 --method moco --json",
		Args:    noArguments,
		RunE: p.measures(func(ctx context.Context, watch func() bench.Machine) (measured, error) {
			w, err := n.workload(steps)
			if err != nil {
				return nil, err
			}
			return bench.Train(ctx, w, how, optimizer, watch)
		}),
	}
	n.flags(c)
	p.jsonFlag(c)
	c.Flags().IntVar(&steps, "steps", 6, "steps to time, after two to warm up")
	c.Flags().StringVar(&how, "method", "simclr", strings.Join(slices.Sorted(maps.Keys(method.Table)), " or "))
	c.Flags().StringVar(&optimizer, "optimizer", "sgd", strings.Join(slices.Sorted(maps.Keys(optim.Table)), ", "))
	return c
}

func (p *program) benchEmbed() *cobra.Command {
	n := network{batch: 64}
	var steps int
	c := &cobra.Command{
		Use:     "embed",
		Short:   "Time embeddings by a frozen encoder",
		Example: "  clr bench embed --encoder resnet18 --batch 1 --steps 100",
		Args:    noArguments,
		RunE: p.measures(func(ctx context.Context, watch func() bench.Machine) (measured, error) {
			w, err := n.workload(steps)
			if err != nil {
				return nil, err
			}
			return bench.Embed(ctx, w, watch)
		}),
	}
	n.flags(c)
	p.jsonFlag(c)
	c.Flags().IntVar(&steps, "steps", 20, "batches to time, after two to warm up")
	return c
}

func (p *program) benchKernels() *cobra.Command {
	n := network{batch: 64}
	var steps int
	c := &cobra.Command{
		Use:   "kernels",
		Short: "Time each shape of layer by itself",
		Long: `Times each shape of convolution in an encoder, forward and the gradients of data
and weights, then norms, pools and the product of projections, over the views of
a training batch. The peak is measured first: multiply-adds on all threads.`,
		Example: "  clr bench kernels --encoder resnet50 --batch 32",
		Args:    noArguments,
		RunE: p.measures(func(ctx context.Context, watch func() bench.Machine) (measured, error) {
			w, err := n.workload(steps)
			if err != nil {
				return nil, err
			}
			return bench.Kernels(ctx, w, watch)
		}),
	}
	n.flags(c)
	p.jsonFlag(c)
	c.Flags().IntVar(&steps, "steps", 3, "times to do each pass at least")
	return c
}

func (p *program) benchFeatures() *cobra.Command {
	var e bench.Extraction
	var memory bool
	c := &cobra.Command{
		Use:   "features",
		Short: "Time the features",
		Long: `Times every feature, with its defaults, on synthetic sound: seconds of audio a
second. With --files, one feature over all recordings below a folder, decoded and
brought to 16 kHz on all threads, their bytes in the system's cache; the result
goes nowhere. With --memory, one feature over a clip of a second, without files.`,
		Example: "  clr bench features --feature logmel --files recordings --json\n  clr bench features --memory --threads 1 --json",
		Args:    noArguments,
		RunE: p.measures(func(ctx context.Context, watch func() bench.Machine) (measured, error) {
			switch {
			case memory && e.Folder != "":
				return nil, fault.New(fault.Usage, "leave one of them out", "--memory and --files exclude each other")
			case memory || e.Folder != "":
				e.Feature = cmp.Or(e.Feature, "logmel")
				return e.Run(ctx, watch)
			case e.Feature != "" || e.Threads != 0:
				return nil, fault.New(fault.Usage, "add --memory, or --files with a folder", "--feature and --threads are for one feature, and without --memory or --files all are timed")
			}
			return bench.Features(ctx, watch)
		}),
	}
	p.jsonFlag(c)
	names := slices.Sorted(maps.Keys(audio.Features))
	c.Flags().StringVar(&e.Feature, "feature", "", "with --files or --memory: "+strings.Join(names, ", ")+"; logmel if left out")
	c.Flags().StringVar(&e.Folder, "files", "", "folder of recordings to decode")
	c.Flags().BoolVar(&memory, "memory", false, "a clip in memory, no files")
	c.Flags().IntVar(&e.Threads, "threads", 0, "with --files or --memory: threads; 0 is one for each core")
	must(c.RegisterFlagCompletionFunc("feature", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

func (p *program) benchPipeline() *cobra.Command {
	var steps int
	c := &cobra.Command{
		Use:   "pipeline --config FILE",
		Short: "Time a config's training with its loader in front",
		Long: `Trains for some steps on the config's first fold, keeps nothing of it, and says
how much of a step is spent waiting for the loader, and how much of the step's
time on all threads the views and their augmentations take.`,
		Example: "  clr bench pipeline --config configs/quickstart.yaml --steps 50",
		Args:    noArguments,
		RunE: p.measures(func(ctx context.Context, watch func() bench.Machine) (measured, error) {
			cfg, err := p.load()
			if err != nil {
				return nil, err
			}
			return bench.Pipeline(ctx, p.config, cfg, steps, p.console(), watch)
		}),
	}
	p.configFlags(c)
	p.jsonFlag(c)
	c.Flags().IntVar(&steps, "steps", 20, "steps to time, after four to warm up")
	return c
}

// A network is an encoder and its input, as flags say it.
type network struct {
	c          *cobra.Command
	encoder    string
	stem, pool string
	width      int
	batch      int
	input      model.Input
}

func (n *network) flags(c *cobra.Command) {
	n.c = c
	e := model.Encoders["resnet"].(model.ResNet)
	c.Flags().StringVar(&n.encoder, "encoder", "resnet18", strings.Join(encoderNames(), ", ")+"; those without a depth as clr list encoders has them, with their defaults")
	c.Flags().IntVar(&n.width, "width", e.Width, "of a resnet: channels of the first stage")
	c.Flags().StringVar(&n.stem, "stem", e.Stem, "of a resnet: imagenet or small")
	c.Flags().StringVar(&n.pool, "pool", e.Pool, "of a resnet: mean, max, mean_max, time_mean or time_mean_max")
	c.Flags().IntVar(&n.batch, "batch", n.batch, "clips in a batch")
	c.Flags().IntVar(&n.input.Channels, "channels", 1, "channels of a spectrogram, as a stack of features has")
	c.Flags().IntVar(&n.input.Bins, "mels", 64, "bins of a spectrogram")
	c.Flags().IntVar(&n.input.Frames, "frames", 96, "frames of a spectrogram")
	must(c.RegisterFlagCompletionFunc("encoder", cobra.FixedCompletions(encoderNames(), cobra.ShellCompDirectiveNoFileComp)))
}

// encoderNames are the ResNets by their depths, and the other encoders.
func encoderNames() []string {
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(model.Encoders)), func(name string) bool { return name == "resnet" })
	return append([]string{"resnet10", "resnet18", "resnet34", "resnet50"}, others...)
}

// workload refuses an encoder that there is not; what is wrong with the rest
// is for who uses it.
func (n *network) workload(steps int) (bench.Workload, error) {
	names := encoderNames()
	if !slices.Contains(names, n.encoder) {
		hint := "one of " + strings.Join(names, ", ")
		if near := strict.Nearest(n.encoder, names); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return bench.Workload{}, fault.New(fault.Usage, hint, "there is no encoder %q", n.encoder)
	}
	w := bench.Workload{Name: n.encoder, Batch: n.batch, Input: n.input, Steps: steps}
	if w.Encoder = model.Encoders[n.encoder]; w.Encoder != nil {
		for _, of := range []string{"width", "stem", "pool"} {
			if n.c.Flags().Changed(of) {
				return bench.Workload{}, fault.New(fault.Usage, "leave it out; a config can say more of an encoder", "--%s is of a resnet, not of %s", of, n.encoder)
			}
		}
		return w, nil
	}
	e := model.ResNet{Width: n.width, Stem: n.stem, Pool: n.pool}
	if _, err := fmt.Sscanf(n.encoder, "resnet%d", &e.Depth); err != nil {
		panic("clr: " + err.Error())
	}
	w.Encoder = e
	return w, nil
}
