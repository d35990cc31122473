// Package strict reads YAML into option structs and ignores nothing: a key
// that no struct knows, a value of another type, a key written twice are all
// errors, all reported at once, each with its line, column and caret. It hides
// the YAML library, the layers that override a file, and reflection.
//
// Three things make up a config. A section is a struct whose fields carry
// `yaml:"key" doc:"what it does"`. A part is a field of an interface type that
// has a table: the section's `name` picks the entry, whose value holds the
// defaults. A list holds values or parts. Keys are lower case; a path names a
// value by keys and list positions: method.projector.hidden, augment.0.db.
package strict
