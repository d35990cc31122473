package embedding

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"clr/internal/fault"
)

// parquetMagic begins and ends a Parquet file
// (github.com/apache/parquet-format; its Thrift file has the numbers below).
const parquetMagic = "PAR1"

// Physical types.
const (
	physBoolean = iota
	physInt32
	physInt64
	physInt96
	physFloat
	physDouble
	physBytes
	physFixed
)

// A leaf is a column as the file has it.
type leaf struct {
	path       []string
	kind       int64 // physical type
	rep, def   int   // greatest levels of repetition and definition
	place      int   // among the leaves
	isUnsigned bool
	isDecimal  bool // of so many digits behind the point
}

func (l leaf) name() string { return strings.Join(l.path, ".") }

// floats says whether a leaf is a list of them.
func (l leaf) floats() bool { return l.rep == 1 && (l.kind == physFloat || l.kind == physDouble) }

// A stretch is a leaf's part of a group of rows.
type stretch struct {
	from, size int64 // bytes of its pages
	codec      int64
	values     int64
}

// A footer says where everything is.
type footer struct {
	leaves []leaf
	rows   int64
	groups [][]stretch // of each leaf
	about  About
}

// readParquet reads the embeddings, and as columns all that have one number or
// text for each row.
func readParquet(in *source) (*Table, error) {
	foot, err := readFooter(in)
	if err != nil {
		return nil, err
	}
	list, err := foot.embeddings()
	if err != nil {
		return nil, err
	}
	if foot.rows < 1 {
		return nil, fmt.Errorf("it claims %d rows", foot.rows)
	}
	t := &Table{Columns: Columns{}}
	if err := t.lists(in, foot, list); err != nil {
		return nil, fmt.Errorf("column %s: %w", list.name(), err)
	}
	if int64(t.N) != foot.rows {
		return nil, fmt.Errorf("column %s has %d rows, the file claims %d", list.name(), t.N, foot.rows)
	}
	return t, t.leaves(in, foot, func(string) bool { return true })
}

// leaves reads the columns that are wanted.
func (t *Table) leaves(in *source, foot *footer, wanted func(column string) bool) error {
	for _, l := range foot.leaves {
		if l.rep > 0 || len(l.path) != 1 || !wanted(l.path[0]) {
			continue
		}
		if l.kind == physInt96 || l.kind == physFixed || l.isDecimal {
			if slices.Contains(meant, l.path[0]) {
				return fault.New(fault.Data, "cast it to a text or to a number of 64 bits", "column %s is of a type that has no text, such as a decimal", l.name())
			}
			continue
		}
		if t.Columns[l.path[0]] != nil {
			return fmt.Errorf("it has two columns %.40q", l.path[0])
		}
		if err := t.texts(in, foot, l); err != nil {
			return fmt.Errorf("column %.40s: %w", l.name(), err)
		}
	}
	return nil
}

