package strict

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"clr/internal/fault"
)

// A toy config with one of everything.

type shape interface{ Doc() string }

type circle struct {
	Radius float64 `yaml:"radius" doc:"in metres"`
	Fill   bool    `yaml:"fill" doc:"paint the inside"`
}

type polygon struct {
	Sides  int   `yaml:"sides" doc:"how many"`
	Corner inset `yaml:"corner" doc:"what is done to corners"`
	Marks  []int `yaml:"marks" doc:"where marks stand"`
}

type inset struct {
	Round float64 `yaml:"round" doc:"radius of a corner"`
}

type dot struct{}

func (circle) Doc() string  { return "a circle" }
func (polygon) Doc() string { return "a polygon" }
func (dot) Doc() string     { return "a dot" }

type shared struct {
	Depth int `yaml:"depth" doc:"of both"`
}

type toy struct {
	Seed   uint64     `yaml:"seed" doc:"start"`
	Title  string     `yaml:"title" doc:"shown on top"`
	Shape  shape      `yaml:"shape" doc:"the main one"`
	Layers []shape    `yaml:"layers" doc:"drawn in order"`
	Band   [2]float64 `yaml:"band" doc:"low and high"`
	Words  []string   `yaml:"words" doc:"any"`
	shared `yaml:",inline"`
	hidden int
}

func defaults() toy {
	return toy{Seed: 1, Title: "untitled", Shape: circle{Radius: 1}, Band: [2]float64{0.5, 2}, hidden: 7}
}

func toySchema() *Schema {
	return New(Of(map[string]shape{
		"circle":  circle{Radius: 1},
		"polygon": polygon{Sides: 3, Corner: inset{Round: 0.1}},
		"dot":     dot{},
	}))
}

func decode(text string, o Overrides) (toy, *Document, Problems) {
	c := defaults()
	doc, p := toySchema().Decode("toy.yaml", []byte(text), o, &c)
	return c, doc, p
}

func env(set ...string) Overrides {
	return Overrides{Env: set, Prefix: "CLR_", Not: []string{"CLR_CPU"}}
}
func set(set ...string) Overrides { return Overrides{Set: set, Prefix: "CLR_"} }
func (o Overrides) and(s ...string) Overrides {
	o.Set = append(o.Set, s...)
	return o
}

