package strict

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize, in bytes, and maxOpen bound what the YAML library is given: its time and
// memory grow with the square of a file's length and of its open brackets, so
// that a megabyte given by mistake takes all memory. The reference, with every
// entry of every table and its comments, has 80 kB.
const (
	MaxSize = 128 << 10
	maxOpen = 256
)

// maxDepth bounds how deep values nest; no section comes near it.
const maxDepth = 32

type kind int

const (
	scalar kind = iota
	list
	section
)

func (k kind) String() string { return [...]string{"a value", "a list", "a section"}[k] }

// A node is a value as it was written.
type node struct {
	kind   kind
	text   string // scalar: without its quotes
	quoted bool   // scalar: in quotes or as a block, hence text whatever it looks like
	broken bool   // already reported; nothing more to say about it
	items  []*node
	fields []*field
	at     origin
}

// A field is a key of a section, in the order of the file.
type field struct {
	key   string
	at    origin // of the key
	value *node
}

func (n *node) get(key string) *node {
	for _, f := range n.fields {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// null tells a value that was left out.
func (n *node) null() bool {
	return n.kind == scalar && !n.quoted && (n.text == "" || n.text == "~" || n.text == "null" || n.text == "Null" || n.text == "NULL")
}

// show is the value as an error quotes it.
func (n *node) show() string {
	switch {
	case n.null():
		return "empty"
	case n.kind == scalar && n.quoted:
		return fmt.Sprintf("the text %q", n.text)
	case n.kind == scalar:
		return n.text
	}
	return n.kind.String()
}

// An origin is where a value was written: a place in a file, or an override.
type origin struct {
	source       *source
	line, column int // from 1, in runes; 0: the source is an override
	width        int // runes that the caret underlines
}

// A source is a file's text, or a flag or variable.
type source struct {
	name  string
	lines []string
}

func (o origin) String() string {
	if o.source == nil {
		return "default"
	}
	if o.line == 0 {
		return o.source.name
	}
	return fmt.Sprintf("%s:%d", o.source.name, o.line)
}

// parse reads YAML text into a tree. What the text cannot say in a config (a
// second document, an anchor, a tag) is a problem and left out of the tree; a
// text that is not YAML has no tree.
func parse(src *source, text []byte) (*node, []Problem) {
	whole := origin{source: src, line: 1, column: 1, width: 1}
	if no := Refuses(text); no != "" {
		return nil, []Problem{{at: whole, text: "the file " + no, hint: "is this a config?"}}
	}
	text = []byte(strings.TrimPrefix(string(text), "\ufeff"))
	src.lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	file, err := parseYAML(text)
	if err != nil {
		var e yaml.Error
		if errors.As(err, &e) && e.GetToken() != nil {
			return nil, []Problem{{at: place(src, e.GetToken()), text: "not YAML: " + e.GetMessage()}}
		}
		return nil, []Problem{{at: whole, text: "not YAML: " + err.Error()}}
	}
	b := treeBuilder{src: src}
	root := &node{kind: section, at: whole}
	for i, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if i > 0 && len(root.fields) > 0 {
			b.problem(b.at(d.Body), "", "a second document; a config is one")
			break
		}
		root = b.node(d.Body, 0)
	}
	return root, b.problems
}

// Refuses says what of a text keeps it from being read, whatever it says; it is
// empty where nothing does. What Encode writes of long values, too, may be
// refused.
func Refuses(text []byte) string {
	if len(text) > MaxSize {
		return fmt.Sprintf("has %d bytes, a config at most %d", len(text), MaxSize)
	}
	if !utf8.Valid(text) {
		return "is not UTF-8 text"
	}
	if open := mostOpen(text); open > maxOpen {
		return fmt.Sprintf("has %d brackets open at once, a config at most %d", open, maxOpen)
	}
	return ""
}

// mostOpen is how many brackets are open at once, at most, if those in quotes
// and comments counted too.
func mostOpen(text []byte) int {
	open, most := 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			open++
			most = max(most, open)
		case ']', '}':
			open = max(0, open-1)
		}
	}
	return most
}

// parseYAML turns a panic of the library into an error: whatever a text is, it
// is the text that is wrong.
func parseYAML(text []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the parser gave up on it")
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

type treeBuilder struct {
	src      *source
	problems []Problem
}

func (b *treeBuilder) problem(at origin, hint, format string, args ...any) {
	b.problems = append(b.problems, Problem{at: at, text: fmt.Sprintf(format, args...), hint: hint})
}

func (b *treeBuilder) node(n ast.Node, depth int) *node {
	out := &node{at: b.at(n)}
	if depth > maxDepth {
		b.problem(out.at, "", "values nest deeper than %d", maxDepth)
		out.broken = true
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		b.fields(out, n.Values, depth)
	case *ast.MappingValueNode:
		b.fields(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			out.items = append(out.items, b.node(v, depth+1))
		}
	case *ast.LiteralNode:
		out.text, out.quoted = n.Value.Value, true
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.MappingKeyNode:
		out.broken = true
		b.problem(out.at, "write the value out", "anchors, aliases, tags and complex keys have no place in a config")
	default:
		t := n.GetToken()
		out.text = t.Value
		out.quoted = t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType
		if t.Type == token.ImplicitNullType {
			out.text = ""
		}
	}
	return out
}

// fields makes out a section. Of a key written twice the first is kept.
func (b *treeBuilder) fields(out *node, values []*ast.MappingValueNode, depth int) {
	out.kind = section
	first := map[string]origin{}
	for _, v := range values {
		t := v.Key.GetToken()
		at := place(b.src, t)
		switch v.Key.(type) {
		case *ast.TagNode, *ast.MergeKeyNode, *ast.MappingKeyNode, *ast.AnchorNode, *ast.AliasNode:
			b.problem(at, "write the keys out", "anchors, aliases, tags and complex keys have no place in a config")
			continue
		}
		value := b.node(v.Value, depth+1)
		if was, twice := first[t.Value]; twice {
			b.problem(at, "remove one of the two", "the key %s is written twice, first in line %d", t.Value, was.line)
			continue
		}
		first[t.Value] = at
		out.fields = append(out.fields, &field{key: t.Value, at: at, value: value})
	}
}

// at is where a node starts; a block section starts at its first key.
func (b *treeBuilder) at(n ast.Node) origin {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return place(b.src, m.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return place(b.src, m.Key.GetToken())
	}
	return place(b.src, n.GetToken())
}

// place is where a token stands, underlined as far as it goes on its line.
func place(src *source, t *token.Token) origin {
	o := origin{source: src, line: t.Position.Line, column: t.Position.Column, width: 1}
	text := t.Value
	if t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
		text = strings.TrimSpace(t.Origin)[:1]
		o.width = utf8.RuneCountInString(t.Value) + 2 // the scanner keeps no text of escapes
	} else if text != "" && !strings.Contains(text, "\n") && t.Type != token.ImplicitNullType {
		o.width = utf8.RuneCountInString(text)
	}
	if o.line <= len(src.lines) { // the scanner does not count tabs between values
		line := []rune(src.lines[o.line-1])
		from := min(o.column-1, len(line))
		if i := strings.Index(string(line[from:]), text); i > 0 {
			o.column += utf8.RuneCountInString(string(line[from:])[:i])
		}
	}
	return o
}
