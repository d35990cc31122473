package strict

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A Tree is a value as it was written, for a file whose keys no struct can list:
// one that names keys of another file. A field of this type takes anything. The
// zero Tree is what was left out.
type Tree struct {
	n  *node
	at origin // of its key, where it has one
}

var treeType = reflect.TypeFor[Tree]()

// A Branch is a key of a section, and what stands there.
type Branch struct {
	Key   string
	Value Tree
}

// Given says whether there is anything.
func (t Tree) Given() bool { return t.n != nil && !t.n.null() }

// Branches are a section's keys in the order of the file; ok: it is a section.
func (t Tree) Branches() (all []Branch, ok bool) {
	if t.n == nil || t.n.kind != section {
		return nil, false
	}
	for _, f := range t.n.fields {
		all = append(all, Branch{f.key, Tree{f.value, f.at}})
	}
	return all, true
}

// Items are a list's; ok: it is a list.
func (t Tree) Items() (all []Tree, ok bool) {
	if t.n == nil || t.n.kind != list {
		return nil, false
	}
	for _, item := range t.n.items {
		all = append(all, Tree{item, item.at})
	}
	return all, true
}

// Number is the number that it is; ok: it is one. whole: it is written as a whole
// number is.
func (t Tree) Number() (v float64, whole, ok bool) {
	if t.n == nil || t.n.kind != scalar || setScalar(reflect.ValueOf(&v).Elem(), t.n) != "" {
		return 0, false, false
	}
	return v, integerText.MatchString(t.n.text), true
}

// With is another value that stands in the same place.
func (t Tree) With(text string) Tree {
	at := t.at
	if t.n != nil {
		at = t.n.at
	}
	return Tree{&node{text: text, at: at}, t.at}
}

// Of is the value as that of another's key: what is wrong with the key shows there.
func (t Tree) Of(key Tree) Tree { return Tree{t.n, key.at} }

// Text is the value on one line, as YAML.
func (t Tree) Text() string {
	if t.n == nil {
		return ""
	}
	return t.n.flow()
}

func (n *node) flow() string {
	var parts []string
	switch n.kind {
	case list:
		for _, i := range n.items {
			parts = append(parts, i.flow())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case section:
		for _, f := range n.fields {
			parts = append(parts, quote(f.key)+": "+f.value.flow())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	if n.quoted {
		return quote(n.text)
	}
	if !plainText.MatchString(n.text) && !floatText.MatchString(n.text) { // a comma, say, would end it within brackets
		return strconv.Quote(n.text)
	}
	return n.text
}

// Wrong is a problem with the value, and what to do about it.
func (t Tree) Wrong(hint, format string, args ...any) Problem {
	at := t.at
	if t.n != nil {
		at = t.n.at
	}
	return Problem{at: at, text: fmt.Sprintf(format, args...), hint: hint}
}

// WrongKey is Wrong, of the value's key.
func (t Tree) WrongKey(hint, format string, args ...any) Problem {
	return Problem{at: t.at, text: fmt.Sprintf(format, args...), hint: hint}
}

// DecodeTree decodes a section that stands in a Tree over the defaults that into
// points to; path is how problems call it.
func (s *Schema) DecodeTree(path string, t Tree, into any) Problems {
	v := reflect.ValueOf(into).Elem()
	d := &decoder{schema: s, places: s.places(v.Type()), origins: map[string]origin{}, bad: map[string]bool{}}
	d.paths = s.Paths(into)
	n := t.n
	if n == nil {
		n = &node{at: t.at}
	}
	d.value(path, n, v)
	return sorted(d.problems)
}

// clone is a copy of which no part is shared, for a tree that is changed.
func (n *node) clone() *node {
	c := *n
	c.items, c.fields = nil, nil
	for _, i := range n.items {
		c.items = append(c.items, i.clone())
	}
	for _, f := range n.fields {
		c.fields = append(c.fields, &field{f.key, f.at, f.value.clone()})
	}
	return &c
}
