package strict

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

// Overrides are what a person sets beside the file, strongest last: Env holds
// environment variables as KEY=value, of which those count that have the prefix
// and are not empty, and Set holds path=value.
type Overrides struct {
	Env, Set []string
	Put      []Put
	Prefix   string   // of the variables, e.g. "CLR_"
	Not      []string // variables with the prefix that are no settings
}

// A Put is a value for a path that another file says, strongest of all; what is
// wrong with it is shown there.
type Put struct {
	Path  string
	Value Tree
}

// SetFlag is the flag that overrides come from, as errors name it.
const SetFlag = "--set"

// An override is a value for a path, from a flag or a variable.
type override struct {
	path  string
	value *node
}

// layer writes the overrides into the file's tree. Sections merge key by key,
// unless an override gives one another name: the keys of the part that the file
// chose mean nothing to another. Everything else replaces.
//
// viper decides which override wins where both layers set a path or one lies
// inside the other. It is given nothing else: it lower-cases keys and keeps no
// positions, so file and defaults stay in the tree that is decoded strictly.
func (d *decoder) layer(root *node, o Overrides) {
	v := viper.New()
	for _, one := range d.variables(o) {
		d.stage(v, v.SetDefault, one)
	}
	for _, one := range append(d.flags(o), d.puts(o)...) {
		d.stage(v, v.Set, one)
	}
	winners := v.AllKeys()
	slices.SortFunc(winners, byLength)
	for _, path := range winners {
		if up, key := parent(path); key == "name" {
			root.rename(up, v.Get(path).(*node))
		}
	}
	for _, path := range winners {
		n := v.Get(path).(*node)
		if hint, err := root.put(path, n); err != "" {
			d.problem(path, n.at, hint, "%s", err)
		}
	}
}

// stage puts an override into a layer. Inside a list that an earlier override
// set as a whole it changes that list, since viper cannot look into it.
func (d *decoder) stage(v *viper.Viper, set func(string, any), o override) {
	for up, _ := parent(o.path); up != ""; up, _ = parent(up) {
		if whole, ok := v.Get(up).(*node); ok {
			if hint, err := whole.put(strings.TrimPrefix(o.path, up+"."), o.value); err != "" {
				d.problem(o.path, o.value.at, hint, "%s", err)
			}
			return
		}
	}
	set(o.path, o.value)
}

// rename empties the section at a path if it has another name.
func (n *node) rename(path string, name *node) {
	for key := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(key); err == nil && n.kind == list && i < len(n.items) {
			n = n.items[i]
		} else if n = n.get(key); n == nil {
			return
		}
	}
	if was := n.get("name"); was != nil && was.text != name.text {
		n.fields = nil
	}
}

// put sets the value at a path below n, making sections that are not there.
func (n *node) put(path string, value *node) (hint, mistake string) {
	key, rest, inner := strings.Cut(path, ".")
	if isIndex(key) {
		i, _ := strconv.Atoi(key)
		switch {
		case n.kind != list:
			return "set the whole list", fmt.Sprintf("there is no list with an entry %d", i)
		case i >= len(n.items):
			return "entries count from 0; set the whole list to make it longer", fmt.Sprintf("there is no entry %d in a list of %d", i, len(n.items))
		case !inner:
			n.items[i] = value
			return "", ""
		}
		return n.items[i].put(rest, value)
	}
	if n.kind != section {
		return "", "" // the decoder reports what stands in a section's place
	}
	for _, f := range n.fields {
		switch {
		case f.key != key:
		case inner:
			return f.value.put(rest, value)
		default:
			f.value = value
			return "", ""
		}
	}
	f := &field{key: key, at: value.at, value: value}
	if inner {
		if first, _, _ := strings.Cut(rest, "."); isIndex(first) {
			return "set the whole list", fmt.Sprintf("the file has no list %s to change an entry of", key)
		}
		f.value = &node{kind: section, at: value.at}
		n.fields = append(n.fields, f)
		return f.value.put(rest, value)
	}
	n.fields = append(n.fields, f)
	return "", ""
}

// flags makes out the values of --set.
func (d *decoder) flags(o Overrides) []override {
	var all []override
	for _, text := range o.Set {
		at := origin{source: &source{name: SetFlag + " " + text}}
		path, value, ok := strings.Cut(text, "=")
		if !ok {
			d.problem("", at, "write "+SetFlag+" batch=64", "there is no = in it")
			continue
		}
		path = strings.TrimSpace(path)
		if _, ok := d.places[general(path)]; !ok {
			d.problem("", at, "see clr config show for all keys", "unknown key %s%s", path, d.meantPath(path))
			continue
		}
		all = append(all, d.override(path, value, at)...)
	}
	return all
}

// meantPath is didYouMean for paths, with the list positions that were given.
func (d *decoder) meantPath(path string) string {
	meant := didYouMean(general(path), d.paths)
	for _, w := range strings.Split(path, ".") {
		if isIndex(w) {
			meant = strings.Replace(meant, "*", w, 1)
		}
	}
	return meant
}

