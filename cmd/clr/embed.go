package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) embed() *cobra.Command {
	var o pipeline.CorpusOptions
	formats, about := choices(pipeline.EmbedFormats)
	c := &cobra.Command{
		Use:     "embed --run FOLDER | --bundle FOLDER | --model FILE --corpus MANIFEST --out FILE",
		GroupID: "path",
		Short:   "Embed recordings of any number and length, by a run's encoder or an export",
		Long: `Writes one row a clip, in the order of the manifest: path, start and end in seconds,
its other columns, and the embedding, which is what clr export writes of that clip.
The corpus is a manifest, a folder of recordings, whose sub-folders become labels,
or builtin:fsdd; left out it is the run's. The formats:

` + about + `

With --window and --hop each line is cut into windows, a row each. Features are made
as they are needed and kept nowhere; a recording of many hours takes no more memory
than a minute of it.

What is made is kept in FILE.partial until all is there. Stopped by a signal it
exits with 75; stopped or killed, the same command goes on from there, to the same
bytes. One process at a time writes a file. What a finished FILE was made of stands in
FILE.inputs: of the same encoder, settings and recordings nothing is made again; of
others it is neither kept nor written over, but refused. What on_error lets it leave
out is listed in FILE.quarantine.csv.

--model takes what clr export --format safetensors wrote, --bundle a folder with such
a model.safetensors; no run folder is needed then. --set may change embed, windows
and on_error.`,
		Example: "  clr embed --run runs/first --corpus manifest.csv --out embeddings.parquet\n" +
			"  clr embed --bundle bundle --corpus field/ --window 1 --hop 0.5 --out field.npz --format npz",
		Args: noArguments,
		RunE: p.does(func(c *cobra.Command) error {
			if o.Out == "" {
				return fault.New(fault.Usage, "name a file with --out", "no output is given")
			}
			if c.Flags().Changed("window") { // of the config's windows nothing stays
				p.sets = append(p.sets, "windows.hop=0")
			}
			p.setBy(c, map[string]string{"window": "windows.length", "hop": "windows.hop"})
			o.Run, o.Fold = p.run, p.fold
			return pipeline.EmbedCorpus(c.Context(), o, p.overrides(), p.console())
		}),
	}
	p.sourceFlags(c, &o.Source)
	p.jsonFlag(c)
	f := c.Flags()
	f.StringVar(&o.Corpus, "corpus", "", "manifest or folder of recordings (default: the run's)")
	f.StringVar(&o.Format, "format", "parquet", strings.Join(formats, ", "))
	f.StringVarP(&o.Out, "out", "o", "", "file to write")
	f.Float64("window", 0, "cut each line into windows of so many seconds, as --set windows.length=S; 0 takes it whole")
	f.Float64("hop", 0, "seconds from one window to the next, as --set windows.hop=S; 0 is the window")
	must(c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	p.setFlag(c, "embed.pool=max", "embed", "windows", "on_error")
	return c
}

// sourceFlags name an encoder.
func (p *program) sourceFlags(c *cobra.Command, s *pipeline.Source) {
	p.runFlag(c, "folder of the run")
	p.foldFlag(c)
	c.Flags().StringVar(&s.Bundle, "bundle", "", "`folder` with a model.safetensors, instead of a run")
	c.Flags().StringVar(&s.Model, "model", "", "`file` that clr export --format safetensors wrote, instead of a run")
	must(c.MarkFlagDirname("bundle"))
	must(c.MarkFlagFilename("model", "safetensors"))
}
