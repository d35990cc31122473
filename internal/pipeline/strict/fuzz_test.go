package strict

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"clr/internal/fuzztest"
)

// Any text survives, as a value on its own line and inside a list.
func FuzzText(f *testing.F) {
	for _, s := range full().Words {
		f.Add(s, 1.5)
	}
	f.Add("a\r\nb \u2028 \ufeff", math.Copysign(0, -1))
	f.Add("'\"\\", math.MaxFloat64)
	f.Fuzz(func(t *testing.T, text string, x float64) {
		if strings.ToValidUTF8(text, "") != text || math.IsNaN(x) || math.IsInf(x, 0) {
			t.Skip("YAML has no such text or number")
		}
		c := defaults()
		c.Title, c.Words, c.Layers, c.Band[0] = text, []string{text, text}, []shape{}, x
		y := toySchema().Encode(c, nil)
		if Refuses(y) != "" {
			t.Skip("no config is so long")
		}
		got, _, problems := decode(string(y), Overrides{})
		if len(problems) > 0 || !reflect.DeepEqual(got, c) {
			t.Errorf("%s\n%v\ngot %+v", y, problems, got)
		}
	})
}

// What the decoder accepts comes back as it was; what is wrong is said with a
// place, and what is wrong with a flag or variable with its name.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		string(toySchema().Encode(full(), nil)),
		"seed: 1\nshape: {name: polygon, corner: {round: 2}}\nlayers: [{name: dot}]\n",
		"a: &x [1]\nb: *x\n<<: {c: 1}\n? d\n: !!int 4\n---\n",
		"shape:\n\t- x\n  'q\"",
	} {
		for _, b := range fuzztest.Damaged([]byte(text)) {
			f.Add(string(b), "layers.0.name=circle", "CLR_SHAPE_RADIUS=3")
		}
	}
	for _, set := range []string{"words=[a, 'b', {c: d}]", "layers=[{name: dot}, {name: circle, radius: 2}]", "layers.1=x", "shape={name: polygon, marks: [1]}", "=", "words.0=x", "seed=\"", "a.b.c=[[[["} {
		f.Add("layers: [{name: dot}]\nwords: [a]\n", set, strings.ToUpper("clr_"+set))
	}
	f.Fuzz(func(t *testing.T, text, flag, variable string) {
		o := Overrides{Set: []string{flag}, Env: []string{variable}, Prefix: "CLR_"}
		var c toy
		var problems Problems
		fuzztest.Bounded(t, len(text)+len(flag)+len(variable), 32<<20, func() {
			c, _, problems = decode(text, o)
			for _, p := range problems {
				if s := p.at.String(); !strings.HasPrefix(s, "toy.yaml:") && s != SetFlag+" "+flag && !strings.HasPrefix(s, "CLR_") {
					t.Errorf("%q is said of %q", p.text, s)
				}
			}
			if len(problems) > 0 && problems.Error() == "" {
				t.Error("nothing is said")
			}
		})
		if len(problems) > 0 {
			return
		}
		y := toySchema().Encode(c, nil)
		if Refuses(y) != "" {
			return // as pipeline.ParseConfig does
		}
		again, _, wrong := decode(string(y), Overrides{})
		if len(wrong) > 0 {
			t.Fatalf("%q gives\n%s\n%v", text, y, wrong)
		}
		if y2 := toySchema().Encode(again, nil); string(y2) != string(y) {
			t.Errorf("%q gives\n%s\nand that\n%s", text, y, y2)
		}
	})
}