// variables makes out the environment, parents before children.
func (d *decoder) variables(o Overrides) []override {
	set := map[string]string{} // path → value
	for _, text := range o.Env {
		name, value, _ := strings.Cut(text, "=")
		if value == "" || o.Prefix == "" || !strings.HasPrefix(name, o.Prefix) || slices.Contains(o.Not, name) {
			continue
		}
		path, ok := d.pathOf(strings.TrimPrefix(name, o.Prefix))
		if !ok {
			d.problem("", origin{source: &source{name: name}}, "unset it; variables that begin with "+o.Prefix+" are settings",
				"there is no such setting%s", didYouMean(name, d.variableNames(o)))
			continue
		}
		set[path] = value
	}
	var all []override
	for _, path := range slices.SortedFunc(maps.Keys(set), byLength) {
		all = append(all, d.override(path, set[path], origin{source: &source{name: o.Prefix + variable(path)}})...)
	}
	return all
}

// variable is a path as part of a variable's name.
func variable(path string) string {
	return strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func (d *decoder) variableNames(o Overrides) []string {
	var names []string
	for _, p := range d.paths {
		if !strings.Contains(p, "*") {
			names = append(names, o.Prefix+variable(p))
		}
	}
	return append(names, o.Not...)
}

// pathOf finds the path that a variable means. Underscores stand in keys and
// between them, so it is looked up among the known paths.
func (d *decoder) pathOf(name string) (string, bool) {
	for _, p := range d.paths {
		if path, ok := match(p, name); ok {
			return path, true
		}
	}
	return "", false
}

// match fits a variable's name to a path with stars.
func match(pattern, name string) (string, bool) {
	key, rest, inner := strings.Cut(pattern, ".")
	word := strings.ToUpper(key)
	if key == "*" {
		word = name[:len(name)-len(strings.TrimLeft(name, "0123456789"))]
		if !isIndex(word) {
			return "", false
		}
		key = word
	}
	after, ok := strings.CutPrefix(name, word)
	switch {
	case !ok:
		return "", false
	case !inner:
		return key, after == ""
	}
	if after, ok = strings.CutPrefix(after, "_"); !ok {
		return "", false
	}
	below, ok := match(rest, after)
	return join(key, below), ok
}

// override parses a value: YAML where it begins like a list, section or quoted
// text, and otherwise the text itself. A section becomes one override a value.
func (d *decoder) override(path, text string, at origin) []override {
	text = strings.TrimSpace(text)
	if no := Refuses([]byte(text)); no != "" {
		d.problem(path, at, "", "the value %s", no)
		return nil
	}
	n := &node{text: text, at: at, quoted: text == ""}
	if text != "" && strings.ContainsRune(`[{"'`, rune(text[0])) {
		inner := &source{name: at.source.name}
		tree, problems := parse(inner, []byte(text))
		for _, p := range problems {
			d.problem(path, at, p.hint, "%s", p.text)
		}
		if len(problems) > 0 {
			return nil
		}
		tree.setOrigin(at)
		n = tree
	}
	return d.whole(path, n)
}

// whole is a value's overrides, where the path may have such a value.
func (d *decoder) whole(path string, n *node) []override {
	if d.places[general(path)] == atSection && n.kind != section {
		d.problem(path, n.at, "set a key of it, such as "+d.firstKey(general(path)), "%s is a section with keys of its own", path)
		return nil
	}
	return d.spread(path, n)
}

// puts makes out the values that another file says.
func (d *decoder) puts(o Overrides) []override {
	var all []override
	for _, p := range o.Put {
		if _, ok := d.places[general(p.Path)]; !ok {
			d.problem("", p.Value.at, "clr config reference shows all keys", "unknown key %s%s", p.Path, d.meantPath(p.Path))
			continue
		}
		all = append(all, d.whole(p.Path, p.Value.n.clone())...)
	}
	return all
}

// firstKey is a value of a section, for an example.
func (d *decoder) firstKey(path string) string {
	for _, p := range d.paths {
		if up, key := parent(p); up == path && d.places[p] == atValue && (key == nameKey || !d.has(path, nameKey)) {
			return p
		}
	}
	return path
}

func (d *decoder) has(path, key string) bool {
	_, ok := d.places[join(path, key)]
	return ok
}

// spread takes a section apart into one override a value. Its keys are checked
// here, before viper lower-cases them.
func (d *decoder) spread(path string, n *node) []override {
	if n.kind != section {
		return []override{{path, n}}
	}
	var all []override
	for _, f := range n.fields {
		at := join(path, f.key)
		if _, ok := d.places[general(at)]; !ok || strings.Contains(f.key, ".") || isIndex(f.key) {
			d.problem(path, n.at, "see clr config show for all keys", "unknown key %s%s", at, d.meantPath(at))
			continue
		}
		all = append(all, d.spread(at, f.value)...)
	}
	return all
}

func (n *node) setOrigin(at origin) {
	n.at = at
	for _, i := range n.items {
		i.setOrigin(at)
	}
	for _, f := range n.fields {
		f.at = at
		f.value.setOrigin(at)
	}
}
