package pipeline

import (
	"context"
	"fmt"

	"clr/internal/audio"
)

// Features computes the features of a config's corpus into its store; what is
// there already is kept.
func Features(ctx context.Context, c *Config, con Console) error {
	corpus, err := openCorpus(c)
	if err != nil {
		return err
	}
	store, stats, err := build(ctx, c, corpus, con)
	if err != nil {
		return err
	}
	defer store.Close()
	if con.JSON {
		return con.Show(struct {
			Store string `json:"store"`
			Clips int    `json:"clips"`
			Made  int    `json:"made"`
			Kept  int    `json:"kept"`
			Bytes int64  `json:"bytes"`
			Left  int    `json:"left_out"` // lines of the manifest
		}{c.StorePath(), stats.Clips, stats.Made, stats.Reused + stats.Shared, stats.Bytes, stats.Left})
	}
	_, err = fmt.Fprintf(con.Out, "%s: %d clips, %d made now, %d kept, %.1f MB\n",
		c.StorePath(), stats.Clips, stats.Made, stats.Reused+stats.Shared, float64(stats.Bytes)/1e6)
	return err
}

func build(ctx context.Context, c *Config, corpus *audio.Corpus, con Console) (*audio.Store, audio.Stats, error) {
	show := con.Progress("features", 0, len(corpus.Items))
	defer show.End()
	return audio.Build(ctx, c.StorePath(), corpus, c.Feature, c.SampleRate,
		audio.BuildOptions{Workers: c.Workers, Progress: func(done, total int) { show.Of(done, total, "") }, Say: con.Say})
}