func TestDecode(t *testing.T) {
	square := polygon{Sides: 4, Corner: inset{Round: 0.1}}
	for _, c := range []struct {
		name, yaml string
		o          Overrides
		want       func(c *toy)
	}{
		{"nothing", "", Overrides{}, func(*toy) {}},
		{"a comment", "# only\n", Overrides{}, func(*toy) {}},
		{"values", "seed: 18446744073709551615\ntitle: 007\nband: [1, 2.5e3]\ndepth: -4\nwords: [no, \"\", '1', a b]\n", Overrides{}, func(c *toy) {
			c.Seed, c.Title, c.Band, c.Depth, c.Words = 1<<64-1, "007", [2]float64{1, 2500}, -4, []string{"no", "", "1", "a b"}
		}},
		{"small numbers without a dot", "shape: {radius: 1e-6}", Overrides{}, func(c *toy) { c.Shape = circle{Radius: 1e-6} }},
		{"underscores", "seed: 1_000_000", Overrides{}, func(c *toy) { c.Seed = 1e6 }},
		{"CRLF and BOM", "\ufeffseed: 2\r\ntitle: x\r\n", Overrides{}, func(c *toy) { c.Seed, c.Title = 2, "x" }},
		{"the default's entry without its name", "shape: {fill: true}", Overrides{}, func(c *toy) { c.Shape = circle{Radius: 1, Fill: true} }},
		{"another entry brings its defaults", "shape:\n  name: polygon\n  sides: 4\n", Overrides{}, func(c *toy) { c.Shape = square }},
		{"name last", "shape: {sides: 4, name: polygon}", Overrides{}, func(c *toy) { c.Shape = square }},
		{"lists of parts", "layers:\n- name: dot\n- {name: polygon, sides: 4, marks: [1, 2]}\n- name: circle\n", Overrides{}, func(c *toy) {
			c.Layers = []shape{dot{}, polygon{Sides: 4, Corner: inset{Round: 0.1}, Marks: []int{1, 2}}, circle{Radius: 1}}
		}},
		{"an empty list", "layers: []\nwords: []", Overrides{}, func(c *toy) { c.Layers, c.Words = []shape{}, []string{} }},

		{"set beats variable beats file", "seed: 2\ndepth: 2\ntitle: file", env("CLR_SEED=3", "CLR_DEPTH=3").and("seed=4"), func(c *toy) {
			c.Seed, c.Depth, c.Title = 4, 3, "file"
		}},
		{"the last set wins", "", set("seed=2", "seed=3"), func(c *toy) { c.Seed = 3 }},
		{"a variable into a section that the file has not", "", env("CLR_SHAPE_RADIUS=2"), func(c *toy) { c.Shape = circle{Radius: 2} }},
		{"sections merge", "shape: {name: circle, radius: 3}", set("shape={fill: true}"), func(c *toy) { c.Shape = circle{Radius: 3, Fill: true} }},
		{"a name from a flag", "", set("shape.name=polygon", "shape.sides=4"), func(c *toy) { c.Shape = square }},
		{"another name ends what the file chose", "shape: {name: circle, radius: 3}", set("shape={name: polygon, sides: 4}"), func(c *toy) { c.Shape = square }},
		{"another name alone", "shape: {name: circle, radius: 3}", set("shape.name=polygon", "shape.sides=4"), func(c *toy) { c.Shape = square }},
		{"the same name ends nothing", "shape: {name: circle, radius: 3}", set("shape={name: circle, fill: true}"), func(c *toy) { c.Shape = circle{Radius: 3, Fill: true} }},
		{"another name in a list", "layers: [{name: circle, radius: 2}]", set("layers.0.name=polygon", "layers.0.sides=4"), func(c *toy) { c.Layers = []shape{square} }},
		{"keys from both layers in one section", "", env("CLR_SHAPE={name: polygon, sides: 9}").and("shape.sides=4"), func(c *toy) { c.Shape = square }},
		{"nested", "", set("shape.name=polygon", "shape.sides=4", "shape.corner.round=0"), func(c *toy) { c.Shape = polygon{Sides: 4} }},
		{"an entry of the file's list", "layers: [{name: dot}, {name: circle}]", set("layers.1.radius=2"), func(c *toy) {
			c.Layers = []shape{dot{}, circle{Radius: 2}}
		}},
		{"an entry by variable", "layers: [{name: circle}]", env("CLR_LAYERS_0_RADIUS=2"), func(c *toy) { c.Layers = []shape{circle{Radius: 2}} }},
		{"whole list, then an entry", "", set("layers=[{name: circle}]", "layers.0.radius=2"), func(c *toy) { c.Layers = []shape{circle{Radius: 2}} }},
		{"an entry, then the whole list", "layers: [{name: dot}]", set("layers.0.name=circle", "layers=[{name: polygon, sides: 4}]"), func(c *toy) { c.Layers = []shape{square} }},
		{"variable's list, flag's entry", "layers: [{name: dot}, {name: dot}]", env("CLR_LAYERS=[{name: circle}]").and("layers.0.radius=2"), func(c *toy) {
			c.Layers = []shape{circle{Radius: 2}}
		}},
		{"variable's entry, flag's list", "layers: [{name: circle}]", env("CLR_LAYERS_0_RADIUS=2").and("layers=[{name: dot}]"), func(c *toy) { c.Layers = []shape{dot{}} }},
		{"an entry of a list of values", "words: [a, b]", set("words.1=c"), func(c *toy) { c.Words = []string{"a", "c"} }},
		{"texts as they are", "", set("title=a: b #c"), func(c *toy) { c.Title = "a: b #c" }},
		{"an empty text", "", set("title="), func(c *toy) { c.Title = "" }},
		{"a quoted text", "", set(`title="a\nb"`), func(c *toy) { c.Title = "a\nb" }},
		{"a text with =", "", set("title=a=b"), func(c *toy) { c.Title = "a=b" }},
		{"a list of values", "", set("words=[a, b]"), func(c *toy) { c.Words = []string{"a", "b"} }},
		{"variables that are no settings", "", env("CLR_CPU=generic", "CLR_DEPTH=", "OTHER=1", "CLRSEED=2", "HOME"), func(*toy) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, problems := decode(c.yaml, c.o)
			if len(problems) > 0 {
				t.Fatalf("problems:\n%v", problems)
			}
			want := defaults()
			c.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

type hole struct {
	Radius float64 `yaml:"radius" doc:"in metres"`
	Square bool    `yaml:"square" doc:"has corners"`
}

func (hole) Default() any { return hole{Radius: 1} }

// An entry of a list of sections begins as its type's default.
func TestListOfSections(t *testing.T) {
	var got struct {
		Holes []hole `yaml:"holes" doc:"cut out of it"`
	}
	if _, problems := New().Decode("toy.yaml", []byte("holes: [{}, {square: true}, {radius: 2}]"), set("holes.2.square=true"), &got); len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := []hole{{1, false}, {1, true}, {2, true}}; !reflect.DeepEqual(got.Holes, want) {
		t.Errorf("%+v, want %+v", got.Holes, want)
	}
}

// TestProblems reads testdata/problems/*.txt: a config, a line "==", options
// a line each (--set ... or VARIABLE=...), a line "==", and what is reported.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.SplitN(string(b), "==\n", 3)
			if len(parts) != 3 {
				t.Fatalf("%s has %d parts, not 3", path, len(parts))
			}
			o := Overrides{Prefix: "CLR_", Not: []string{"CLR_CPU"}}
			for _, l := range strings.Split(strings.TrimSpace(parts[1]), "\n") {
				if text, ok := strings.CutPrefix(l, "--set "); ok {
					o.Set = append(o.Set, text)
				} else if l != "" {
					o.Env = append(o.Env, l)
				}
			}
			_, _, problems := decode(parts[0], o)
			if got := problems.Error() + "\n"; got != parts[2] {
				if *update {
					err = os.WriteFile(path, []byte(parts[0]+"==\n"+parts[1]+"==\n"+got), 0o666)
				}
				t.Errorf("got\n%s\nwant\n%s %v", got, parts[2], err)
			}
		})
	}
}

