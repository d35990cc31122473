package main

import (
	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/sweep"
)

func (p *program) sweep() *cobra.Command {
	c := &cobra.Command{
		Use:     "sweep",
		GroupID: "path",
		Short:   "Train and probe many points that one file describes",
		Long: `Carries out the trials of a sweep, whose file is the YAML that Weights & Biases
reads, on this machine or on many that share a folder, and tells what they came
to. docs/sweeps.md has the keys of the file.`,
		Example: "  clr sweep run configs/sweeps/demo.yaml --out sweeps/demo\n" +
			"  clr sweep status sweeps/demo\n" +
			"  clr sweep best sweeps/demo",
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.sweepRun())
	return c
}

// sweepFlags say where a sweep is carried out, and which of its trials.
func sweepFlags(c *cobra.Command, o *sweep.RunOptions) {
	o.To = -1
	c.Flags().StringVarP(&o.Out, "out", "o", "", "folder of the sweep")
	must(c.MarkFlagDirname("out"))
	c.Flags().IntVar(&o.From, "from", 0, "first trial")
	c.Flags().IntVar(&o.To, "to", -1, "last trial; -1 is the sweep's last")
	c.Flags().Int("index", 0, "this trial alone")
	c.Flags().Lookup("index").DefValue = ""
	c.MarkFlagsMutuallyExclusive("index", "from")
	c.MarkFlagsMutuallyExclusive("index", "to")
}

// sweepOptions reads what sweepFlags left open, and loads the file.
func (p *program) sweepOptions(c *cobra.Command, file string, o *sweep.RunOptions) (*sweep.File, error) {
	if o.Out == "" {
		return nil, fault.New(fault.Usage, "name the sweep's folder with --out, such as --out sweeps/first", "no output is given")
	}
	if c.Flags().Changed("index") {
		i, err := c.Flags().GetInt("index")
		if err != nil {
			return nil, err
		}
		o.From, o.To = i, i
	}
	if o.From < 0 || o.To < -1 || c.Flags().Changed("to") && o.To < o.From {
		return nil, fault.New(fault.Usage, "trials count from 0", "there are no trials from %d to %d", o.From, o.To)
	}
	return sweep.Load(file, p.overrides())
}

func (p *program) sweepRun() *cobra.Command {
	var o sweep.RunOptions
	dry := false
	c := &cobra.Command{
		Use:   "run FILE --out FOLDER",
		Short: "Carry out a sweep's trials, all or some",
		Long: `Trains and probes each point of a sweep's file in a folder of its own below
--out, as processes of clr. Whatever stops it, the same command goes on from there
and runs nothing twice. Any number of such commands, on any machines that share the
folder, divide the trials among them.

A trial that fails is one failed trial with a reason, and the others go on: clr sweep
status lists them, clr sweep retry lets them be tried again.

Exit codes: 0 all trials that were asked for are done, or were stopped early by the
file's rule; 1 some failed; with --index that trial's own; 75 stopped by a signal, the
same command goes on; 2 the file; 6 the folder cannot be written, or there is not
the memory for so many --jobs.`,
		Example: "  clr sweep run configs/sweeps/demo.yaml --out sweeps/demo --jobs 2\n" +
			"  clr sweep run configs/sweeps/demo.yaml --out sweeps/demo --dry-run\n" +
			"  clr sweep run configs/sweeps/demo.yaml --out sweeps/demo --index 3",
		Args: oneArgument("file", "clr sweep run configs/sweeps/demo.yaml --out sweeps/demo"),
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			f, err := p.sweepOptions(c, args[0], &o)
			if err != nil {
				return err
			}
			if dry {
				r, err := sweep.Look(c.Context(), f, o)
				if err != nil {
					return err
				}
				return r.Write(p.console())
			}
			sum, err := sweep.Run(c.Context(), f, o, p.console())
			if sum != nil && p.json {
				if err := p.console().Show(sum); err != nil {
					return err
				}
			}
			return err
		},
	}
	sweepFlags(c, &o)
	c.Flags().IntVarP(&o.Jobs, "jobs", "j", 1, "trials at a time, which share the cores")
	c.Flags().BoolVar(&dry, "dry-run", false, "show trials, with the time and memory that they will take, and run none")
	p.jsonFlag(c)
	return c
}

// oneArgument takes a command's one argument.
func oneArgument(what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fault.New(fault.Usage, "such as "+example, "%s takes one %s, %d given", c.CommandPath(), what, len(args))
	}
}
