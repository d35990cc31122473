package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/pipeline"
)

func (p *program) metrics() *cobra.Command {
	var o pipeline.MetricsOptions
	formats, about := choices(pipeline.MetricsFormats)
	c := &cobra.Command{
		Use:     "metrics RUN...",
		GroupID: "check",
		Short:   "Hand what runs have logged to other tools: CSV, TensorBoard, MLflow",
		Long: `Writes what each step of training logged, and what was measured of the steps that
were looked at, as other tools read it:

` + about + `

Training needs no option for it and goes on meanwhile; the same command brings
what it wrote up to date. metrics.jsonl and health.jsonl are lines of JSON already.`,
		Example: "  clr metrics runs/first > metrics.csv\n  clr metrics runs/* --format tfevents --out logs\n  clr metrics runs/* --format mlflow --out mlruns",
		RunE: func(_ *cobra.Command, args []string) error {
			p.started = true
			o.Runs = args
			return pipeline.Metrics(o, p.console())
		},
	}
	c.Flags().StringVar(&o.Format, "format", "csv", strings.Join(formats, ", "))
	c.Flags().StringVarP(&o.Out, "out", "o", "", "file or folder to write; CSV goes to stdout without it")
	must(c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	return c
}
