package pipeline

import "reflect"

// Resolved is the config as YAML with every key, in one canonical form: equal
// configs give equal bytes, and reading them back gives the config again.
func (c *Config) Resolved() []byte { return schema().Encode(c, nil) }

// WithOrigins is Resolved with a comment behind each value that says where it
// comes from: file and line, flag, variable or default.
func (c *Config) WithOrigins() []byte {
	return schema().Encode(c, func(path string) string {
		if c.doc == nil {
			return "default"
		}
		return c.doc.Origin(path)
	})
}

// A FieldDiff is a value that two configs have not in common. A key that only
// one of them has is empty in the other.
type FieldDiff struct{ Key, Old, New string }

// Diff lists what differs between two configs, in the order of the first's
// keys, then those that only the second has.
func Diff(a, b *Config) []FieldDiff {
	s := schema()
	other := map[string]string{}
	for _, l := range s.Leaves(b) {
		other[l.Path] = l.Text
	}
	var diff []FieldDiff
	seen := map[string]bool{}
	for _, l := range s.Leaves(a) {
		seen[l.Path] = true
		if text := other[l.Path]; text != l.Text {
			diff = append(diff, FieldDiff{l.Path, l.Text, text})
		}
	}
	for _, l := range s.Leaves(b) {
		if !seen[l.Path] {
			diff = append(diff, FieldDiff{l.Path, "", l.Text})
		}
	}
	return diff
}

// ConfigPaths lists every key that a config may hold, over all entries of all
// tables; a star stands for a position in a list.
func ConfigPaths() []string { return schema().Paths(Config{}) }

const referencePreface = `# Every key that a config may hold, with its default; a config needs to say only
# what it changes, and which corpus. Entries that are commented out are what
# else a section's name can pick; under augment, what can be listed.
# Written by: clr config reference > configs/reference.yaml

`

// Reference is a config with every key, its doc and its default.
func Reference() []byte {
	c := DefaultConfig()
	c.Corpus = "builtin:fsdd"
	return schema().Reference(c, referencePreface)
}

// nameIn is the name of a part in its table.
func nameIn[T any](table map[string]T, part T) string {
	for name, entry := range table {
		if reflect.TypeOf(entry) == reflect.TypeOf(part) {
			return name
		}
	}
	return reflect.TypeOf(part).Name()
}
