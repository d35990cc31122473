package layout

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/fault"
)

// A Manifest is what came of a layout.
type Manifest struct {
	Layout   string
	Root     string
	Clips    []Clip
	Events   bool     // clips are events in recordings (hear)
	Unlisted int      // recordings that are there, but in no list
	Warnings []string // what the person should know

	more []string // columns beside the usual, in order
}

// A Clip is one line of a manifest. Empty fields are unknown.
type Clip struct {
	File       string // below the root, with slashes
	Label      string // several are joined by ";"
	Split      string // train, valid or test
	Fold       string
	Group      string // the source: clips of one group belong on one side of a split
	Start, End string // seconds
	SHA256     string
	More       map[string]string // further columns
}

func (m *Manifest) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// also adds a further column to the clip that was added last.
func (m *Manifest) also(column, value string) {
	c := &m.Clips[len(m.Clips)-1]
	if c.More == nil {
		c.More = map[string]string{}
	}
	c.More[column] = value
	if !slices.Contains(m.more, column) {
		m.more = append(m.more, column)
	}
}

// A column is a name and where its values are.
type column struct {
	name string
	of   func(Clip) string
}

// columns are those that hold something, in the manifest's order.
func (m *Manifest) columns() []column {
	all := []column{
		{"label", func(c Clip) string { return c.Label }},
		{"split", func(c Clip) string { return c.Split }},
		{"fold", func(c Clip) string { return c.Fold }},
		{"group", func(c Clip) string { return c.Group }},
		{"start", func(c Clip) string { return c.Start }},
		{"end", func(c Clip) string { return c.End }},
		{"sha256", func(c Clip) string { return c.SHA256 }},
	}
	for _, name := range m.more {
		all = append(all, column{name, func(c Clip) string { return c.More[name] }})
	}
	return slices.DeleteFunc(all, func(col column) bool {
		return !slices.ContainsFunc(m.Clips, func(c Clip) bool { return col.of(c) != "" })
	})
}

// way is how the folder root is come to from the folder dir. Where it leads up,
// both are taken without links: what is above a link is not what is above the
// folder that it leads to.
func way(dir, root string) (string, error) {
	here, err := os.Getwd()
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return "", err
	}
	full := func(path string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(here, path)
	}
	dir, root = full(dir), full(root)
	if base, err := filepath.Rel(dir, root); err == nil && filepath.IsLocal(base) {
		return base, nil
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", err
	}
	base, err := filepath.Rel(dir, root)
	if err != nil { // another volume
		return root, nil
	}
	return base, nil
}

// Write writes the manifest as a CSV file that will be in the folder dir, to
// which its paths are relative.
func (m *Manifest) Write(w io.Writer, dir string) error {
	base, err := way(dir, m.Root)
	if err != nil {
		return err
	}
	if err := oneLine(base); err != nil {
		return fault.New(fault.Data, "rename the folder, or write the manifest into the corpus", "the way from the manifest to the corpus: %w", err)
	}
	columns := m.columns()
	row := []string{"path"}
	for _, c := range columns {
		row = append(row, c.name)
	}
	out := csv.NewWriter(w)
	if err := out.Write(row); err != nil {
		return err
	}
	for _, clip := range m.Clips {
		row = append(row[:0], filepath.ToSlash(filepath.Join(base, filepath.FromSlash(clip.File))))
		for _, c := range columns {
			row = append(row, c.of(clip))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// Hash finds each clip's SHA-256, of its file, on all cores;
// progress is told of files done.
func (m *Manifest) Hash(ctx context.Context, progress func(done, total int)) error {
	var files []string
	at := map[string]int{}
	for _, c := range m.Clips {
		if _, ok := at[c.File]; !ok {
			at[c.File] = len(files)
			files = append(files, c.File)
		}
	}
	sums := make([]string, len(files))
	errs, err := audio.Each(ctx, 0, len(files), func(done int) { progress(done, len(files)) }, func(i int) (err error) {
		sums[i], err = disk.Hash(audio.Host(), filepath.Join(m.Root, filepath.FromSlash(files[i])))
		return err
	})
	if err != nil {
		return err
	}
	if errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) > 0 {
		return fault.List(fault.Data, "see that the files named may be read", errs)
	}
	for i := range m.Clips {
		m.Clips[i].SHA256 = sums[at[m.Clips[i].File]]
	}
	return nil
}

// A Summary counts what a manifest holds.
type Summary struct {
	Layout   string         `json:"layout"`
	Clips    int            `json:"clips"`
	Labels   int            `json:"labels"` // different ones
	Splits   map[string]int `json:"splits,omitempty"`
	Folds    map[string]int `json:"folds,omitempty"`
	Groups   int            `json:"groups"`
	Unlisted int            `json:"unlisted"` // recordings that are there, but in no list
	Columns  []string       `json:"columns"`
}

// Summary counts the manifest's clips, labels, parts and groups.
func (m *Manifest) Summary() Summary {
	s := Summary{Layout: m.Layout, Clips: len(m.Clips), Unlisted: m.Unlisted, Columns: []string{"path"},
		Splits: map[string]int{}, Folds: map[string]int{}}
	labels, groups := map[string]bool{}, map[string]bool{}
	for _, c := range m.Clips {
		for l := range strings.SplitSeq(c.Label, ";") {
			labels[l] = true
		}
		groups[c.Group] = true
		s.Splits[c.Split]++
		s.Folds[c.Fold]++
	}
	for _, none := range []map[string]int{s.Splits, s.Folds} {
		delete(none, "")
	}
	delete(labels, "")
	delete(groups, "")
	s.Labels, s.Groups = len(labels), len(groups)
	for _, c := range m.columns() {
		s.Columns = append(s.Columns, c.name)
	}
	return s
}
