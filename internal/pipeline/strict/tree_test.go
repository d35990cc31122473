package strict

import (
	"fmt"
	"strings"
	"testing"
)

// free is a file whose keys name those of a toy.
type free struct {
	Say string `yaml:"say" doc:"anything"`
	Of  Tree   `yaml:"of" doc:"anything at all"`
}

func freely(t *testing.T, text string) free {
	t.Helper()
	var f free
	if _, problems := New().Decode("free.yaml", []byte(text), Overrides{}, &f); len(problems) > 0 {
		t.Fatal(problems)
	}
	return f
}

func TestTree(t *testing.T) {
	f := freely(t, "of:\n  b: [1, 0.5, x, 'y, z', {c: \"7\"}]\n  a: {}\n")
	branches, ok := f.Of.Branches()
	if !ok || len(branches) != 2 || branches[0].Key != "b" || branches[1].Key != "a" {
		t.Fatalf("%+v", branches)
	}
	items, ok := branches[0].Value.Items()
	if !ok || len(items) != 5 {
		t.Fatalf("%+v", items)
	}
	if v, whole, ok := items[0].Number(); v != 1 || !whole || !ok {
		t.Error(v, whole, ok)
	}
	if v, whole, ok := items[1].Number(); v != 0.5 || whole || !ok {
		t.Error(v, whole, ok)
	}
	if _, _, ok := items[2].Number(); ok {
		t.Error("x is a number")
	}
	if text := branches[0].Value.Text(); text != `[1, 0.5, x, "y, z", {c: "7"}]` {
		t.Error(text)
	}
	if said := items[2].Wrong("mend it", "no").String(); !strings.HasPrefix(said, "free.yaml:2:15: no\n") || !strings.HasSuffix(said, "hint: mend it") {
		t.Error(said)
	}
	if said := branches[0].Value.WrongKey("", "no").String(); !strings.HasPrefix(said, "free.yaml:2:3: no\n") {
		t.Error(said)
	}
	if none := freely(t, "say: x\n").Of; none.Given() || none.Text() != "" {
		t.Errorf("%+v", none)
	}
}

// What a tree holds can be decoded over a struct, strictly.
func TestDecodeTree(t *testing.T) {
	var in inset
	if problems := New().DecodeTree("of", freely(t, "of: {round: 2}").Of, &in); len(problems) > 0 || in.Round != 2 {
		t.Errorf("%+v, %v", in, problems)
	}
	for text, want := range map[string]string{
		"of: {rond: 2}":  "free.yaml:1:6: unknown key rond in of; did you mean round?",
		"of: {round: x}": "of.round needs a number, not x",
		"of: 3":          "of is a section with keys of its own, not 3",
		"of:":            "of is empty",
	} {
		if problems := New().DecodeTree("of", freely(t, text).Of, &in); len(problems) != 1 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v, want %s", text, problems, want)
		}
	}
}

// Values of another file are laid over a config, stronger than all else; what is
// wrong with them is shown where they stand.
func TestPut(t *testing.T) {
	text := "seed: 3\nshape: {name: polygon, sides: 5}\nlayers: [{name: circle}]\n"
	other := freely(t, "of:\n  shape.sides: 7\n  layers.0: {radius: 9}\n  shpe.sides: 7\n  shape.marks: x\n  words: [a, b]\n")
	branches, _ := other.Of.Branches()
	put := func(keys ...int) (toy, Problems) {
		o := Overrides{Set: []string{"shape.sides=6"}}
		for _, k := range keys {
			o.Put = append(o.Put, Put{branches[k].Key, branches[k].Value})
		}
		c, _, problems := decode(text, o)
		return c, problems
	}
	for range 2 { // a tree can be put again: nobody changes it
		c, problems := put(0, 1, 4)
		if len(problems) > 0 || c.Shape.(polygon).Sides != 7 || c.Layers[0].(circle).Radius != 9 || fmt.Sprint(c.Words) != "[a b]" {
			t.Errorf("%+v, %v", c, problems)
		}
	}
	if _, problems := put(2); len(problems) != 1 || !strings.Contains(problems.Error(), "free.yaml:4:3: unknown key shpe.sides; did you mean shape.sides?") {
		t.Errorf("%v", problems)
	}
	if _, problems := put(3); len(problems) != 1 || !strings.Contains(problems.Error(), "free.yaml:5:16: shape.marks needs a list, not x") {
		t.Errorf("%v", problems)
	}
}

// A key of another program's files is named, with what to do.
func TestForeign(t *testing.T) {
	s := New().Foreign(map[string]string{"program": "leave it out", "of.x": "no"})
	var f free
	if _, problems := s.Decode("free.yaml", []byte("say: a\nprogram: b\n"), Overrides{}, &f); len(problems) != 1 || !strings.Contains(problems.Error(), "free.yaml:2:1: the key program means nothing here") || !strings.Contains(problems.Error(), "hint: leave it out") {
		t.Errorf("%v", problems)
	}
}
