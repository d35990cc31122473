package strict

import (
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what tests expect")

func full() toy {
	c := defaults()
	c.Shape = polygon{Sides: 5, Corner: inset{Round: 1e-7}, Marks: []int{1, -2}}
	c.Layers = []shape{dot{}, circle{Radius: 7800, Fill: true}}
	c.Words = []string{"a", "no", "1e3", "", "x: y", "é", "tab\t", "a,b", ".5", "-", "1_0", "null", "# c", "a\x00b"}
	c.Depth = 4
	return c
}

func TestEncode(t *testing.T) {
	golden(t, "testdata/encode.yaml", string(toySchema().Encode(full(), nil)))
	golden(t, "testdata/origin.yaml", string(toySchema().Encode(full(), func(p string) string { return "from " + p })))
	golden(t, "testdata/reference.yaml", string(toySchema().Reference(defaults(), "# All keys.\n")))
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", path, got)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []toy{defaults(), full()} {
		for _, comment := range []func(string) string{nil, func(string) string { return "x # y: z" }} {
			text := toySchema().Encode(c, comment)
			got, _, problems := decode(string(text), Overrides{})
			if len(problems) > 0 {
				t.Fatalf("%s\n%v", text, problems)
			}
			if again := toySchema().Encode(got, comment); string(again) != string(text) {
				t.Errorf("from\n%s\nback\n%s", text, again)
			}
			if c.Layers == nil {
				c.Layers, c.Words = []shape{}, []string{}
			}
			if !reflect.DeepEqual(got, c) {
				t.Errorf("got %+v\nwant %+v", got, c)
			}
		}
	}
}

// FuzzText: any text survives, as a value on its own line and inside a list.
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
		got, _, problems := decode(string(y), Overrides{})
		if len(problems) > 0 || !reflect.DeepEqual(got, c) {
			t.Errorf("%s\n%v\ngot %+v", y, problems, got)
		}
	})
}

// FuzzDecode: no text makes the decoder panic, and what it accepts comes back.
func FuzzDecode(f *testing.F) {
	f.Add("seed: 1\nshape: {name: polygon, corner: {round: 2}}\nlayers: [{name: dot}]\n")
	f.Add("a: &x [1]\nb: *x\n<<: {c: 1}\n? d\n: !!int 4\n---\n")
	f.Add("shape:\n\t- x\n  'q\"")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, problems := decode(text, set("shape.radius=3", "layers.0.name=circle"))
		_ = problems.Error()
		if len(problems) == 0 {
			y := toySchema().Encode(c, nil)
			if _, _, again := decode(string(y), Overrides{}); len(again) > 0 {
				t.Errorf("%q gives\n%s\n%v", text, y, again)
			}
		}
	})
}
