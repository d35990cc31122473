package strict

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Schema knows the tables that parts are picked from.
type Schema struct {
	tables  map[reflect.Type]*table // by the interface type of the part
	foreign map[string]string       // keys of another program's files, by path: what to do
}

// Foreign names keys that people will write because another program knows them,
// with what to do instead.
func (s *Schema) Foreign(keys map[string]string) *Schema {
	s.foreign = keys
	return s
}

// A table is the entries that a part can be.
type table struct {
	names   []string // sorted
	entries map[string]reflect.Value
	nameOf  map[reflect.Type]string
}

// A Table is a table of parts, for New.
type Table struct {
	of reflect.Type
	*table
}

// Of makes a Table of a map from name to defaults. Each entry needs a struct
// type of its own, since it is by its type that a part's name is known.
func Of[T any](entries map[string]T) Table {
	t := Table{reflect.TypeFor[T](), &table{entries: map[string]reflect.Value{}, nameOf: map[reflect.Type]string{}}}
	if t.of.Kind() != reflect.Interface {
		panic(fmt.Sprintf("strict: a table of %s: it must be of an interface type", t.of))
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		v := reflect.ValueOf(entries[name])
		if v.Kind() != reflect.Struct {
			panic(fmt.Sprintf("strict: %s of the table of %s is a %s, not a struct", name, t.of, v.Type()))
		}
		if other, twice := t.nameOf[v.Type()]; twice {
			panic(fmt.Sprintf("strict: %s and %s in the table of %s are both %s", other, name, t.of, v.Type()))
		}
		t.names = append(t.names, name)
		t.entries[name] = v
		t.nameOf[v.Type()] = name
	}
	return t
}

// New makes a Schema over tables.
func New(tables ...Table) *Schema {
	s := &Schema{tables: map[reflect.Type]*table{}}
	for _, t := range tables {
		s.tables[t.of] = t.table
	}
	return s
}

// nameOf is the name under which a part stands in its table. It panics if the
// part is of no entry's type.
func (s *Schema) nameOf(part reflect.Value) string {
	t := s.table(part.Type())
	if part.IsNil() {
		panic(fmt.Sprintf("strict: a part of type %s is nil", part.Type()))
	}
	name, ok := t.nameOf[part.Elem().Type()]
	if !ok {
		panic(fmt.Sprintf("strict: %s is in no table of %s", part.Elem().Type(), part.Type()))
	}
	return name
}

func (s *Schema) table(t reflect.Type) *table {
	if tab, ok := s.tables[t]; ok {
		return tab
	}
	panic(fmt.Sprintf("strict: there is no table of %s", t))
}

// A key is a struct's field as a config knows it.
type key struct {
	name, doc string
	index     []int // for reflect's FieldByIndex
	of        reflect.Type
}

// keys lists the fields of a section, those of embedded structs tagged
// ",inline" in their place.
func keys(t reflect.Type) []key {
	var all []key
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("yaml")
		switch {
		case tag == "-":
			continue
		case f.Anonymous && tag == ",inline":
			for _, k := range keys(f.Type) {
				k.index = append([]int{i}, k.index...)
				all = append(all, k)
			}
			continue
		case !f.IsExported() && !tagged:
			continue
		case !f.IsExported(), !tagged, tag == "", tag != strings.ToLower(tag), strings.ContainsAny(tag, ". ,"):
			panic(fmt.Sprintf("strict: field %s of %s needs to be exported, with a lower-case yaml tag", f.Name, t))
		}
		all = append(all, key{name: tag, doc: f.Tag.Get("doc"), index: f.Index, of: f.Type})
	}
	return all
}

// nameKey is the key that picks a table's entry.
const nameKey = "name"

// known lists the keys of a section or part, for an error to show.
func known(t reflect.Type, part bool) []string {
	var names []string
	if part {
		names = append(names, nameKey)
	}
	for _, k := range keys(t) {
		names = append(names, k.name)
	}
	return names
}

// A place says what kind of value stands at a path.
type placeKind int

const (
	atValue placeKind = iota
	atList            // of values
	atParts           // list of parts
	atSection
)

// Paths lists every path that a config of v's type may hold, over all entries
// of all tables; a position in a list is a star. Sorted.
func (s *Schema) Paths(v any) []string {
	return slices.Sorted(maps.Keys(s.places(reflect.TypeOf(v))))
}

func (s *Schema) places(t reflect.Type) map[string]placeKind {
	a := placed{s, map[string]placeKind{}, map[reflect.Type]int{}}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	a.add("", t)
	delete(a.all, "")
	return a.all
}

// placed gathers places.
type placed struct {
	*Schema
	all    map[string]placeKind
	inside map[reflect.Type]int // parts that the path leads through
}

// nested is how often a path may lead through parts of one table: a part may
// hold another of its own table, which by type goes on for ever. What lies
// deeper can be written in a file, but has no path of its own.
const nested = 2

func (s placed) add(path string, t reflect.Type) {
	all := s.all
	switch t.Kind() {
	case reflect.Interface:
		all[path] = atSection
		all[join(path, nameKey)] = atValue
		if s.inside[t] == nested {
			return
		}
		s.inside[t]++
		tab := s.table(t)
		for _, name := range tab.names {
			s.add(path, tab.entries[name].Type())
		}
		s.inside[t]--
	case reflect.Struct:
		if all[path] = atSection; t == treeType {
			all[path] = atValue
		}
		for _, k := range keys(t) {
			s.add(join(path, k.name), k.of)
		}
	case reflect.Slice, reflect.Array:
		all[path] = atList
		if e := t.Elem().Kind(); e == reflect.Interface || e == reflect.Struct {
			all[path] = atParts
		}
		s.add(join(path, "*"), t.Elem())
	default:
		all[path] = atValue
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent cuts the last word off a path.
func parent(path string) (up, key string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)], path[i+1:]
}

func isIndex(word string) bool {
	_, err := strconv.ParseUint(word, 10, 31)
	return err == nil
}

func joinIndex(path string, i int) string { return join(path, strconv.Itoa(i)) }

// general is a path with its list positions as stars.
func general(path string) string {
	words := strings.Split(path, ".")
	for i, w := range words {
		if isIndex(w) {
			words[i] = "*"
		}
	}
	return strings.Join(words, ".")
}

// byLength puts parents before their children.
func byLength(a, b string) int {
	return cmp.Or(strings.Count(a, ".")-strings.Count(b, "."), strings.Compare(a, b))
}
