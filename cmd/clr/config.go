package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) configs() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		GroupID: "know",
		Short:   "Check and show configs",
		Long: `A config is a YAML file. Settings can also come from --set key=value flags and from
environment variables: CLR_METHOD_TEMPERATURE=0.2 is method.temperature. A flag
beats a variable, a variable beats the file, the file beats the defaults.
Paths in a file are relative to the file; paths in a flag or variable are
relative to where clr is started.`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.configCheck(), p.configShow(), p.configReference())
	return c
}

func (p *program) configCheck() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE...",
		Short:   "Report everything that is wrong with configs",
		Example: "  clr config check configs/*.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fault.New(fault.Usage, "name one or more YAML files", "no config is given")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, files []string) error {
			p.started = true
			bad := 0
			var last error
			for _, f := range files {
				_, err := pipeline.LoadConfig(f, pipeline.Overrides{})
				switch {
				case err == nil && !p.quiet:
					fmt.Fprintf(p.out, "%s: ok\n", f)
				case err != nil && len(files) > 1:
					report(p.err, err, nil)
				}
				if err != nil {
					bad++
					last = err
				}
			}
			if bad > 0 && len(files) > 1 {
				return fault.New(fault.Usage, "", "%d of %d configs are wrong", bad, len(files))
			}
			return last
		},
	}
}

func (p *program) configShow() *cobra.Command {
	origin := false
	c := &cobra.Command{
		Use:   "show --config FILE",
		Short: "Show the settings that a config comes to",
		Long:  "Shows every key with its value after file, variables and flags. What it prints is\na config itself.",
		Args:  noArguments,
		Example: "  clr config show --config configs/quickstart.yaml --origin\n" +
			"  clr config show --config configs/quickstart.yaml --set batch=64",
		RunE: p.does(func(*cobra.Command) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			text := cfg.Resolved()
			if origin {
				text = cfg.WithOrigins()
			}
			_, err = p.out.Write(text)
			return err
		}),
	}
	p.configFlags(c)
	c.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	return c
}

func (p *program) configReference() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print a config with every key, its meaning and default",
		Args:  noArguments,
		RunE: p.does(func(*cobra.Command) error {
			_, err := p.out.Write(pipeline.Reference())
			return err
		}),
	}
}
