package embedding

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"clr/internal/fault"
)

const (
	pageBytes     = 1 << 20 // of embeddings
	pagesOfGroup  = 64
	mostGroupRows = 1 << 16
	embeddingName = "embedding"
)

// A parquetWriter writes groups of rows: of each column a page, and the embeddings
// in pages of a MiB, as they come. Nothing is packed, for embeddings do not
// become smaller by it.
type parquetWriter struct {
	rows
	w       io.Writer
	at      int64 // bytes written
	n       int
	names   []string
	kinds   []kind
	columns Columns
	about   About

	page     []float32
	pageRows int
	perGroup int
	begun    int // rows in groups before this one
	groups   []groupEnd
}

// A groupEnd is a group that is written.
type groupEnd struct {
	rows   int
	chunks []chunkEnd // the columns', then the embeddings'
}

type chunkEnd struct{ from, bytes, values int64 }

func newParquet(w io.Writer, n, d int, columns Columns, about About) (*parquetWriter, error) {
	if columns[embeddingName] != nil {
		return nil, fault.New(fault.Usage, "rename the manifest's column, or use another format", "a column is named %s, which is the embeddings' in a Parquet file", embeddingName)
	}
	p := &parquetWriter{rows: rows{n, d}, w: w, n: n, columns: columns, about: about, names: slices.Sorted(maps.Keys(columns))}
	for _, name := range p.names {
		p.kinds = append(p.kinds, kindOf(name, columns[name]))
	}
	p.pageRows = max(1, pageBytes/(4*d))
	p.perGroup = min(pagesOfGroup*p.pageRows, mostGroupRows)
	return p, p.put([]byte(parquetMagic))
}

// WriteColumns writes a table without embeddings as Parquet, columns in the order of
// their names: those in which all that is not empty are numbers as doubles, others as
// texts.
func WriteColumns(w io.Writer, names []string, columns Columns) error {
	p := &parquetWriter{w: w, names: names, columns: columns}
	for _, name := range names {
		p.n = len(columns[name])
		k, seen := reals, false
		for _, v := range columns[name] {
			if _, err := strconv.ParseFloat(v, 64); v != "" && err != nil {
				k = texts
			}
			seen = seen || v != ""
		}
		if !seen {
			k = texts
		}
		p.kinds = append(p.kinds, k)
	}
	if err := p.put([]byte(parquetMagic)); err != nil {
		return err
	}
	p.perGroup = mostGroupRows
	for written := 0; written < p.n; {
		if err := p.begin(); err != nil {
			return err
		}
		g := &p.groups[len(p.groups)-1]
		g.rows = min(p.perGroup, p.n-written)
		written += g.rows
	}
	return p.end()
}

// leaves is how many columns there are, that of the embeddings too where there are any.
func (p *parquetWriter) leaves() int {
	if p.d == 0 {
		return len(p.names)
	}
	return len(p.names) + 1
}

func (p *parquetWriter) put(b []byte) error {
	_, err := p.w.Write(b)
	p.at += int64(len(b))
	return err
}

func (p *parquetWriter) Write(x []float32) error {
	if err := p.add(x); err != nil {
		return err
	}
	for row := range slices.Chunk(x, p.d) {
		if len(p.groups) == 0 || p.groups[len(p.groups)-1].rows == p.perGroup {
			if err := p.begin(); err != nil {
				return err
			}
		}
		g := &p.groups[len(p.groups)-1]
		p.page = append(p.page, row...)
		g.rows++
		if len(p.page) == p.pageRows*p.d || g.rows == p.perGroup || p.begun+g.rows == p.n {
			if err := p.flush(&g.chunks[len(p.names)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin writes the columns of the next group.
func (p *parquetWriter) begin() error {
	if k := len(p.groups); k > 0 {
		p.begun += p.groups[k-1].rows
	}
	g := groupEnd{chunks: make([]chunkEnd, p.leaves())}
	end := min(p.n, p.begun+p.perGroup)
	for i, name := range p.names {
		g.chunks[i].from = p.at
		if err := p.putPage(&g.chunks[i], end-p.begun, columnPage(p.columns[name][p.begun:end], p.kinds[i])); err != nil {
			return err
		}
	}
	if p.d > 0 {
		g.chunks[len(p.names)].from = p.at
	}
	p.groups = append(p.groups, g)
	return nil
}

// columnPage is a page of one value a row, or none where it is empty.
func columnPage(values []string, k kind) []byte {
	there := binary.AppendUvarint(nil, uint64((len(values)+7)/8)<<1|1)
	head := len(there)
	there = append(there, make([]byte, (len(values)+7)/8)...)
	var b []byte
	for i, v := range values {
		if v == "" {
			continue
		}
		there[head+i/8] |= 1 << (i % 8)
		switch k {
		case integers, reals:
			b = k.appendNumber(b, v)
		default:
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
		}
	}
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(there))), there...), b...)
}

// flush writes the page of embeddings: where each row begins, that no value is
// missing, and the values.
func (p *parquetWriter) flush(c *chunkEnd) error {
	var rep []byte
	for range len(p.page) / p.d {
		rep = append(rep, 1<<1, 0)
		if p.d > 1 {
			rep = append(binary.AppendUvarint(rep, uint64(p.d-1)<<1), 1)
		}
	}
	def := append(binary.AppendUvarint(nil, uint64(len(p.page))<<1), 1)
	b := append(binary.LittleEndian.AppendUint32(nil, uint32(len(rep))), rep...)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(def))), def...)
	for _, v := range p.page {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	n := len(p.page)
	p.page = p.page[:0]
	return p.putPage(c, n, b)
}

