package main

import (
	"github.com/spf13/cobra"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

func (p *program) audio() *cobra.Command {
	c := &cobra.Command{
		Use:     "audio",
		GroupID: "know",
		Short:   "Look at recordings",
		Args:    unknownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.audioInfo())
	return c
}

func (p *program) audioInfo() *cobra.Command {
	c := &cobra.Command{
		Use:   "info FILE...",
		Short: "Show what recordings are, by decoding all of them",
		Long: `Decodes each recording to its end and shows container, encoding, channels, rate,
frames, duration, peak and root mean square (over all channels; full scale is 1),
or why it cannot be read. Its content says what a file is, never its name. Recordings
are read in small pieces: their length takes no memory.

Exit code 3 says that some could not be read; the others are shown all the same.`,
		Example: "  clr audio info calls/*.wav\n  clr audio info calls/*.flac --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fault.New(fault.Usage, "such as clr audio info calls/0001.wav", "no recording is given")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			return pipeline.AudioInfo(c.Context(), args, p.console())
		},
	}
	p.jsonFlag(c)
	return c
}
