package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/layout"
	"clr/internal/loss"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
	"clr/internal/pipeline"
	"clr/internal/pipeline/strict"
	"clr/internal/rundir"
)

// The commands that tell what there is: parts, settings, version, exit codes.

// An entry is a part by its name in a config.
type entry struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

// kinds are what clr list can list.
func kinds() map[string][]entry {
	return map[string][]entry{
		"methods":       entries(method.Table),
		"encoders":      entries(model.Encoders),
		"features":      entries(audio.Features),
		"augmentations": entries(augment.Table),
		"optimizers":    entries(optim.Table),
		"losses":        entries(loss.Table),
		"layouts":       entries(layout.Table),
		"probes":        entries(pipeline.Askings),
	}
}

func entries[T interface{ Doc() string }](table map[string]T) []entry {
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(table)) {
		all = append(all, entry{name, table[name].Doc()})
	}
	return all
}

func (p *program) list() *cobra.Command {
	all := kinds()
	names := slices.Sorted(maps.Keys(all))
	c := &cobra.Command{
		Use:       "list [" + strings.Join(names, "|") + "]",
		GroupID:   "know",
		Short:     "List the parts that a config or a suite can name",
		Long:      "Lists the parts that a config can name, and the layouts and probes that a suite\ncan, with a line on each. configs/reference.yaml shows their settings.",
		Example:   "  clr list augmentations",
		ValidArgs: names,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return noArguments(c, args[1:])
			}
			if len(args) == 1 && all[args[0]] == nil {
				hint := "one of " + strings.Join(names, ", ")
				if near := strict.Nearest(args[0], names); near != "" {
					hint = "did you mean " + near + "? " + hint
				}
				return fault.New(fault.Usage, hint, "there are no %s to list", args[0])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			p.started = true
			if len(args) == 1 {
				if p.json {
					return p.console().Show(all[args[0]])
				}
				return writeEntries(p.out, "", all[args[0]])
			}
			if p.json {
				return p.console().Show(all)
			}
			for i, kind := range names {
				if i > 0 {
					fmt.Fprintln(p.out)
				}
				fmt.Fprintln(p.out, kind)
				if err := writeEntries(p.out, "  ", all[kind]); err != nil {
					return err
				}
			}
			return nil
		},
	}
	p.jsonFlag(c)
	return c
}

func writeEntries(w io.Writer, indent string, all []entry) error {
	width := 0
	for _, e := range all {
		width = max(width, len(e.Name))
	}
	for _, e := range all {
		if _, err := fmt.Fprintf(w, "%s%-*s  %s\n", indent, width, e.Name, e.Doc); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) version() *cobra.Command {
	verbose := false
	c := &cobra.Command{
		Use:     "version",
		GroupID: "know",
		Short:   "Print the version",
		Args:    noArguments,
		RunE: p.does(func(*cobra.Command) error {
			if !verbose && !p.json {
				_, err := fmt.Fprintln(p.out, "clr", rundir.Version())
				return err
			}
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"` // of the source; "unknown" if not built from a checkout
				Go       string `json:"go"`
				Platform string `json:"platform"`
				CPU      string `json:"cpu_path"` // which of the arithmetic's versions runs here
				Why      string `json:"cpu_why"`
				Detected string `json:"cpu_detected"` // what the choice depends on, of what the processor has
				Threads  int    `json:"threads"`
			}{rundir.Version(), revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH,
				kernel.CPU(), kernel.WhyCPU(), strings.Join(kernel.CPUFeatures(), " "), runtime.GOMAXPROCS(0)}
			if p.json {
				return p.console().Show(v)
			}
			_, err := fmt.Fprintf(p.out, "clr %s\nrevision  %s\ngo        %s\nplatform  %s\ncpu path  %s: %s\ndetected  %s\nthreads   %d\n",
				v.Version, v.Revision, v.Go, v.Platform, v.CPU, v.Why, cmp.Or(v.Detected, "nothing that matters here"), v.Threads)
			return err
		}),
	}
	p.jsonFlag(c)
	c.Flags().BoolVar(&verbose, "verbose", false, "revision, Go version, platform, CPU path and why too")
	return c
}

// revision is the commit that the binary was built from, with a plus if the
// checkout was changed.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	return rev + changed
}

const exitCodesText = `Exit codes

    0  ok
    1  the run failed; of clr sweep run: some trials did (with --index the trial's own code)
    2  command line or config        a retry fails the same way
    3  recordings, manifest, store   a retry fails the same way
    4  diverged: not finite          a retry fails the same way
       or collapsed, with health.on_collapse: stop, and what clr health found
    5  clr verify found a difference
    6  disk or memory; or another process writes the same run
   75  interrupted, good checkpoint written; --resume goes on from there (while features
       are made or a suite is asked: what is made is kept, and the same command goes on)
  130  interrupted from the keyboard without a checkpoint, or twice
  141  nobody reads the results any more (clr list features | head -1)
  143  interrupted by a scheduler without a checkpoint, or twice

SIGINT, SIGTERM, SIGHUP and SIGUSR1 interrupt; a second one stops at once. Slurm:
--signal=B:USR1@120 and --requeue with --resume. Kubernetes: a podFailurePolicy
that fails the job on 2, 3 and 4 and ignores 75. clr sweep slurm and clr sweep
kubernetes write both for the trials of a sweep.

With 4, checkpoints stay as they were, and diverged.safetensors in the run folder,
or the fold's, holds the step: clr replay runs it again, on any machine, and shows
where it stopped being finite. clr replay itself ends with 4 where that happens
again and with 0 where it does not. A run that collapsed leaves no such file, for
its steps are finite: clr health shows what was seen, and what to try.
`

func exitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit code says", Long: strings.TrimRight(exitCodesText, "\n")}
}

// help is cobra's help, but that an unknown topic is an error.
func help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		GroupID: "know",
		Short:   "Help about a command, or exit-codes",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if c == nil || err != nil || len(rest) > 0 {
				if c == nil {
					c = root
				}
				if len(rest) == 0 {
					rest = args
				}
				return unknownCommand(c, rest)
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}
