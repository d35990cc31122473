package strict

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// A Leaf is a value that has no parts, in its canonical form.
type Leaf struct{ Path, Text string }

// Leaves lists every value of a config in order; a list of values is one leaf.
func (s *Schema) Leaves(v any) []Leaf {
	var leaves []Leaf
	for _, l := range s.lines(v) {
		if l.leaf {
			leaves = append(leaves, Leaf{l.path, l.value})
		}
	}
	return leaves
}

// Encode writes a config with every key, in the order of the structs.
// comment, if given, says what to write behind a path's line.
func (s *Schema) Encode(v any, comment func(path string) string) []byte {
	lines := s.lines(v)
	for i := range lines {
		lines[i].doc = ""
		if comment != nil && lines[i].leaf {
			lines[i].doc = comment(lines[i].path)
		}
	}
	return format(lines)
}

// inline writes a value, a section or part too, on one line.
func (s *Schema) inline(v reflect.Value) string {
	var words []string
	switch v.Kind() {
	case reflect.Interface:
		words = append(words, nameKey+": "+s.nameOf(v))
		v = v.Elem()
		fallthrough
	case reflect.Struct:
		for _, k := range keys(v.Type()) {
			words = append(words, k.name+": "+s.inline(v.FieldByIndex(k.index)))
		}
		return "{" + strings.Join(words, ", ") + "}"
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			words = append(words, s.inline(v.Index(i)))
		}
		return "[" + strings.Join(words, ", ") + "]"
	default:
		return scalarText(v)
	}
}

// Reference writes a config with every key, its doc as comments, and below
// each part the other entries of its table, commented out.
func (s *Schema) Reference(v any, preface string) []byte {
	w := writer{schema: s, alternatives: true, shown: map[reflect.Type]bool{}}
	w.section("", reflect.Indirect(reflect.ValueOf(v)), 0)
	return append([]byte(preface), format(w.lines)...)
}

func (s *Schema) lines(v any) []line {
	w := writer{schema: s}
	w.section("", reflect.Indirect(reflect.ValueOf(v)), 0)
	return w.lines
}

// A line of YAML, before comments are aligned.
type line struct {
	indent     int
	key, value string // value is empty where lines follow further in
	doc        string
	path       string
	leaf       bool
	out        bool // commented out
	heading    bool // doc stands on a line of its own above
}

type writer struct {
	schema       *Schema
	alternatives bool
	shown        map[reflect.Type]bool // tables whose entries stand there already
	out          bool
	lines        []line
}

func (w *writer) add(l line) {
	l.out = w.out
	w.lines = append(w.lines, l)
}

// section writes the fields of a struct.
func (w *writer) section(path string, v reflect.Value, indent int) {
	for _, k := range keys(v.Type()) {
		w.value(join(path, k.name), k.name+":", k.doc, v.FieldByIndex(k.index), indent)
	}
}

func (w *writer) value(path, key, doc string, v reflect.Value, indent int) {
	l := line{indent: indent, key: key, path: path, doc: doc}
	switch v.Kind() {
	case reflect.Interface:
		l.heading = indent == 0
		w.add(l)
		w.part(path, v, indent+1)
		if w.alternatives && !w.out {
			w.others(path, key, v, indent)
		}
	case reflect.Struct:
		l.heading = indent == 0
		w.add(l)
		w.section(path, v, indent+1)
	case reflect.Slice, reflect.Array:
		w.list(l, v)
	default:
		l.value, l.leaf = scalarText(v), true
		w.add(l)
	}
}

// part writes the name of a table's entry and its fields.
func (w *writer) part(path string, v reflect.Value, indent int) {
	doc := ""
	if d, ok := v.Interface().(interface{ Doc() string }); ok {
		doc = d.Doc()
	}
	w.add(line{indent: indent, key: nameKey + ":", value: w.schema.nameOf(v), doc: doc, path: join(path, nameKey), leaf: true})
	w.section(path, v.Elem(), indent)
}

// others writes the rest of a part's table, commented out.
func (w *writer) others(path, key string, v reflect.Value, indent int) {
	if w.shown[v.Type()] {
		return
	}
	w.shown[v.Type()] = true
	tab := w.schema.table(v.Type())
	used := w.schema.nameOf(v)
	w.out = true
	for _, name := range tab.names {
		if name != used {
			w.add(line{indent: indent, key: key, path: path})
			w.part(path, w.entry(v.Type(), name), indent+1)
		}
	}
	w.out = false
}

// entry is a table's entry as a value of the table's interface type.
func (w *writer) entry(t reflect.Type, name string) reflect.Value {
	part := reflect.New(t).Elem()
	part.Set(w.schema.table(t).entries[name])
	return part
}

func (w *writer) list(l line, v reflect.Value) {
	parts := v.Type().Elem().Kind() == reflect.Interface
	sections := v.Type().Elem().Kind() == reflect.Struct
	l.heading = l.indent == 0 && (parts || sections)
	if !parts && !sections {
		l.value, l.leaf = w.schema.inline(v), true
		w.add(l)
		return
	}
	if v.Len() == 0 {
		l.value, l.leaf = "[]", true
	}
	w.add(l)
	for i := range v.Len() {
		w.item(joinIndex(l.path, i), v.Index(i), l.indent+1)
	}
	if parts && w.alternatives && !w.out {
		w.out = true
		for _, name := range w.schema.table(v.Type().Elem()).names {
			w.item(l.path, w.entry(v.Type().Elem(), name), l.indent+1)
		}
		w.out = false
	}
}

// item writes a section as an element of a list: its first line carries the dash.
func (w *writer) item(path string, v reflect.Value, indent int) {
	first := len(w.lines)
	if v.Kind() == reflect.Interface {
		w.part(path, v, indent+1)
	} else {
		w.section(path, v, indent+1)
	}
	w.lines[first].indent, w.lines[first].key = indent, "- "+w.lines[first].key
}

// farthest is the column past which a comment is not moved to align it.
const farthest = 40

// format writes lines. The docs of whole sections stand above them, other
// comments behind their line, aligned with those of their neighbours.
func format(lines []line) []byte {
	text := make([]string, len(lines))
	for i, l := range lines {
		text[i] = strings.TrimRight(strings.Repeat("  ", l.indent)+l.key+" "+l.value, " ")
		if l.out {
			text[i] = "# " + text[i]
		}
	}
	var b bytes.Buffer
	for from := 0; from < len(lines); {
		to, column := from, 0
		for ; to < len(lines) && (to == from || !lines[to].starts(lines[to-1])); to++ {
			if n := utf8.RuneCountInString(text[to]); lines[to].doc != "" && n <= farthest {
				column = max(column, n)
			}
		}
		if lines[from].doc != "" && lines[from].heading {
			fmt.Fprintf(&b, "\n# %s\n%s\n", lines[from].doc, text[from])
			from++
		} else if from > 0 && lines[from-1].indent > 0 && lines[from].doc != "" {
			b.WriteString("\n")
		}
		for ; from < to; from++ {
			b.WriteString(text[from])
			if doc := lines[from].doc; doc != "" {
				fmt.Fprintf(&b, "%s  # %s", strings.Repeat(" ", max(0, column-utf8.RuneCountInString(text[from]))), doc)
			}
			b.WriteString("\n")
		}
	}
	return b.Bytes()
}

// starts tells whether a line begins a new group of neighbours.
func (l line) starts(before line) bool {
	return l.heading || l.indent == 0 && !l.out && before.indent > 0
}
