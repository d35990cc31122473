package op_test

import (
	"fmt"
	"math"
	"testing"

	"clr/internal/exec"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
)

// Of equally near rows the first is taken, wherever the products are computed, and a
// row that is not a number does not become one that is near.
func TestNearestTies(t *testing.T) {
	g := gorgonia.NewGraph()
	const d, k = 2, 40
	queue := make([]float32, k*d)
	for i := range k { // rows 3, 20 and 37 are alike
		angle := float64(i%17) + 1
		queue[i*d], queue[i*d+1] = float32(math.Cos(angle)), float32(math.Sin(angle))
	}
	queue[5*d] = float32(math.NaN())
	in := func(name string, data []float32) *node {
		n, err := op.Input(g, name, len(data)/d, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := op.Bind(n, data); err != nil {
			t.Fatal(err)
		}
		return n
	}
	x := in("x", []float32{queue[3*d], queue[3*d+1], 0, 0})
	y, err := op.Nearest(x, in("queue", queue))
	if err != nil {
		t.Fatal(err)
	}
	m, err := exec.Compile(g, exec.Options{Poison: true}, y)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	v, err := m.Value(y)
	if want := fmt.Sprint([]float32{queue[3*d], queue[3*d+1], queue[0], queue[1]}); err != nil || fmt.Sprint(v.Data) != want {
		t.Errorf("%v, %v, want %s", v.Data, err, want)
	}
	wrong := in("wrong", make([]float32, 3*d))
	if wide, err := op.Reshape(wrong, 2, 3); err != nil {
		t.Fatal(err)
	} else if _, err := op.Nearest(x, wide); err == nil {
		t.Error("rows of 2 have neighbours of 3")
	}
}
