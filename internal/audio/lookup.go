package audio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"clr/internal/fault"
)

// Originals looks into every recording of a corpus that has no store, so that
// whatever is read of them later is known to be the same. All that cannot be
// read, up to 20, come in one error.
func (c *Corpus) Originals(ctx context.Context, workers int) (*Originals, error) {
	o := &Originals{corpus: c, files: map[string]*original{}}
	for _, it := range c.Items {
		if o.files[it.File] == nil {
			o.files[it.File] = new(original)
		}
	}
	errs, err := Each(ctx, workers, len(c.Items), nil, func(i int) error {
		it := c.Items[i]
		if err := o.files[it.File].identify(c, it); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", c.Path, it.Line, it.Path, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, err := range errs {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, listed(faults, fault.Remedy(faults[0]))
	}
	return o, nil
}

// Len is how many items there are.
func (o *Originals) Len() int { return len(o.corpus.Items) }

// Hash names the recordings by their content: the root of a Merkle tree, as
// CorpusHash makes it, over lines of the file's SHA-256, start and end.
func (o *Originals) Hash() string {
	leaves := make([][32]byte, len(o.corpus.Items))
	for i, it := range o.corpus.Items {
		leaves[i] = leaf(fmt.Appendf(nil, "%x %v %v", o.files[it.File].sum, it.Start, it.End))
	}
	root := merkle(leaves)
	return hex.EncodeToString(root[:])
}

// Shared finds a recording that both have, by content; the names are those of
// their manifests, and empty where there is none.
func (o *Originals) Shared(other *Originals) (mine, theirs string) {
	names := map[[sha256.Size]byte]string{}
	for _, it := range other.corpus.Items {
		names[other.files[it.File].sum] = it.Path
	}
	for _, it := range o.corpus.Items {
		if name, ok := names[o.files[it.File].sum]; ok {
			return it.Path, name
		}
	}
	return "", ""
}
