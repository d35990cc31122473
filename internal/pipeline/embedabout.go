package pipeline

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"clr/internal/embedding"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// Keys of what a table of embeddings says of itself.
const (
	aboutVersion   = "clr.version"
	aboutEncoder   = encoderKey      // SHA-256 of the encoder, as in an export
	aboutEmbedding = "clr.embedding" // of all that decides an embedding, see frozen.digest
	aboutHow       = "clr.how"       // how, as JSON
)

// A how is by which encoder a table's clips were embedded, and what of each line. The
// paths are relative to the table's folder, so that both can move together.
type how struct {
	Source
	Embed  map[string]any `json:"embed"`  // by the config's keys
	Window float64        `json:"window"` // seconds; 0: whole lines
	Hop    float64        `json:"hop"`
}

// about is what a table beside out says of itself.
func (f *frozen) about(out string) (embedding.About, error) {
	h := how{f.source, f.c.section("embed"), f.c.Windows.Length, f.c.Windows.Hop}
	for _, path := range []*string{&h.Run, &h.Bundle, &h.Model} {
		if *path != "" {
			*path = relative(filepath.Dir(out), *path)
		}
	}
	b, err := json.Marshal(h)
	return embedding.About{aboutVersion: rundir.Version(), aboutEncoder: f.state.hash(), aboutEmbedding: f.digest(), aboutHow: string(b)}, err
}

// openAsIn opens an encoder that embeds as a table's clips were: the one that is
// named, or else the one that the table names. Another than the table's is refused.
func openAsIn(index string, about embedding.About, s Source, con Console) (*frozen, error) {
	told, err := s.told()
	if err != nil {
		return nil, err
	}
	const name = "name the encoder with --run, --bundle or --model"
	var h how
	var ov Overrides
	if about[aboutEmbedding] != "" {
		if err := json.Unmarshal([]byte(about[aboutHow]), &h); err != nil {
			return nil, fault.New(fault.Data, "let clr embed write it again", "%s: its %s is %.100q: %w", index, aboutHow, about[aboutHow], err)
		}
		ov.Set = []string{fmt.Sprint("windows.length=", h.Window), fmt.Sprint("windows.hop=", h.Hop)}
		for key, v := range h.Embed {
			ov.Set = append(ov.Set, fmt.Sprintf("embed.%s=%v", key, v))
		}
	}
	if !told {
		if about[aboutEmbedding] == "" {
			return nil, fault.New(fault.Usage, name, "%s does not say by which encoder it was embedded, and none is given", index)
		}
		s = h.Source
		for _, path := range []*string{&s.Run, &s.Bundle, &s.Model} {
			if *path != "" && !filepath.IsAbs(*path) {
				*path = filepath.Join(filepath.Dir(index), filepath.FromSlash(*path))
			}
		}
	}
	f, err := openFrozen(s, ov, con)
	if err != nil {
		if !told {
			err = fault.New(fault.KindOf(err), name, "the encoder that %s was embedded by: %w", index, err)
		}
		return nil, err
	}
	if about[aboutEmbedding] == "" {
		con.Warn("%s does not say by which encoder it was embedded: believing that it was this one", index)
		return f, nil
	}
	if was, is := about[aboutEncoder], f.state.hash(); was != is {
		return nil, fault.New(fault.Usage, "name the encoder that the index was embedded by, or embed the corpus again",
			"%s was embedded by the encoder %.12s (%s), %s is %.12s", index, was, h.Source, s, is)
	}
	if was, is := about[aboutEmbedding], f.digest(); was != is {
		return nil, fault.New(fault.Usage, "embed the corpus again", "%s was embedded by this encoder (%s) with other settings: their hash was %.12s, now it is %.12s", index, s, was, is)
	}
	return f, nil
}

// String names an encoder for a message.
func (s Source) String() string {
	switch {
	case s.Run != "" && s.Fold != "":
		return s.Run + ", fold " + s.Fold
	case s.Run != "":
		return s.Run
	case s.Bundle != "":
		return s.Bundle
	}
	return s.Model
}
