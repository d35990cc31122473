package pipeline

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"

	"clr/internal/audio"
	"clr/internal/fault"
)

// builtinPrefix marks a corpus that travels inside the binary.
const builtinPrefix = "builtin:"

// fsdd is spoken digits by six speakers; demo/ATTRIBUTION.md says where they
// come from and under which licence.
//
//go:embed demo/fsdd.zip
var fsdd []byte

// builtinCorpus opens a corpus of the binary.
func builtinCorpus(r audio.Reading, name string) (*audio.Corpus, error) {
	if name != "fsdd" {
		return nil, fault.New(fault.Usage, "use "+builtinPrefix+"fsdd, or the path of a manifest", "there is no built-in corpus %q", name)
	}
	z, err := zip.NewReader(bytes.NewReader(fsdd), int64(len(fsdd)))
	if err != nil {
		return nil, fmt.Errorf("built-in corpus %s: %w", name, err)
	}
	return r.ReadCorpus(z, "manifest.csv")
}
