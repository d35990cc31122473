package strict

import (
	"reflect"
	"strings"
	"unicode"

	"clr/internal/fault"
)

// A Document remembers where each value of a decoded config was written.
type Document struct {
	src     *source
	origins map[string]origin
	bad     map[string]bool
	places  map[string]placeKind
}

// Decode reads a file's text, lays the overrides over it, and decodes both
// over the defaults that into points to. A value with a problem keeps its
// default. name is the file's, as errors show it.
func (s *Schema) Decode(name string, text []byte, o Overrides, into any) (*Document, Problems) {
	v := reflect.ValueOf(into).Elem()
	src := &source{name: name}
	root, problems := parse(src, text)
	d := &decoder{schema: s, problems: problems, places: s.places(v.Type()), paths: s.Paths(into), origins: map[string]origin{}, bad: map[string]bool{}}
	doc := &Document{src: src, origins: d.origins, bad: d.bad, places: d.places}
	if root == nil {
		return doc, sorted(d.problems)
	}
	if root.kind == section {
		d.layer(root, o)
	}
	d.value("", root, v)
	return doc, sorted(d.problems)
}

// Origin says where a path's value comes from: "file:line", the flag or
// variable, or "default".
func (d *Document) Origin(path string) string { return d.origins[path].String() }

// Given tells whether the file, or an override, has the path.
func (d *Document) Given(path string) bool {
	_, ok := d.origins[path]
	return ok
}

// Overridden tells whether a path's value comes from a flag or a variable.
func (d *Document) Overridden(path string) bool {
	at, ok := d.origins[path]
	return ok && at.line == 0
}

// Bad tells whether something at or below a path could not be decoded.
func (d *Document) Bad(path string) bool {
	for p := range d.bad {
		if p == path || strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// Locate makes a problem of an error about the value at a path. If the error
// names a key of that section, the problem points at this key.
func (d *Document) Locate(path string, err error) Problem {
	text := err.Error()
	at := path
	words := strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, w := range words {
		if p := join(at, w); w != nameKey {
			if kind, ok := d.places[general(p)]; ok {
				at = p
				if kind != atSection {
					break
				}
			}
		}
	}
	if path != "" && !strings.HasPrefix(text, path) {
		text = path + ": " + text
	}
	return Problem{at: d.nearest(at), text: text, hint: fault.Remedy(err)}
}

// nearest is where a path's value was written or, for a default, the section
// it belongs to.
func (d *Document) nearest(path string) origin {
	for p := path; p != ""; p, _ = parent(p) {
		if at, ok := d.origins[p]; ok {
			if name, ok := d.origins[join(p, nameKey)]; ok {
				return name
			}
			return at
		}
	}
	return origin{source: d.src}
}

// Refused is all that is wrong with a file, in its order and those of overrides last,
// as a Usage error; nil where nothing is.
func (p Problems) Refused(name string) error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return fault.New(fault.Usage, "", "%w", p)
	}
	return fault.New(fault.Usage, "", "%d problems with %s\n%w", len(p), name, sorted(p))
}
