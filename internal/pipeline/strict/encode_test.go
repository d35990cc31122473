package strict

import (
	"flag"
	"os"
	"reflect"
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
