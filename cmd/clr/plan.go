package main

import (
	"github.com/spf13/cobra"

	"clr/internal/bench"
	"clr/internal/fault"
	"clr/internal/pipeline"
)

// The commands that tell how large a network is, before anything is run.

func (p *program) plan() *cobra.Command {
	still := false
	c := &cobra.Command{
		Use:     "plan --config FILE",
		GroupID: "know",
		Short:   "Say what a config will do, and how much time and memory it takes",
		Long: `Tells what clr pretrain would do with a config: the sizes of views and networks,
memory, floating-point operations and steps, and the time that they take, from
three real steps on random numbers. Nothing is written. clr pretrain refuses, with
exit code 6, what needs more memory than there is: free memory, the limit of the
control group, GOMEMLIMIT; such a config is not measured.

What will be refused, and what is allowed but looks wrong, is told with the value
and what to try: a batch larger than the corpus, a queue that is never filled, a
warm-up that takes most of the run, views longer than most clips, two views that
are the same, steps that move no weights. Lengths are known once clr features has
made the store.

--no-measure asks nothing of this machine, neither how fast it is nor how much
memory it has, so that equal configs over equal corpora give equal plans.`,
		Example: "  clr plan --config configs/quickstart.yaml --set batch=1024",
		Args:    noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			f, err := pipeline.Look(c.Context(), cfg, !still)
			if err != nil {
				return err
			}
			return f.Write(p.console())
		}),
	}
	c.Flags().BoolVar(&still, "no-measure", false, "leave out what depends on this machine: time, and memory there is")
	p.configFlags(c)
	p.jsonFlag(c)
	return c
}

func (p *program) model() *cobra.Command {
	c := &cobra.Command{
		Use:     "model",
		GroupID: "know",
		Short:   "Look at encoders",
		Args:    unknownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.modelSummary())
	return c
}

func (p *program) modelSummary() *cobra.Command {
	n := network{batch: 64}
	c := &cobra.Command{
		Use:   "summary",
		Short: "List an encoder's layers, with shapes, parameters and FLOPs",
		Long: `Lists the layers of a config's encoder, or of one that flags describe: what comes
out (channels × bins × frames), single weights, and multiplications and additions
of a forward pass over one example. The plan is the memory in which a batch is
embedded.`,
		Example: "  clr model summary --encoder resnet50 --mels 128 --frames 128\n" +
			"  clr model summary --encoder samplecnn --mels 1 --frames 59049\n" +
			"  clr model summary --config configs/quickstart.yaml",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			s, err := p.summary(c, &n)
			if err != nil {
				return err
			}
			return s.Write(p.console())
		}),
	}
	n.flags(c)
	p.configFlags(c)
	p.jsonFlag(c)
	return c
}

// summary is of the encoder that the flags name, one way or the other.
func (p *program) summary(c *cobra.Command, n *network) (*pipeline.Summary, error) {
	if p.config == "" {
		w, err := n.workload(1)
		if err != nil {
			return nil, err
		}
		return summarize(w)
	}
	for _, name := range []string{"encoder", "width", "stem", "pool", "channels", "mels", "frames"} {
		if c.Flags().Changed(name) {
			return nil, fault.New(fault.Usage, "leave out one of them; --set changes a config's encoder", "both --config and --%s are given", name)
		}
	}
	cfg, err := p.load()
	if err != nil {
		return nil, err
	}
	in, err := cfg.Input()
	if err != nil {
		return nil, err
	}
	return summarize(bench.Workload{Encoder: cfg.Encoder, Name: p.config, Batch: n.batch, Input: in, Steps: 1})
}

func summarize(w bench.Workload) (*pipeline.Summary, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	return pipeline.Summarize(w.Name, w.Encoder, w.Batch, w.Input)
}
