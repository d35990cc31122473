package main

import (
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/pipeline"
	"clr/internal/pipeline/strict"
)

// A program is one command line being carried out.
type program struct {
	out, err io.Writer

	config string   // --config
	sets   []string // --set
	run    string   // --run
	fold   string   // --fold
	json   bool     // --json
	quiet  bool     // --quiet

	started bool // a command has begun: errors are no longer about its usage
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "clr",
		Short: "Learn representations of sound without labels, and ask what they are worth",
		Long: `clr pretrains an encoder on recordings without labels, so that two random
versions of a recording come out alike and different recordings apart. A small
classifier on the frozen encoder then tells how much it has learnt.

  clr demo                                        all of it, on speech in the binary
  clr features     --config C                     recordings to spectrograms
  clr pretrain     --config C --run R             learn
  clr linear-probe --run R                        ask
  clr export       --run R --out encoder.safetensors`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		PersistentPreRunE: func(*cobra.Command, []string) error { // before anything is computed
			return kernel.CheckCPU()
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().BoolVarP(&p.quiet, "quiet", "q", false, "no progress")
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: "path", Title: "From recordings to scores:"}, &cobra.Group{ID: "data", Title: "What to learn from:"}, &cobra.Group{ID: "check", Title: "Whether a run can be trusted:"}, &cobra.Group{ID: "know", Title: "What there is:"})
	root.AddCommand(p.features(), p.pretrain(), p.probe("linear"), p.probe("mlp"), p.probe("knn"), p.judge(), p.finetune(), p.export(), p.sweep(), p.demo())
	root.AddCommand(p.data(), p.augment())
	root.AddCommand(p.health(), p.top(), p.verify(), p.compare(), p.reportPage(), p.metrics(), p.replay())
	root.AddCommand(p.list(), p.configs(), p.model(), p.audio(), p.plan(), p.bench(), p.version(), exitCodes())
	root.SetHelpCommand(help(root))
	root.SetCompletionCommandGroupID("know")
	return root
}

// console is where a command speaks.
func (p *program) console() pipeline.Console {
	return pipeline.Console{Out: p.out, Err: p.err, JSON: p.json, Quiet: p.quiet}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *program) overrides() pipeline.Overrides {
	return pipeline.Overrides{Env: os.Environ(), Set: p.sets}
}

// load reads the config that the flags name.
func (p *program) load() (*pipeline.Config, error) {
	if p.config == "" {
		return nil, fault.New(fault.Usage, "give --config FILE; configs/quickstart.yaml is a small one", "no config is given")
	}
	return pipeline.LoadConfig(p.config, p.overrides())
}

// needsRun refuses a command line without --run.
func (p *program) needsRun(remedy string) error {
	if p.run == "" {
		return fault.New(fault.Usage, remedy, "no run folder is given")
	}
	return nil
}

// writtenRun is the remedy where a run is asked for that has been trained.
const writtenRun = "name the folder that clr pretrain --run wrote"

// report shows a report, even one that could not be kept; r is nil where there is none.
func (p *program) report(r *eval.Report, err error) error {
	if r == nil {
		return err
	}
	show := r.WriteTable
	if p.json && r.Probe == eval.Finetuning {
		show = r.WriteJSON
	} else if p.json {
		show = r.Summary().WriteJSON
	}
	return errors.Join(err, show(p.console().Out))
}

// choices are the names of a table that a flag chooses from, and help's lines on them.
func choices(table map[string]string) (names []string, help string) {
	names = slices.Sorted(maps.Keys(table))
	var lines []string
	for _, name := range names {
		lines = append(lines, "  "+name+strings.Repeat(" ", max(0, 12-len(name)))+table[name])
	}
	return names, strings.Join(lines, "\n")
}

// does makes a command's RunE: it marks the command as started, so that what
// goes wrong from here on is told apart from a wrong command line.
func (p *program) does(f func(c *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		p.started = true
		return f(c)
	}
}

func (p *program) configFlags(c *cobra.Command) {
	c.Flags().StringVarP(&p.config, "config", "c", "", "config file")
	p.setFlag(c, "method.temperature=0.2")
	must(c.MarkFlagFilename("config", "yaml", "yml"))
}

func (p *program) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&p.json, "json", false, "results as JSON")
}

// setFlag adds --set; a command that lets only some sections be set names them.
func (p *program) setFlag(c *cobra.Command, example string, sections ...string) {
	c.Flags().StringArrayVar(&p.sets, "set", nil, "override `key=value`, such as "+example+" (repeatable)")
	must(c.RegisterFlagCompletionFunc("set", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var keys []string
		for _, path := range pipeline.ConfigPaths() {
			section, _, _ := strings.Cut(path, ".")
			if len(sections) > 0 && !slices.Contains(sections, section) {
				continue
			}
			keys = append(keys, strings.ReplaceAll(path, "*", "0")+"=")
		}
		return keys, cobra.ShellCompDirectiveNoSpace
	}))
}

// setBy makes flags that were given the settings of keys.
func (p *program) setBy(c *cobra.Command, keys map[string]string) {
	for _, flag := range slices.Sorted(maps.Keys(keys)) {
		if f := c.Flags().Lookup(flag); f.Changed {
			p.sets = append(p.sets, keys[flag]+"="+f.Value.String())
		}
	}
}

func (p *program) runFlag(c *cobra.Command, usage string) {
	c.Flags().StringVarP(&p.run, "run", "r", "", usage)
	must(c.MarkFlagDirname("run"))
}

func (p *program) foldFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.fold, "fold", "", "only this fold")
}

// must panics on what only a mistake in this package can cause.
func must(err error) {
	if err != nil {
		panic("clr: " + err.Error())
	}
}

// unknownCommand refuses arguments where a command's name should be.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := "the commands are " + strings.Join(names, ", ")
	if near := strict.Nearest(args[0], names); near != "" {
		hint = "did you mean " + c.CommandPath() + " " + near + "? " + hint
	}
	return fault.New(fault.Usage, hint, "unknown command %s %s", c.CommandPath(), args[0])
}

// noArguments refuses arguments of a command that takes flags alone.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fault.New(fault.Usage, "see "+c.CommandPath()+" --help", "%s takes flags, not the argument %q", c.CommandPath(), args[0])
}

// flagError tells what was meant by a flag that is not there.
func flagError(c *cobra.Command, err error) error {
	hint := "see " + c.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := strict.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = "did you mean --" + near + "? " + hint
		}
	}
	return fault.New(fault.Usage, hint, "%s: %w", c.CommandPath(), err)
}
