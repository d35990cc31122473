package strict

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A decoder fills values from a tree and gathers what is wrong.
type decoder struct {
	schema   *Schema
	places   map[string]placeKind // every path that the config may hold
	paths    []string             // the same, sorted
	problems []Problem
	origins  map[string]origin // of every value written, by path
	bad      map[string]bool   // paths with a problem
}

func (d *decoder) problem(path string, at origin, hint, format string, args ...any) {
	d.bad[path] = true
	d.problems = append(d.problems, Problem{at: at, text: fmt.Sprintf(format, args...), hint: hint})
}

// value decodes n over v, which holds the default and keeps it where n is wrong.
func (d *decoder) value(path string, n *node, v reflect.Value) {
	d.origins[path] = n.at
	if n.broken {
		d.bad[path] = true
		return
	}
	if v.Type() == treeType {
		v.Set(reflect.ValueOf(Tree{n, n.at}))
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		d.part(path, n, v)
	case reflect.Struct:
		if d.isSection(path, n, "") {
			d.fields(path, n, v, "", nil)
		}
	case reflect.Slice, reflect.Array:
		d.list(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) isSection(path string, n *node, example string) bool {
	if n.kind == section {
		return true
	}
	if n.null() { // "method:" with nothing below it would silently mean all defaults
		d.problem(path, n.at, "remove it to take the defaults", "%s is empty; it is a section", path)
		return false
	}
	if example == "" {
		example = label(path) + " {key: value}"
	}
	if path == "" {
		example = "key: value"
	}
	d.problem(path, n.at, "write "+example, "%s is a section with keys of its own, not %s", orFile(path), n.show())
	return false
}

func orFile(path string) string {
	if path == "" {
		return "a config"
	}
	return path
}

// part decodes a section whose name picks the entry of a table.
func (d *decoder) part(path string, n *node, v reflect.Value) {
	tab := d.schema.table(v.Type())
	what := sectionName(path)
	if !d.isSection(path, n, fmt.Sprintf("%s {name: %s}", label(path), exampleName(n, tab))) {
		return
	}
	entry, name := v.Elem(), ""
	if !v.IsNil() {
		name = d.schema.nameOf(v)
	}
	if given := n.get(nameKey); given != nil {
		d.origins[join(path, nameKey)] = given.at
		if given.kind != scalar || given.null() {
			d.problem(path, given.at, "one of "+strings.Join(tab.names, ", "), "name is %s; it says which %s to use", given.show(), what)
			return
		}
		picked, ok := tab.entries[given.text]
		if !ok {
			d.problem(path, given.at, "one of "+strings.Join(tab.names, ", "), "%s: there is none named %s%s", what, given.text, didYouMean(given.text, tab.names))
			return
		}
		if given.text != name {
			entry, name = picked, given.text
		}
	}
	if name == "" {
		d.problem(path, n.at, "give one of "+strings.Join(tab.names, ", "), "this entry of %s has no name", what)
		return
	}
	fresh := reflect.New(entry.Type()).Elem()
	fresh.Set(entry)
	d.fields(path, n, fresh, name, tab)
	v.Set(fresh)
}

// exampleName is what a person probably meant who wrote "method: moco".
func exampleName(n *node, tab *table) string {
	if _, ok := tab.entries[n.text]; ok && n.kind == scalar {
		return n.text
	}
	return tab.names[0]
}

// label is how a path's value is introduced in YAML.
func label(path string) string {
	_, key := parent(path)
	if isIndex(key) {
		return "-"
	}
	return key + ":"
}

// fields decodes the keys of a section into the struct v; part is its name in
// the table tab, if it has one.
func (d *decoder) fields(path string, n *node, v reflect.Value, part string, tab *table) {
	byName := map[string]key{}
	for _, k := range keys(v.Type()) {
		byName[k.name] = k
	}
	for _, f := range n.fields {
		if part != "" && f.key == nameKey {
			continue
		}
		at := join(path, f.key)
		k, ok := byName[f.key]
		if hint, foreign := d.schema.foreign[general(at)]; !ok && foreign {
			d.problem(path, f.at, hint, "the key %s means nothing here", f.key)
			continue
		}
		if !ok {
			d.unknown(path, f, v.Type(), part, tab)
			continue
		}
		to := v.FieldByIndex(k.index)
		d.value(at, f.value, to)
		if k.of == treeType {
			to.Set(reflect.ValueOf(Tree{f.value, f.at}))
		}
	}
}

// unknown reports a key that the section does not have, and where it belongs.
func (d *decoder) unknown(path string, f *field, section reflect.Type, part string, tab *table) {
	where := "at the top level"
	switch {
	case part != "":
		where = fmt.Sprintf("in %s %s", sectionName(path), part)
	case path != "":
		where = "in " + path
	}
	names := known(section, part != "")
	meant := didYouMean(f.key, names)
	if meant == "" {
		meant = d.elsewhere(f.key, path, tab)
	}
	hint := "it has no keys"
	if len(names) > 0 {
		hint = "known keys: " + strings.Join(names, ", ")
	}
	d.problem(path, f.at, hint, "unknown key %s %s%s", f.key, where, meant)
}

func didYouMean(word string, names []string) string {
	if near := Nearest(word, names); near != "" && near != word {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// scalar decodes a number, text or truth value.
func (d *decoder) scalar(path string, n *node, v reflect.Value) {
	if n.kind != scalar {
		d.problem(path, n.at, "", "%s needs %s, not %s", path, wants(v.Type()), n.show())
		return
	}
	if err := setScalar(v, n); err != "" {
		d.problem(path, n.at, "", "%s %s", path, err)
	}
}

// list decodes a list; it replaces the default as a whole.
func (d *decoder) list(path string, n *node, v reflect.Value) {
	if n.kind != list {
		hint := ""
		if n.kind == scalar && v.Kind() == reflect.Slice {
			hint = fmt.Sprintf("write [%s]", n.text)
		}
		d.problem(path, n.at, hint, "%s needs %s, not %s", path, wants(v.Type()), n.show())
		return
	}
	if v.Kind() == reflect.Array && v.Len() != len(n.items) {
		d.problem(path, n.at, "", "%s needs %s, this one has %d", path, wants(v.Type()), len(n.items))
		return
	}
	fresh := reflect.New(v.Type()).Elem()
	if v.Kind() == reflect.Slice {
		fresh.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	}
	failed := len(d.problems)
	for i, item := range n.items {
		d.value(joinIndex(path, i), item, fresh.Index(i))
	}
	if len(d.problems) > failed { // an element may have stayed nil
		d.bad[path] = true
		return
	}
	v.Set(fresh)
}

// elsewhere says which entries of the same table, or else which sections, know
// a key: the commonest mistakes are a key of another method and a key indented
// wrongly.
func (d *decoder) elsewhere(word, path string, tab *table) string {
	var in []string
	if tab != nil {
		for _, name := range tab.names {
			if slices.Contains(known(tab.entries[name].Type(), true), word) {
				in = append(in, sectionName(path)+" "+name)
			}
		}
	}
	if len(in) == 0 {
		for _, p := range d.paths {
			up, key := parent(p)
			if key == word && up != general(path) && !strings.Contains(up, "*") {
				in = append(in, orFile(up))
			}
		}
	}
	if len(in) == 0 || len(in) > 3 {
		return ""
	}
	return "; it is a key of " + strings.Join(in, ", ")
}

// sectionName is what a path's section is called: the last word of the path
// that is no position in a list.
func sectionName(path string) string {
	for path != "" {
		up, key := parent(path)
		if !isIndex(key) {
			return key
		}
		path = up
	}
	return "config"
}
