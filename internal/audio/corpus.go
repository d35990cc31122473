package audio

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/fault"
)

// A Corpus is a manifest: a CSV file with one line per clip. Only the column
// path is required; label, split, fold, group, start, end and sha256 have a
// meaning, and any other is kept by its name.
type Corpus struct {
	Path    string // of the manifest, as given
	Columns []string
	Items   []Item

	fsys    fs.FS
	reading Reading
	reader  *reader
}

// An Item is one line of a manifest, or a window of it.
type Item struct {
	Path       string  // as written there
	File       string  // where it is in the corpus's file system
	Label      string  // several are joined by ";"; empty if unknown
	Start, End float64 // seconds; End is 0 where the clip goes on to the recording's end
	SHA256     string  // of the file, lower-case hex; empty if not given
	Line       int

	columns []string
	row     []string
	lost    error // why its file cannot be read, where that is no fault of the manifest
}

// Value is the field under a column's name, or the empty string.
func (it Item) Value(column string) string {
	if i := slices.Index(it.columns, column); i >= 0 && i < len(it.row) {
		return it.row[i]
	}
	return ""
}

// Labels are the parts of Label.
func (it Item) Labels() []string {
	if it.Label == "" {
		return nil
	}
	return strings.Split(it.Label, ";")
}

// Has says whether the manifest has a column.
func (c *Corpus) Has(column string) bool { return slices.Contains(c.Columns, column) }

// FS is the file system that the items' files are in.
func (c *Corpus) FS() fs.FS { return c.fsys }

// Read reads item i as a clip of a rate, and checks nothing else.
func (c *Corpus) Read(i, rate int) (Clip, error) {
	it := c.Items[i]
	return c.reader.file(c.fsys, it.File, rate, it.Start, it.End)
}

// maxFaults is how many mistakes one error lists.
const maxFaults = fault.Most

// ReadCorpus reads a manifest and sees that the files it names are there;
// their paths are relative to the manifest's folder. All mistakes, up to 20,
// come in one error, each with file, line and column.
func ReadCorpus(fsys fs.FS, name string) (*Corpus, error) {
	return DefaultReading.ReadCorpus(fsys, name)
}

func (c *Corpus) read() error {
	fsys, name := c.fsys, c.Path
	if !strings.EqualFold(path.Ext(name), ".csv") {
		return fault.New(fault.Data, "save the manifest as comma-separated values, with the file name ending in .csv",
			"%s: a manifest is a .csv file, this one ends in %q", name, path.Ext(name))
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fault.New(fault.Data, "see that the manifest's path is right and that it may be read", "manifest: %w", err)
	}
	return c.parse(data)
}

// parse reads a manifest's text.
func (c *Corpus) parse(data []byte) error {
	fsys, name := c.fsys, c.Path
	p := manifest{fsys: fsys, name: name, corpus: c}
	p.read(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(p.faults) > 0 {
		return listed(p.faults, "mend the lines named in "+name)
	}
	if len(c.Items) == 0 {
		return fault.New(fault.Data, "add one line per recording below the header", "%s: the manifest lists no clips", name)
	}
	return nil
}

// listed joins mistakes into one data error.
func listed(faults []error, remedy string) error {
	return fault.List(fault.Data, remedy, faults)
}

// A manifest is a corpus while it is read.
type manifest struct {
	fsys   fs.FS
	name   string
	corpus *Corpus
	faults []error
	folder string          // the manifest's own, without links, once it was asked for
	seen   map[string]bool // files looked for; true if there
}

// fault keeps a mistake; of those that will not be shown none but the number.
func (p *manifest) fault(line, column int, format string, args ...any) {
	if len(p.faults) >= maxFaults {
		p.faults = append(p.faults, errMore)
		return
	}
	p.faults = append(p.faults, fmt.Errorf("%s:%d:%d: %w", p.name, line, column, fmt.Errorf(format, args...)))
}

var errMore = errors.New("one mistake more")

func (p *manifest) read(data []byte) {
	p.seen = map[string]bool{}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		p.fault(1, 1, "the manifest is empty; its first line names the columns: path,label,...")
		return
	}
	if err != nil {
		p.syntax(err)
		return
	}
	if !p.header(r, header) {
		return
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.syntax(err)
			return // where the next line starts is anybody's guess
		}
		p.item(r, row)
	}
}

