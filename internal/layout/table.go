package layout

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/fault"
)

// A row is a line of a CSV file.
type row struct {
	number  int
	columns []string
	fields  []string
}

// line is the row's place in the file.
func (r row) line() int { return r.number }

// get is the field of a column, without spaces around it; empty where there is
// no such column.
func (r row) get(column string) string {
	if i := slices.Index(r.columns, column); i >= 0 {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}

// csv reads a CSV file of the corpus that must have some columns. Lines that
// are wrong are mistakes and left out.
func (r *reader) csv(file string, need ...string) (rows []row) {
	data, err := fs.ReadFile(audio.Host(), r.path(file))
	if err != nil {
		r.missing(file, err)
		return nil
	}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	in.FieldsPerRecord = -1
	var columns []string
	for r.ctx.Err() == nil {
		fields, err := in.Read()
		if e := (*csv.ParseError)(nil); errors.As(err, &e) {
			r.fault(file, e.Line, "%w; fields with commas or quotes stand in double quotes", e.Err)
			return rows
		}
		switch {
		case errors.Is(err, io.EOF):
			if columns == nil {
				r.fault(file, 0, "the file is empty; its first line names the columns %s", strings.Join(need, ","))
			}
			return rows
		case err != nil:
			r.fault(file, 0, "%w", err)
			return rows
		}
		line, _ := in.FieldPos(0)
		switch {
		case columns == nil:
			columns = fields
			for i, c := range columns {
				if c != "" && slices.Contains(columns[:i], c) {
					r.fault(file, line, "the column %s is there twice; rename or remove one of them", c)
					need = nil
				}
			}
			for _, c := range need {
				if !slices.Contains(columns, c) {
					r.fault(file, line, "there is no column %s among %s", c, strings.Join(columns, ","))
					need = nil
				}
			}
			if need == nil {
				return nil
			}
		case len(fields) != len(columns):
			r.fault(file, line, "this line has %d fields, the header %d", len(fields), len(columns))
		default:
			rows = append(rows, row{line, columns, fields})
		}
	}
	return rows
}

// lines reads a list with one name a line.
func (r *reader) lines(file string) []string {
	data, err := fs.ReadFile(audio.Host(), r.path(file))
	if err != nil {
		r.missing(file, err)
		return nil
	}
	return strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
}

// object reads a JSON file that holds one object, member by member in the
// file's order, so that its size does not matter. each takes the member's value
// from the decoder; what it finds wrong is a mistake at the member's line.
func (r *reader) object(file string, each func(key string, line func() int, value func(any) error) error) {
	f, err := audio.Host().Open(r.path(file))
	if err != nil {
		r.missing(file, err)
		return
	}
	defer f.Close()
	in := json.NewDecoder(f)
	in.UseNumber()
	fail := func(err error) {
		at := in.InputOffset()
		if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
			at = e.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the file is cut")
		}
		r.fault(file, r.lineAt(file, at), "%w", err)
	}
	if t, err := in.Token(); err != nil {
		fail(err)
		return
	} else if t != json.Delim('{') {
		fail(fmt.Errorf("it begins with %v, not with an object {", t))
		return
	}
	for r.ctx.Err() == nil && in.More() {
		t, err := in.Token()
		if err != nil {
			fail(err)
			return
		}
		at := in.InputOffset()
		broken := error(nil)
		err = each(t.(string), func() int { return r.lineAt(file, at) }, func(v any) error {
			err := in.Decode(v)
			if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
				return fmt.Errorf("%s is a %s, which the layout %s has not there", cmp.Or(e.Field, "its value"), e.Value, r.m.Layout)
			}
			broken = err
			return err
		})
		if broken != nil {
			fail(broken)
			return
		}
		if err != nil {
			r.fault(file, r.lineAt(file, at), "%s: %w", t, err)
		}
	}
	if r.ctx.Err() != nil {
		return
	}
	if _, err := in.Token(); err != nil {
		fail(err)
	} else if _, err := in.Token(); err != io.EOF {
		fail(errors.New("there is more behind the object that it holds"))
	}
}

// lineAt is the line of a place in a file. Behind the mistakes that are shown
// nobody asks for it.
func (r *reader) lineAt(file string, offset int64) int {
	if len(r.faults) > fault.Most {
		return 0
	}
	f, err := audio.Host().Open(r.path(file))
	if err != nil {
		return 0
	}
	defer f.Close()
	line := 1
	buf := make([]byte, 1<<16)
	for in := io.LimitReader(f, offset); ; {
		n, err := in.Read(buf)
		line += bytes.Count(buf[:n], []byte("\n"))
		if err != nil {
			return line
		}
	}
}

// only is the one file of the root whose name has an ending.
func (r *reader) only(ending string) (string, error) {
	entries, err := os.ReadDir(r.root)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if strings.EqualFold(path.Ext(e.Name()), ending) && !strings.HasPrefix(e.Name(), ".") {
			found = append(found, e.Name())
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("there are %d %s files in it, not one", len(found), ending)
	}
	return found[0], nil
}
