package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"clr/internal/disk"
	"clr/internal/fault"
)

// A finish says what a table of embeddings was made of. It stands beside the table,
// whatever its format, and not in it, for what it says of recordings' files is not the
// same on another machine.
type finish struct {
	Settings string `json:"settings_sha256"` // encoder, how it embeds, format, what may be left out
	Corpus   string `json:"corpus_sha256"`   // lines of the manifest; sizes and times of the files
	Table    string `json:"table_sha256"`
	Clips    int    `json:"clips"`
	Dim      int    `json:"dim"`
	Left     int    `json:"left_out"`
}

// finishPath is where it stands.
func finishPath(out string) string { return out + ".inputs" }

// inputs are what a table is about to be made of.
func (w *work) inputs(format string) finish {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", w.corpus.Columns)
	for _, it := range w.corpus.Items {
		for _, name := range w.corpus.Columns {
			fmt.Fprintf(h, "%q ", it.Value(name))
		}
		fmt.Fprintln(h)
	}
	for clip := range w.stream.Len() {
		if clip > 0 && w.stream.Line(clip) == w.stream.Line(clip-1) {
			continue
		}
		mark, err := w.stream.Mark(clip)
		fmt.Fprintf(h, "%x %t\n", mark, err == nil) // of a file that is gone there is none
	}
	settings := sha256.Sum256(fmt.Appendf(nil, "%x %s %+v", w.key, format, w.f.c.OnError))
	return finish{Settings: hex.EncodeToString(settings[:]), Corpus: hex.EncodeToString(h.Sum(nil)), Dim: w.batch.dim()}
}

// there is what is said of a finished table that was made of the same, nil where there
// is none. A table of anything else is refused, unless it took its place when a process
// died that was about to say so: then it is made once more.
func (w *work) there(out string) (*finish, error) {
	info, err := os.Stat(out)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	why, was := "", finish{}
	if err := disk.Regular(finishPath(out)); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(finishPath(out))
	switch {
	case err != nil || json.Unmarshal(b, &was) != nil:
		why = "nothing beside it says of what it was made"
	case was.Settings != w.is.Settings:
		why = "it was made by another encoder or with other settings"
	case was.Corpus != w.is.Corpus:
		why = "the manifest or a recording is not what it was made of"
	default:
		sum, err := disk.Hash(os.DirFS(filepath.Dir(out)), filepath.Base(out))
		if err != nil {
			return nil, fault.New(fault.Usage, "name another file with --out", "--out: %w", err)
		}
		if sum == was.Table {
			return &was, nil
		}
		why = "it was changed since it was made"
	}
	if journalBegun(out, w.key) {
		return nil, nil
	}
	return nil, fault.New(fault.Usage, "name another file with --out, or remove this one to have it made anew", "%s is there, and %s", out, why)
}

// journalBegun says whether the journal beside a file is of a key.
func journalBegun(out string, key [sha256.Size]byte) bool {
	if disk.Regular(partialPath(out)) != nil {
		return false
	}
	f, err := os.Open(partialPath(out))
	if err != nil {
		return false
	}
	defer f.Close()
	was := make([]byte, journalHead)
	_, err = io.ReadFull(f, was)
	return err == nil && bytes.Equal(was, journalBegins(key))
}