func (p *manifest) syntax(err error) {
	var e *csv.ParseError
	if errors.As(err, &e) {
		p.fault(e.Line, e.Column, "%w; put fields with commas or quotes in double quotes, and double the quotes inside", e.Err)
		return
	}
	p.faults = append(p.faults, fmt.Errorf("%s: %w", p.name, err))
}

// header checks the first line; it is false where the rest makes no sense.
func (p *manifest) header(r *csv.Reader, header []string) bool {
	p.corpus.Columns = header
	seen := map[string]bool{}
	for i, column := range header {
		line, at := r.FieldPos(i)
		switch {
		case column == "":
			p.fault(line, at, "column %d has no name; name it or take it out", i+1)
		case seen[column]:
			p.fault(line, at, "column %q is there twice; rename or remove one of them", column)
		}
		seen[column] = true
	}
	if !slices.Contains(header, "path") {
		p.fault(1, 1, "there is no column %q among %s; rename the one that names the recordings", "path", strings.Join(header, ","))
	}
	return len(p.faults) == 0
}

func (p *manifest) item(r *csv.Reader, row []string) {
	line, _ := r.FieldPos(0)
	columns := p.corpus.Columns
	if len(row) != len(columns) {
		p.fault(line, 1, "this line has %d fields, the header %d; quote fields with commas, fill up missing ones with empty fields",
			len(row), len(columns))
		return
	}
	it := Item{Line: line, columns: columns, row: row}
	column := func(name string) int {
		_, at := r.FieldPos(slices.Index(columns, name))
		return at
	}
	before := len(p.faults)
	it.Path, it.Label, it.SHA256 = it.Value("path"), it.Value("label"), strings.ToLower(it.Value("sha256"))
	it.Start = p.seconds(line, "start", it, column)
	it.End = p.seconds(line, "end", it, column)
	if it.Value("end") != "" && len(p.faults) == before && it.Start >= it.End {
		p.fault(line, column("end"), "end is %s, not after start %s", it.Value("end"), cmp.Or(it.Value("start"), "0"))
	}
	if it.SHA256 != "" {
		if b, err := hex.DecodeString(it.SHA256); err != nil || len(b) != 32 {
			p.fault(line, column("sha256"), "sha256 is %q, not 64 hexadecimal digits; sha256sum prints them", it.Value("sha256"))
		}
	}
	if it.Path == "" {
		p.fault(line, column("path"), "the path is empty; name a recording or take the line out")
	} else {
		it.File = p.locate(it.Path)
		if err := p.look(it.File); err != nil && p.corpus.reading.OnError.skips() {
			it.lost = err
		} else if err != nil {
			p.fault(line, column("path"), "%s: %w; paths are relative to the manifest's folder", it.Path, err)
		}
	}
	p.corpus.Items = append(p.corpus.Items, it)
}

// seconds reads a time; an empty field is 0.
func (p *manifest) seconds(line int, name string, it Item, column func(string) int) float64 {
	s := it.Value(name)
	if s == "" {
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		p.fault(line, column(name), "%s is %q, not a number of seconds from 0 up", name, s)
		return 0
	}
	return v
}

// locate turns a path of the manifest into one of its file system. It may lead
// out of the manifest's folder: up from where that is, not from a link to it.
func (p *manifest) locate(name string) string {
	if _, ok := p.fsys.(host); ok {
		name, dir := filepath.Clean(filepath.FromSlash(name)), filepath.Dir(p.name)
		if filepath.IsAbs(name) {
			return name
		}
		if !filepath.IsLocal(name) {
			dir = p.real(dir)
		}
		return filepath.Join(dir, name)
	}
	return path.Join(path.Dir(p.name), name)
}

// real is a folder without links, if there are any.
func (p *manifest) real(dir string) string {
	if p.folder == "" {
		p.folder = dir
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			p.folder = real
		}
	}
	return p.folder
}

// look sees that a recording is there and a file.
func (p *manifest) look(file string) error {
	if p.seen[file] {
		return nil
	}
	info, err := fs.Stat(p.fsys, file)
	var e *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case errors.As(err, &e):
		return e.Err
	case err != nil:
		return err
	}
	err = irregular(info)
	p.seen[file] = err == nil
	return err
}
