package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/disk"
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
	c.AddCommand(p.sweepRun(), p.sweepStatus(), p.sweepBest(), p.sweepTable(), p.sweepCompare(), p.sweepRetry(), p.sweepReport(), p.sweepSlurm(), p.sweepKubernetes(), p.sweepParallel())
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
	if o.From < 0 || o.To < -1 {
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
same command goes on; 2 the file, or a folder that may not be written; 6 a full disk,
or not the memory for so many --jobs.`,
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
	c.Flags().BoolVar(&o.Retry, "retry", false, "try trials again that failed for what may have passed: not with exit code 2, 3 or 4")
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

// inSweep is a command that looks at a sweep's folder.
func (p *program) inSweep(name, short, long string, f func(c *cobra.Command, s *sweep.Sweep) error) *cobra.Command {
	c := &cobra.Command{
		Use:     name + " FOLDER",
		Short:   short,
		Long:    long,
		Example: "  clr sweep " + name + " sweeps/demo",
		Args:    oneArgument("folder", "clr sweep "+name+" sweeps/demo"),
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			s, err := sweep.Open(args[0])
			if err != nil {
				return err
			}
			return f(c, s)
		},
	}
	return c
}

func (p *program) sweepStatus() *cobra.Command {
	c := p.inSweep("status", "Tell where the trials of a sweep are", `Lists trials: done, pruned (stopped early by the file's rule), failed with the reason,
running and by whom, stopped (begun, and nobody works on them) and waiting. It takes
no lock.`, func(_ *cobra.Command, s *sweep.Sweep) error {
		r, err := s.Status()
		if err != nil {
			return err
		}
		return r.Write(s, p.console())
	})
	p.jsonFlag(c)
	return c
}

func (p *program) sweepBest() *cobra.Command {
	c := p.inSweep("best", "Choose the best point, and tell what it is worth on clips the choice never saw", `Chooses the point whose trials that are done have the best mean of the file's metric,
which no test clip has a part in, and shows its probes' scores on test clips: mean,
deviation and a 95 % interval (Student's t) over its seeds. Where each value of a
column is left out in turn, a clip that tests one fold's encoder is among those that
choose in others; nested is the score where each fold chooses by its own clips alone.`, func(_ *cobra.Command, s *sweep.Sweep) error {
		b, err := s.Best()
		if err != nil {
			return err
		}
		return b.Write(s, p.console())
	})
	p.jsonFlag(c)
	return c
}

func (p *program) sweepTable() *cobra.Command {
	var o sweep.TableOptions
	var out, format, by string
	formats, about := choices(sweep.TableFormats)
	c := p.inSweep("table", "Write what trials came to, as a table", `Writes a row for each trial, and for each point the mean, sample deviation and number
of its trials that are done. The same file gives the same bytes, whoever worked on it
when, unless --times adds seconds, sessions and hosts:

`+about, func(_ *cobra.Command, s *sweep.Sweep) error {
		if by != "trial" && by != "point" {
			return fault.New(fault.Usage, "use --by trial or --by point", "there are no rows by %q", by)
		}
		if _, ok := sweep.TableFormats[format]; !ok {
			return fault.New(fault.Usage, "use "+strings.Join(formats, ", "), "there is no format %q", format)
		}
		if format == "md" && len(o.Scores) == 0 {
			o.Scores = s.Brief()
		}
		t, err := s.Table(o)
		if err != nil {
			return err
		}
		write := func(w io.Writer) error { return t.Write(w, format, by == "point") }
		switch {
		case out != "":
			return disk.WriteFile(out, write)
		case format == "parquet":
			return fault.New(fault.Usage, "name a file with --out", "no output is given, and parquet is no text")
		}
		return write(p.out)
	})
	c.Flags().StringVar(&format, "format", "csv", strings.Join(formats, ", "))
	c.Flags().StringVar(&by, "by", "trial", "rows of csv and parquet: trial or point")
	c.Flags().StringVarP(&out, "out", "o", "", "file to write (default: stdout)")
	c.Flags().BoolVar(&o.Times, "times", false, "seconds, sessions and hosts of each trial, too")
	c.Flags().StringSliceVar(&o.Scores, "scores", nil, "columns of scores, such as loss,linear.accuracy (default: all)")
	c.Flags().Lookup("scores").DefValue = ""
	must(c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

func (p *program) sweepRetry() *cobra.Command {
	all := false
	var only []int
	c := p.inSweep("retry", "Let failed trials be tried again", `Makes failed trials unfinished, all or some, so that the next clr sweep run goes on
with them from what they had learnt. What fails for its point alone, with exit code 2,
3 or 4, fails again.`, func(c *cobra.Command, s *sweep.Sweep) error {
		if all == (len(only) > 0) {
			return fault.New(fault.Usage, "--failed takes all that failed, --index 3,7 these", "give either --failed or --index")
		}
		for _, i := range only {
			if i < 0 || i >= s.Trials {
				return fault.New(fault.Usage, fmt.Sprintf("trials count from 0 to %d", s.Trials-1), "there is no trial %d", i)
			}
		}
		again, err := s.Retry(only)
		if err != nil {
			return err
		}
		if p.json {
			return p.console().Show(map[string][]int{"trials": append([]int{}, again...)})
		}
		_, err = fmt.Fprintf(p.out, "%d trials can be tried again: %v; clr sweep run FILE --out %s does it\n", len(again), again, s.Dir)
		return err
	})
	c.Flags().BoolVar(&all, "failed", false, "all trials that failed")
	c.Flags().IntSliceVar(&only, "index", nil, "these trials, where they failed")
	c.Flags().Lookup("index").DefValue = ""
	p.jsonFlag(c)
	return c
}

func (p *program) sweepCompare() *cobra.Command {
	kind, beside := "", -1
	c := &cobra.Command{
		Use:   "compare FOLDER...",
		Short: "Test the points of a sweep, or the best points of several, against one",
		Long: `Tests each point that has trials that are done against the best one, or against
--beside; of several sweeps the best points against the first's. Scores are of test
clips, by which nothing was chosen. Two tests, the p-values of each corrected for the
number of comparisons (Holm): of the differences by seed and fold, whose signs are
flipped, whether another seed would say so too; and McNemar's over test clips, with
seeds taken together, whether these encoders differ. Six pairs of a seed and a fold
are the least that signs can tell anything from.`,
		Example: "  clr sweep compare sweeps/demo --beside 0\n  clr sweep compare sweeps/first sweeps/second --json",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fault.New(fault.Usage, "such as clr sweep compare sweeps/demo", "clr sweep compare takes a folder or more")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			p.started = true
			r, err := sweep.Compare(args, kind, beside)
			if err != nil {
				return err
			}
			return r.Write(p.console())
		},
	}
	c.Flags().StringVar(&kind, "probe", "", "linear, mlp or knn (default: the first of the file's then)")
	c.Flags().IntVar(&beside, "beside", -1, "of one sweep, the point that the others stand beside; -1 is the best")
	p.jsonFlag(c)
	return c
}