func (p *parquetWriter) putPage(c *chunkEnd, values int, b []byte) error {
	var t compactWriter
	t.begin()
	t.i32(1, pageData)
	t.i32(2, int64(len(b)))
	t.i32(3, int64(len(b)))
	t.i32(4, int64(int32(crc32.ChecksumIEEE(b))))
	t.field(5, thriftStruct)
	t.begin()
	t.i32(1, int64(values))
	t.i32(2, plainEncoding)
	t.i32(3, runsEncoding)
	t.i32(4, runsEncoding)
	t.end()
	t.end()
	c.values += int64(values)
	c.bytes += int64(len(t.b) + len(b))
	if err := p.put(t.b); err != nil {
		return err
	}
	return p.put(b)
}

// Close ends the table.
func (p *parquetWriter) Close() error {
	if err := p.done(); err != nil {
		return err
	}
	return p.end()
}

// end writes the footer.
func (p *parquetWriter) end() error {
	b := p.footer()
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	return p.put(append(b, parquetMagic...))
}

// logical writes what a physical type means: the old way, and as the member of
// a union.
func (t *compactWriter) logical(converted int64, member int) {
	t.i32(6, converted)
	t.field(10, thriftStruct)
	t.begin()
	t.field(member, thriftStruct)
	t.begin()
	t.end()
	t.end()
}

func (p *parquetWriter) footer() []byte {
	const required, optional, repeated = 0, 1, 2
	var t compactWriter
	t.begin()
	t.i32(1, 1) // version
	elements := len(p.names) + 1
	if p.d > 0 {
		elements += 3
	}
	t.list(2, thriftStruct, elements)
	element := func(name string, kind, repetition, children int64, more func()) {
		t.begin()
		if kind >= 0 {
			t.i32(1, kind)
		}
		if repetition >= 0 {
			t.i32(3, repetition)
		}
		t.field(4, thriftBinary)
		t.text(name)
		if children > 0 {
			t.i32(5, children)
		}
		more()
		t.end()
	}
	nothing := func() {}
	element("schema", -1, -1, int64(p.leaves()), nothing)
	physical := map[kind]int64{texts: physBytes, integers: physInt64, reals: physDouble}
	for i, name := range p.names {
		element(name, physical[p.kinds[i]], optional, 0, func() {
			if p.kinds[i] == texts {
				t.logical(0, 1)
			}
		})
	}
	if p.d > 0 {
		element(embeddingName, -1, required, 1, func() { t.logical(3, 3) })
		element("list", -1, repeated, 1, nothing)
		element("element", physFloat, required, 0, nothing)
	}
	t.i64(3, int64(p.n))
	t.list(4, thriftStruct, len(p.groups))
	for _, g := range p.groups {
		t.begin()
		t.list(1, thriftStruct, len(g.chunks))
		size := int64(0)
		for i, c := range g.chunks {
			size += c.bytes
			path, kind := []string{embeddingName, "list", "element"}, int64(physFloat)
			if i < len(p.names) {
				path, kind = []string{p.names[i]}, physical[p.kinds[i]]
			}
			t.begin()
			t.i64(2, c.from)
			t.field(3, thriftStruct)
			t.begin()
			t.i32(1, kind)
			t.list(2, thriftI32, 2)
			t.integer(plainEncoding)
			t.integer(runsEncoding)
			t.list(3, thriftBinary, len(path))
			for _, s := range path {
				t.text(s)
			}
			t.i32(4, 0) // not packed
			t.i64(5, c.values)
			t.i64(6, c.bytes)
			t.i64(7, c.bytes)
			t.i64(9, c.from)
			t.end()
			t.end()
		}
		t.i64(2, size)
		t.i64(3, int64(g.rows))
		t.end()
	}
	if len(p.about) > 0 {
		t.list(5, thriftStruct, len(p.about))
		for _, key := range slices.Sorted(maps.Keys(p.about)) {
			t.begin()
			t.field(1, thriftBinary)
			t.text(key)
			t.field(2, thriftBinary)
			t.text(p.about[key])
			t.end()
		}
	}
	t.field(6, thriftBinary)
	t.text("clr")
	t.end()
	return t.b
}
