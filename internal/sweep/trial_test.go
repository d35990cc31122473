package sweep

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// The grid is in the order of the file, its last parameter fastest, seeds faster
// still.
func TestGrid(t *testing.T) {
	f := good(t, `method: grid
seeds: 2
parameters:
  method.temperature: {values: [0.1, 0.5]}
  encoder: {parameters: {width: {min: 4, max: 6}}}
  view.frames: {distribution: q_uniform, min: 16, max: 32, q: 16}
`)
	if f.Trials != 24 || f.Points() != 12 {
		t.Fatalf("%d trials", f.Trials)
	}
	var got []string
	for _, i := range []int{0, 1, 2, 4, 12, 23} {
		tr := f.trial(i, f.gridPoint(i/2))
		got = append(got, fmt.Sprint(tr.Index, " ", tr.Point, " ", tr.Seed, " ", tr.Params))
	}
	want := []string{
		"0 0 1 method.temperature=0.1 encoder.width=4 view.frames=16",
		"1 0 2 method.temperature=0.1 encoder.width=4 view.frames=16",
		"2 1 1 method.temperature=0.1 encoder.width=4 view.frames=32",
		"4 2 1 method.temperature=0.1 encoder.width=5 view.frames=16",
		"12 6 1 method.temperature=0.5 encoder.width=4 view.frames=16",
		"23 11 2 method.temperature=0.5 encoder.width=6 view.frames=32",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
	c, err := f.config(f.trial(23, f.gridPoint(11)), f.gridPoint(11))
	if err != nil || c.Seed != 2 || c.View.Frames != 32 {
		t.Errorf("%v, %v", c, err)
	}
}

// A value may be a whole section, with a method's own keys, or a list.
func TestSections(t *testing.T) {
	f := good(t, "method: grid\nparameters:\n  method: {values: [{name: simclr, temperature: 0.2}, {name: moco, queue: 64}]}\n  augment.0.db: {values: [3, 6]}\n")
	c, err := f.config(f.trial(2, f.gridPoint(2)), f.gridPoint(2))
	if err != nil || !strings.Contains(string(c.Resolved()), "  queue: 64\n") {
		t.Errorf("%v", err)
	}
	if text := f.trial(2, f.gridPoint(2)).Params[0].Text; text != "{name: moco, queue: 64}" {
		t.Error(text)
	}
}

const drawnSweep = "method: random\nrun_cap: 400\nparameters:\n"

// A random point is a function of the file's parameter and the point alone.
func TestRandomIsAddressed(t *testing.T) {
	one := good(t, drawnSweep+"  optimizer.lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}\n")
	two := good(t, drawnSweep+"  method.temperature: {min: 0.1, max: 1.0}\n  optimizer.lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}\n")
	seen := map[string]bool{}
	for i := range 50 {
		a, b := one.trial(i, one.randomPoint(i)), two.trial(i, two.randomPoint(i))
		if a.Params[0] != b.Params[1] {
			t.Errorf("point %d: %v beside %v", i, a.Params, b.Params)
		}
		seen[a.Params[0].Text] = true
	}
	if len(seen) < 45 {
		t.Errorf("%d different of 50", len(seen))
	}
}

// Each law has the values below which a share of all lie that its definition gives,
// in loops over the definition where that says it otherwise.
func TestLaws(t *testing.T) {
	for _, c := range []struct {
		spec string
		at   map[float64]string
	}{
		{"{min: 0.5, max: 2.5}", map[float64]string{0: "0.5", 0.25: "1", 0.5: "1.5"}},
		{"{min: 3, max: 6}", map[float64]string{0: "3", 0.2499: "3", 0.25: "4", 0.9999: "6"}},
		{"{distribution: log_uniform, min: 0, max: 2}", map[float64]string{0: "1", 0.5: "2.71828"}},
		{"{distribution: log_uniform_values, min: 0.01, max: 1}", map[float64]string{0: "0.01", 0.5: "0.1"}},
		{"{distribution: inv_log_uniform, min: 0, max: 2}", map[float64]string{0.5: "0.367879"}},
		{"{distribution: inv_log_uniform_values, min: 0.01, max: 1}", map[float64]string{0.5: "0.1"}},
		{"{distribution: q_uniform, min: 0, max: 1, q: 0.1}", map[float64]string{0: "0", 0.29: "0.3", 0.31: "0.3", 0.99: "1"}},
		{"{distribution: q_log_uniform_values, min: 8, max: 128, q: 8}", map[float64]string{0: "8", 0.5: "32"}},
		{"{distribution: normal, mu: 1, sigma: 2}", map[float64]string{0.5: "1", 0.8413447460685429: "3"}},
		{"{distribution: log_normal}", map[float64]string{0.5: "1", 0.8413447460685429: "2.71828"}},
		{"{distribution: q_normal, sigma: 10, q: 5}", map[float64]string{0.5: "0", 0.8413447460685429: "10", 0.45: "0"}},
		{"{distribution: constant, value: 0.7}", map[float64]string{0.9: "0.7"}},
		{"{values: [0.1, 0.2]}", map[float64]string{0.49: "0.1", 0.5: "0.2"}},
		{"{values: [0.1, 0.2], probabilities: [0.9, 0.1]}", map[float64]string{0.89: "0.1", 0.91: "0.2"}},
	} {
		f := good(t, drawnSweep+"  optimizer.weight_decay: "+c.spec+"\n")
		for u, want := range c.at {
			if got := f.Parameters[0].At(u).Text(); got != want {
				t.Errorf("%s at %g is %s, want %s", c.spec, u, got, want)
			}
		}
	}
}

// Points of the drawn laws have the mean and the bounds that they should.
func TestDraws(t *testing.T) {
	f := good(t, drawnSweep+"  optimizer.weight_decay: {min: 0.25, max: 0.75}\n")
	sum := 0.0
	for i := range 400 {
		v, err := strconv.ParseFloat(f.randomPoint(i).values[0].Text(), 64)
		if err != nil || v < 0.25 || v > 0.75 {
			t.Fatalf("%g, %v", v, err)
		}
		sum += v / 400
	}
	if math.Abs(sum-0.5) > 3*0.5/math.Sqrt(12*400) {
		t.Errorf("the mean is %g", sum)
	}
}

func TestParamsJSON(t *testing.T) {
	p := Params{{"a.b", "0.1"}, {"name", "resnet"}, {"list", "[1, 2]"}, {"fill", "true"}, {"odd", ".5"}, {"e", "1e-5"}}
	b, err := json.Marshal(p)
	if want := `{"a.b":0.1,"name":"resnet","list":"[1, 2]","fill":true,"odd":".5","e":1e-5}`; err != nil || string(b) != want {
		t.Errorf("%s, %v; want %s", b, err, want)
	}
}
