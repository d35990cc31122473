package embedding

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"

	"clr/internal/fault"
)

// ordered are columns as a person reads them: the recording and its stretch, the
// label, then the others by name.
func ordered(columns Columns) (names []string) {
	for _, name := range []string{"path", "start", "end", "label"} {
		if columns[name] != nil {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// A csvWriter writes a line for each row, below the names of the columns.
type csvWriter struct {
	rows
	names   []string
	columns Columns
	out     *csv.Writer
	row     int
	line    []string
}

func newCSV(w io.Writer, n, d int, columns Columns) (*csvWriter, error) {
	p := &csvWriter{rows: rows{n, d}, names: ordered(columns), columns: columns, out: csv.NewWriter(w)}
	line := slices.Clone(p.names)
	for k := range d {
		line = append(line, "e"+strconv.Itoa(k))
	}
	return p, p.out.Write(line)
}

func (p *csvWriter) Write(x []float32) error {
	if err := p.add(x); err != nil {
		return err
	}
	for row := range slices.Chunk(x, p.d) {
		p.line = p.line[:0]
		for _, name := range p.names {
			p.line = append(p.line, p.columns[name][p.row])
		}
		for _, v := range row {
			p.line = append(p.line, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		if err := p.out.Write(p.line); err != nil {
			return err
		}
		p.row++
	}
	return nil
}

func (p *csvWriter) Close() error {
	if err := p.done(); err != nil {
		return err
	}
	p.out.Flush()
	return p.out.Error()
}

// A jsonlWriter writes an object for each row: what is unknown is left out.
type jsonlWriter struct {
	rows
	names   []string
	keys    [][]byte // the names in JSON
	kinds   []kind
	columns Columns
	out     *bufio.Writer
	row     int
	line    []byte
}

func newJSONL(w io.Writer, n, d int, columns Columns) (*jsonlWriter, error) {
	if columns[embeddingName] != nil {
		return nil, fault.New(fault.Usage, "rename the manifest's column, or use another format", "a column is named %s, which is the embeddings' key in a .jsonl file", embeddingName)
	}
	p := &jsonlWriter{rows: rows{n, d}, names: ordered(columns), columns: columns, out: bufio.NewWriterSize(w, chunk)}
	for _, name := range p.names {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		p.keys, p.kinds = append(p.keys, key), append(p.kinds, kindOf(name, columns[name]))
	}
	return p, nil
}

func (p *jsonlWriter) Write(x []float32) error {
	if err := p.add(x); err != nil {
		return err
	}
	for row := range slices.Chunk(x, p.d) {
		b := append(p.line[:0], '{')
		for i, name := range p.names {
			v := p.columns[name][p.row]
			if v == "" {
				continue
			}
			text := []byte(v)
			if p.kinds[i] == reals {
				text = []byte(decimal(number(v)))
			} else if p.kinds[i] == texts {
				var err error
				if text, err = json.Marshal(v); err != nil {
					return err
				}
			}
			b = append(append(append(append(b, p.keys[i]...), ':'), text...), ',')
		}
		b = append(b, `"`+embeddingName+`":[`...)
		for k, v := range row {
			if k > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		}
		p.line = append(b, "]}\n"...)
		if _, err := p.out.Write(p.line); err != nil {
			return err
		}
		p.row++
	}
	return nil
}

func (p *jsonlWriter) Close() error {
	if err := p.done(); err != nil {
		return err
	}
	return p.out.Flush()
}