// embeddings is the list of floats that is meant: the one of that name, or the
// only one.
func (f *footer) embeddings() (leaf, error) {
	var found []leaf
	var names []string
	for _, l := range f.leaves {
		names = append(names, l.name())
		if l.floats() {
			if l.path[0] == "embedding" {
				return l, nil
			}
			found = append(found, l)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return leaf{}, fault.New(fault.Data, "name the column of embeddings embedding, a list of float32", "%d of its columns are lists of floats, and none is named embedding: it has %.400s", len(found), strings.Join(names, ", "))
}

// lists reads the embeddings.
func (t *Table) lists(in *source, f *footer, l leaf) error {
	total := int64(0)
	for _, g := range f.groups {
		if err := in.take(g[l.place].values, 8); err != nil {
			return err
		}
		total += g[l.place].values
	}
	t.X = make([]float64, 0, total)
	begun := 0 // values before the row that is being read
	whole := func() error {
		switch n := len(t.X) - begun; {
		case t.N == 0 || t.N == 1 && t.D == 0:
			t.D = n
		case n != t.D:
			return fault.New(fault.Data, "leave out what is not of the others' length", "row %d has %d values, the rows before have %d", t.N-1, n, t.D)
		}
		begun = len(t.X)
		return nil
	}
	for _, g := range f.groups {
		if err := pages(in, l, g[l.place], plainFloats, func(rep, def []byte, values []float64) error {
			for i, r := range rep {
				if r == 0 {
					if err := whole(); err != nil {
						return err
					}
					t.N++
				} else if t.N == 0 {
					return errors.New("its first row begins with a later value")
				}
				if int(def[i]) != l.def {
					return fault.New(fault.Data, "leave the row out", "row %d is empty, or a value in it is missing", t.N-1)
				}
				t.X, values = append(t.X, values[0]), values[1:]
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return whole()
}

// texts reads a column of one value for each row.
func (t *Table) texts(in *source, f *footer, l leaf) error {
	if err := in.take(f.rows, 16); err != nil {
		return err
	}
	column := make([]string, 0, t.N)
	for _, g := range f.groups {
		if err := pages(in, l, g[l.place], plainTexts, func(_, def []byte, values []string) error {
			for _, d := range def {
				s := ""
				if int(d) == l.def {
					s, values = values[0], values[1:]
				}
				column = append(column, s)
			}
			if len(column) > t.N {
				return fmt.Errorf("it has more values than the %d rows", t.N)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if t.Columns[l.path[0]] = column; len(column) != t.N {
		return fmt.Errorf("it has %d values for %d rows", len(column), t.N)
	}
	return nil
}

// readFooter reads what stands at the end of the file.
func readFooter(in *source) (*footer, error) {
	tail := make([]byte, 8)
	if in.size < 12 {
		return nil, errors.New("it ends early")
	}
	if _, err := in.ReadAt(tail, in.size-8); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if string(tail[4:]) != parquetMagic || n > in.size-12 {
		return nil, errors.New("it ends early: its last bytes are not those of Parquet")
	}
	b := make([]byte, n)
	if _, err := in.ReadAt(b, in.size-8-n); err != nil {
		return nil, err
	}
	f := &footer{}
	var schema []element
	c := &compact{b: b}
	c.structure(func(id int64, kind byte) {
		switch {
		case id == 2 && kind == thriftList:
			c.list(func(byte) { schema = append(schema, c.element()) })
		case id == 3 && kind == thriftI64:
			f.rows = c.integer()
		case id == 4 && kind == thriftList:
			c.list(func(byte) { f.groups = append(f.groups, c.group()) })
		case id == 5 && kind == thriftList:
			f.about = About{}
			c.list(func(byte) { c.pair(f.about) })
		default:
			c.skip(kind, false)
		}
	})
	if c.err != nil {
		return nil, c.err
	}
	if len(schema) == 0 {
		return nil, errors.New("it has no schema")
	}
	left, err := f.grow(schema[1:], schema[0].children, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		return nil, errors.New("its schema has columns that belong to none")
	}
	for _, g := range f.groups {
		if len(g) != len(f.leaves) {
			return nil, fmt.Errorf("a group of its rows has %d columns, the schema %d", len(g), len(f.leaves))
		}
		for _, s := range g {
			if s.from < 0 || s.size < 0 || s.from > in.size || s.size > in.size-s.from || s.values < 0 {
				return nil, errors.New("it claims pages beyond its end: it was cut off, or damaged")
			}
		}
	}
	return f, nil
}

// pair reads a key and its value.
func (c *compact) pair(into About) {
	var words [2]string
	c.structure(func(id int64, kind byte) {
		if kind != thriftBinary || id < 1 || id > 2 {
			c.skip(kind, false)
			return
		}
		words[id-1] = string(c.text())
	})
	into[words[0]] = words[1]
}

// An element is a line of the schema.
type element struct {
	name       string
	kind       int64
	repetition int64 // 0 required, 1 optional, 2 repeated
	children   int64
	converted  int64
}

func (c *compact) element() (e element) {
	e.converted = -1
	c.structure(func(id int64, kind byte) {
		switch {
		case id == 4 && kind == thriftBinary:
			e.name = string(c.text())
		case kind == thriftI32 && id <= 6:
			v := c.integer()
			switch id {
			case 1:
				e.kind = v
			case 3:
				e.repetition = v
			case 5:
				e.children = v
			case 6:
				e.converted = v
			}
		default:
			c.skip(kind, false)
		}
	})
	return e
}

// grow makes leaves of the next n elements and of what is below them, and gives
// the elements that are left.
func (f *footer) grow(schema []element, n int64, path []string, rep, def int) ([]element, error) {
	for ; n > 0; n-- {
		if len(schema) == 0 || len(path) > 30 {
			return nil, errors.New("its schema ends early")
		}
		e := schema[0]
		r, d := rep, def
		if e.repetition != 0 {
			d++
		}
		if e.repetition == 2 {
			r++
		}
		at := append(slices.Clip(path), e.name)
		if schema = schema[1:]; e.children > 0 {
			var err error
			if schema, err = f.grow(schema, e.children, at, r, d); err != nil {
				return nil, err
			}
			continue
		}
		const decimals, uint8, uint64 = 5, 11, 14
		f.leaves = append(f.leaves, leaf{path: at, kind: e.kind, rep: r, def: d, place: len(f.leaves),
			isDecimal: e.converted == decimals, isUnsigned: e.converted >= uint8 && e.converted <= uint64})
	}
	return schema, nil
}

// group reads where a group of rows has each leaf's values.
func (c *compact) group() (g []stretch) {
	c.structure(func(id int64, kind byte) {
		if id != 1 || kind != thriftList {
			c.skip(kind, false)
			return
		}
		c.list(func(byte) {
			g = append(g, stretch{from: -1})
			s := &g[len(g)-1]
			c.structure(func(id int64, kind byte) {
				switch {
				case id == 3 && kind == thriftStruct:
					c.stretch(s)
				case id == 1 && kind == thriftBinary && len(c.text()) > 0:
					c.fail(errors.New("its values are in another file"))
				case id == 1 && kind == thriftBinary:
				default:
					c.skip(kind, false)
				}
			})
		})
	})
	return g
}

func (c *compact) stretch(s *stretch) {
	c.structure(func(id int64, kind byte) {
		if kind != thriftI32 && kind != thriftI64 {
			c.skip(kind, false)
			return
		}
		switch v := c.integer(); id {
		case 4:
			s.codec = v
		case 5:
			s.values = v
		case 7:
			s.size = v
		case 9, 11: // the dictionary, if there is one, comes first
			if s.from < 0 || v > 0 && v < s.from {
				s.from = v
			}
		}
	})
}

// levelBits is how many bits a level of at most most takes.
func levelBits(most int) int { return bits.Len(uint(most)) }