// What is no config is refused before it can take time or memory.
func TestHostileText(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"too long":     {strings.Repeat("#\n", MaxSize), "the file has 524288 bytes, a config at most 262144"},
		"too much":     {strings.Repeat("# a comment\n", 100) + strings.Repeat("a\n", maxText), "the file has 131072 bytes beside comments, a config at most 65536"},
		"too deep":     {strings.Repeat("[", maxOpen+1), "the file has 257 brackets open at once, a config at most 256"},
		"binary":       {"seed: \xff", "the file is not UTF-8 text"},
		"deep":         {"words: " + strings.Repeat("[", maxDepth+8) + strings.Repeat("]", maxDepth+8), "values nest deeper than 32"},
		"deep lists":   {"words:\n  " + strings.Repeat("- ", maxDepth+8) + "a", "values nest deeper than 32"},
		"half a quote": {"title: \"", "not YAML"},
	} {
		if _, _, problems := decode(c.text, Overrides{}); !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s: %.300v", name, problems)
		}
	}
}

func TestOrigin(t *testing.T) {
	_, doc, problems := decode("seed: 2\nshape:\n  radius: 3\nlayers:\n  - name: dot\n", env("CLR_DEPTH=1").and("title=x", "layers.0.name=circle"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for path, want := range map[string]string{
		"seed": "toy.yaml:1", "shape.radius": "toy.yaml:3", "shape.fill": "default", "words": "default",
		"title": "--set title=x", "depth": "CLR_DEPTH", "layers.0.name": "--set layers.0.name=circle",
	} {
		if got := doc.Origin(path); got != want {
			t.Errorf("%s comes from %s, want %s", path, got, want)
		}
	}
}

// Errors that a section's own check finds point at the key they name.
func TestLocate(t *testing.T) {
	_, doc, problems := decode("seed: 2\nshape: {name: polygon, corner: {round: -1}}\nlayers: [{name: circle, radius: 0}]\n", set("depth=3"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct{ path, message, want string }{
		{"shape", "polygon: corner: round is -1", "toy.yaml:2:40: shape: polygon: corner: round is -1"},
		{"shape", "sides is 3", "toy.yaml:2:15: shape: sides is 3"},
		{"layers.0", "radius is 0", "toy.yaml:3:33: layers.0: radius is 0"},
		{"", "depth is 3, seed is 2", "--set depth=3: depth is 3, seed is 2"},
		{"", "words is empty", "toy.yaml: words is empty"},
	} {
		p := doc.Locate(c.path, fault.New(fault.Usage, "do better", "%s", c.message))
		if got, _, _ := strings.Cut(p.String(), "\n"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if !strings.HasSuffix(p.String(), "\n  hint: do better") {
			t.Errorf("%q has lost its hint", p.String())
		}
	}
	if p := doc.Locate("seed", errors.New("seed is odd")); strings.Contains(p.String(), "hint") {
		t.Errorf("%q has a hint", p)
	}
}

func TestBad(t *testing.T) {
	_, doc, problems := decode("shape: {radius: x}\nlayers: [{name: dot, a: 1}]\n", Overrides{})
	if len(problems) != 2 {
		t.Fatal(problems)
	}
	for path, want := range map[string]bool{"shape": true, "layers": true, "layers.0": true, "seed": false, "layers.1": false} {
		if got := doc.Bad(path); got != want {
			t.Errorf("Bad(%s) = %v", path, got)
		}
	}
}

// Two paths that share a variable's name could not both be set.
func TestVariableNamesDiffer(t *testing.T) {
	s := toySchema()
	seen := map[string]string{}
	for _, p := range s.Paths(toy{}) {
		if other, twice := seen[variable(p)]; twice {
			t.Errorf("%s and %s are both CLR_%s", p, other, variable(p))
		}
		seen[variable(p)] = p
	}
}

// A part of a table may hold another: paths end where nobody goes, files do not.
func TestNestedParts(t *testing.T) {
	type wall struct {
		Shape shape `yaml:"shape" doc:"on it"`
	}
	s := New(Of(map[string]shape{"circle": circle{Radius: 1}, "framed": framed{circle{Radius: 2}, 3}}))
	w := wall{circle{}}
	text := "shape: {name: framed, around: {name: framed, width: 4, around: {name: framed, around: {name: circle, radius: 9}}}}"
	if _, p := s.Decode("wall.yaml", []byte(text), set("shape.around.width=5"), &w); len(p) > 0 {
		t.Fatal(p)
	}
	want := wall{framed{framed{framed{circle{Radius: 9}, 3}, 5}, 3}}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("%+v, want %+v", w, want)
	}
	again := wall{circle{}}
	if _, p := s.Decode("wall.yaml", s.Encode(w, nil), Overrides{}, &again); len(p) > 0 || !reflect.DeepEqual(again, want) {
		t.Errorf("%+v, %v; want %+v", again, p, want)
	}
	if paths := s.Paths(w); len(paths) != 12 {
		t.Errorf("paths are %v", paths)
	}
}

type framed struct {
	Around shape `yaml:"around" doc:"what is framed"`
	Width  int   `yaml:"width" doc:"of the frame"`
}

func (framed) Doc() string { return "a frame" }

func TestNearest(t *testing.T) {
	known := []string{"temperature", "projector", "out", "lr"}
	for word, want := range map[string]string{
		"temprature": "temperature", "Temperature": "temperature", "tempertaure": "temperature", "projektor": "projector",
		"otu": "out", "rl": "lr", "xyz": "", "": "", "momentum": "", "l": "lr",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestProgrammersMistakesPanic(t *testing.T) {
	type a struct {
		X int `yaml:"x"`
	}
	for name, f := range map[string]func(){
		"no tag": func() { New().Paths(struct{ X int }{}) },
		"upper case": func() {
			New().Paths(struct {
				X int `yaml:"X"`
			}{})
		},
		"no table": func() {
			toySchema().Paths(struct {
				X error `yaml:"x"`
			}{})
		},
		"not a struct":  func() { Of(map[string]any{"a": 1}) },
		"no interface":  func() { Of(map[string]a{"a": {}}) },
		"the same type": func() { Of(map[string]any{"a": a{1}, "b": a{2}}) },
		"a stranger": func() {
			New(Of(map[string]any{"a": a{}})).Leaves(struct {
				X any `yaml:"x"`
			}{X: toy{}})
		},
		"nil": func() {
			New(Of(map[string]any{"a": a{}})).Leaves(struct {
				X any `yaml:"x"`
			}{})
		},
		"a map": func() {
			New().Leaves(struct {
				X map[string]int `yaml:"x"`
			}{})
		},
	} {
		func() {
			defer func() {
				if r, ok := recover().(string); !ok || !strings.HasPrefix(r, "strict: ") {
					t.Errorf("%s: %v", name, r)
				}
			}()
			f()
		}()
	}
}
