package pipeline

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/layout"
)

// ImportOptions are what the command line says of an import.
type ImportOptions struct {
	Layout, Root string
	Out          string // the manifest
	Force        bool   // write over a file that is there
	Hash         bool   // fill in the column sha256
	Layouts      layout.Options
}

// Import makes a manifest of a corpus that somebody else laid out.
func Import(ctx context.Context, o ImportOptions, con Console) error {
	if !strings.EqualFold(filepath.Ext(o.Out), ".csv") {
		return fault.New(fault.Usage, "name it manifest.csv, for example", "a manifest is a .csv file, --out is %q", o.Out)
	}
	if err := o.refuse(); err != nil {
		return err
	}
	m, err := layout.Read(ctx, o.Layout, o.Root, o.Layouts)
	if err != nil {
		return err
	}
	for _, w := range m.Warnings {
		con.Warn("%s", w)
	}
	if o.Hash {
		show := con.Progress("hashes", 0, len(m.Clips))
		err := m.Hash(ctx, func(done, total int) { show.At(done, "") })
		show.End()
		if err != nil {
			return err
		}
	}
	if _, err := disk.MkdirAll(filepath.Dir(o.Out)); err != nil {
		return disk.Failed(o.Out, err)
	}
	if err := disk.WriteFile(o.Out, func(w io.Writer) error { return m.Write(w, filepath.Dir(o.Out)) }); err != nil {
		return err
	}
	s := m.Summary()
	if con.JSON {
		return con.Show(struct {
			Manifest string `json:"manifest"`
			layout.Summary
		}{o.Out, s})
	}
	_, err = fmt.Fprintf(con.Out, "%s: %s\n", o.Out, describe(s))
	return err
}

// refuse keeps a manifest from taking the place of what is there: of anything
// without Force, and with it of anything but a manifest, such as a list of the
// corpus itself.
func (o ImportOptions) refuse() error {
	const another = "name another file with --out"
	if _, err := os.Lstat(o.Out); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return disk.Failed(o.Out, err)
	}
	if !o.Force {
		return fault.New(fault.Usage, "name another file, or write over it with --force", "%s is there already", o.Out)
	}
	f, err := audio.Host().Open(o.Out)
	if errors.Is(err, fs.ErrNotExist) { // a link that leads nowhere
		return nil
	}
	if err != nil {
		return fault.New(fault.Usage, another, "%w", err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return fault.New(fault.Usage, another, "%w", err)
	}
	columns, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))).Read()
	if !errors.Is(err, io.EOF) && !slices.Contains(columns, "path") {
		return fault.New(fault.Usage, another+", or remove this one if nobody needs it", "%s is there, and is no manifest: its first line has no column path", o.Out)
	}
	return nil
}

// describe is a summary in one line.
func describe(s layout.Summary) string {
	parts := []string{fmt.Sprintf("%d clips", s.Clips)}
	if s.Labels > 0 {
		parts = append(parts, fmt.Sprintf("%d labels", s.Labels))
	}
	for _, name := range []string{"train", "valid", "test"} {
		if n := s.Splits[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	if n := len(s.Folds); n > 0 {
		parts = append(parts, fmt.Sprintf("%d folds", n))
	}
	if s.Groups > 0 {
		parts = append(parts, fmt.Sprintf("%d groups", s.Groups))
	}
	return strings.Join(parts, ", ")
}
