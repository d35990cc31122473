package onnx

// Scan is a recursion along the last axis of x (..., T): step says what a state (...)
// becomes by a slice of x (...), and what comes out is the state after each, as x is.
// Rounding would add up from step to step, so it goes in float64; other numbers that
// step needs are made so by Double.
func (g *Graph) Scan(state, x Value, step func(body *Graph, state, x Value) Value) Value {
	state, x = g.Double(state), g.Double(x)
	at, name := len(g.nodes), g.lay("Scan", nil).out[0]
	body := &Graph{outer: g, prefix: name + "."}
	part := x.Shape[:len(x.Shape)-1]
	of := func(what string) (Value, typed) {
		name := body.prefix + what
		return Value{Name: name, Shape: part}, typed{Value: Value{Name: name}, kind: float64s}
	}
	was, wasOf := of("state")
	slice, sliceOf := of("slice")
	now := body.refer(step(body, was, slice))
	body.inputs = []typed{wasOf, sliceOf}
	for _, what := range []string{"next", "out"} {
		v, vOf := of(what)
		body.nodes = append(body.nodes, node{op: "Identity", name: body.prefix + "Output_" + what, in: []string{now}, out: []string{v.Name}})
		body.outputs = append(body.outputs, vOf)
	}
	axis := []int{len(part)}
	n := &g.nodes[at]
	n.in, n.out = []string{state.Name, x.Name}, []string{name + ".last", name}
	n.attrs = []Attr{{"body", body}, {"num_scan_inputs", 1}, {"scan_input_axes", axis}, {"scan_output_axes", axis}}
	return g.cast(Value{Name: name, Shape: x.Shape}, float32s)
}

// Double is v in float64.
func (g *Graph) Double(v Value) Value { return g.cast(v, float64s) }

func (g *Graph) cast(v Value, kind int) Value {
	return g.Do("Cast", v.Shape, []Value{v}, Attr{"to", kind})
}
