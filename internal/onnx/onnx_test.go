package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
)

// spell writes a protocol buffer as text, a field a line, by the fields' kinds on
// the wire alone; messages are those fields that names lists, by their path.
func spell(t *testing.T, b []byte, path string, names map[string]string, to *strings.Builder) {
	t.Helper()
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		b = b[n:]
		at := fmt.Sprintf("%s.%d", path, tag>>3)
		name, known := names[at]
		if !known {
			t.Fatalf("there is a field %s", at)
		}
		switch tag & 7 {
		case varint:
			v, n := binary.Uvarint(b)
			b = b[n:]
			fmt.Fprintf(to, "%s %d\n", name, int64(v))
		case fixed32:
			fmt.Fprintf(to, "%s %v\n", name, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			b = b[4:]
		case bytesOf:
			size, n := binary.Uvarint(b)
			field := b[n : n+int(size)]
			b = b[n+int(size):]
			if short, isMessage := strings.CutSuffix(name, "{"); isMessage {
				fmt.Fprintf(to, "%s{\n", short)
				spell(t, field, at, names, to)
				to.WriteString("}\n")
			} else {
				fmt.Fprintf(to, "%s %q\n", name, field)
			}
		default:
			t.Fatalf("field %s is of kind %d", at, tag&7)
		}
	}
}

// fields are those of onnx.proto3 that occur here.
var fields = func() map[string]string {
	all := map[string]string{
		".1": "ir_version", ".2": "producer_name", ".3": "producer_version", ".7": "graph{", ".8": "opset_import{", ".8.1": "domain", ".8.2": "version",
		".14": "metadata_props{", ".14.1": "key", ".14.2": "value",
		".7.1": "node{", ".7.1.1": "input", ".7.1.2": "output", ".7.1.3": "name", ".7.1.4": "op_type",
		".7.1.5": "attribute{", ".7.1.5.1": "name", ".7.1.5.2": "f", ".7.1.5.3": "i", ".7.1.5.4": "s", ".7.1.5.8": "ints", ".7.1.5.20": "type",
		".7.2": "name", ".7.5": "initializer{", ".7.5.1": "dims", ".7.5.2": "data_type", ".7.5.7": "int64_data", ".7.5.8": "name", ".7.5.9": "raw_data",
	}
	for field, name := range map[string]string{".7.11": "input", ".7.12": "output"} {
		for at, of := range map[string]string{"": name + "{", ".1": "name", ".2": "type{", ".2.1": "tensor_type{", ".2.1.1": "elem_type", ".2.1.2": "shape{",
			".2.1.2.1": "dim{", ".2.1.2.1.1": "dim_value", ".2.1.2.1.2": "dim_param"} {
			all[field+at] = of
		}
	}
	for at, of := range maps.Clone(all) { // a graph within a node
		if rest, ok := strings.CutPrefix(at, ".7."); ok {
			all[".7.1.5.6."+rest] = of
		}
	}
	all[".7.1.5.6"] = "g{"
	return all
}()

// Every field stands where onnx.proto3 has it.
func TestWrite(t *testing.T) {
	g := &Graph{}
	x := g.Input("x", []int{Free, 3}, "N")
	w := Value{Name: "w", Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, -6}}
	y := g.Do("Gemm", []int{Free, 2}, []Value{x, w}, Attr{"transB", 1}, Attr{"alpha", float32(0.5)})
	y = g.Reshape(g.Each("Add", y, Number(2)), Free, 1, 2)
	y = g.Do("Pad", []int{Free, 1, 2}, []Value{y, Wholes(0, -1)}, Attr{"mode", "reflect"}, Attr{"axes", []int{-1, 2}})
	g.Output("y", y, "N")
	var b bytes.Buffer
	if err := g.Write(&b, "tiny", Producer{"clr", "1"}, map[string]string{"b": "2", "a": "1"}); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	spell(t, b.Bytes(), "", fields, &text)
	want := `ir_version 8
producer_name "clr"
producer_version "1"
graph{
node{
input "x"
input "w"
output "gemm_0"
name "Gemm_0"
op_type "Gemm"
attribute{
name "transB"
i 1
type 2
}
attribute{
name "alpha"
f 0.5
type 1
}
}
node{
input "gemm_0"
input "number 2"
output "add_0"
name "Add_0"
op_type "Add"
}
node{
input "add_0"
input "wholes [0 1 2]"
output "reshape_0"
name "Reshape_0"
op_type "Reshape"
}
node{
input "reshape_0"
input "wholes [0 -1]"
output "pad_0"
name "Pad_0"
op_type "Pad"
attribute{
name "mode"
s "reflect"
type 3
}
attribute{
name "axes"
ints -1
ints 2
type 7
}
}
node{
input "pad_0"
output "y"
name "Output_y"
op_type "Identity"
}
name "tiny"
initializer{
dims 2
dims 3
data_type 1
name "w"
raw_data "\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@\x00\x00\xa0@\x00\x00\xc0\xc0"
}
initializer{
data_type 1
name "number 2"
raw_data "\x00\x00\x00@"
}
initializer{
dims 3
data_type 7
int64_data 0
int64_data 1
int64_data 2
name "wholes [0 1 2]"
}
initializer{
dims 2
data_type 7
int64_data 0
int64_data -1
name "wholes [0 -1]"
}
input{
name "x"
type{
tensor_type{
elem_type 1
shape{
dim{
dim_param "N"
}
dim{
dim_value 3
}
}
}
}
}
output{
name "y"
type{
tensor_type{
elem_type 1
shape{
dim{
dim_param "N"
}
dim{
dim_value 1
}
dim{
dim_value 2
}
}
}
}
}
}
opset_import{
domain ""
version 17
}
metadata_props{
key "a"
value "1"
}
metadata_props{
key "b"
value "2"
}
`
	if text.String() != want {
		t.Errorf("the model is\n%s", text.String())
	}
}

// A recursion has a graph of its own in the node, whose constants are the outer one's.
func TestScan(t *testing.T) {
	g := &Graph{}
	x := g.Input("x", []int{Free, 3, Free}, "N", "T")
	y := g.Scan(g.Do("Gather", []int{Free, 3}, []Value{x, Whole(0)}, Attr{"axis", 2}), x, func(body *Graph, state, x Value) Value {
		return body.Each("Sub", body.Reshape(state, Free, 3), x)
	})
	g.Output("y", y, "N", "T")
	var b bytes.Buffer
	if err := g.Write(&b, "sums", Producer{}, nil); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	spell(t, b.Bytes(), "", fields, &text)
	for _, want := range []string{`node{
input "cast_0"
input "cast_1"
output "scan_0.last"
output "scan_0"
name "Scan_0"
op_type "Scan"
attribute{
name "body"
g{
node{
input "scan_0.state"
input "wholes [0 3]"
output "scan_0.reshape_0"
name "scan_0.Reshape_0"
op_type "Reshape"
}
node{
input "scan_0.reshape_0"
input "scan_0.slice"
output "scan_0.sub_0"
name "scan_0.Sub_0"
op_type "Sub"
}
node{
input "scan_0.sub_0"
output "scan_0.next"
name "scan_0.Output_next"
op_type "Identity"
}
node{
input "scan_0.sub_0"
output "scan_0.out"
name "scan_0.Output_out"
op_type "Identity"
}
name "body"
input{
name "scan_0.state"
type{
tensor_type{
elem_type 11
}
}
}
`, `name "scan_input_axes"
ints 2
type 7
`, `initializer{
dims 2
data_type 7
int64_data 0
int64_data 3
name "wholes [0 3]"
}
`} {
		if strings.Count(text.String(), want) != 1 {
			t.Errorf("the model is\n%s\nwithout\n%s", text.String(), want)
		}
	}
	g.Scan(x, x, func(body *Graph, state, x Value) Value { body.Fail(fmt.Errorf("within")); return state })
	if g.Err() == nil {
		t.Error("a body's error is lost")
	}
}

func TestApart(t *testing.T) {
	g := &Graph{}
	named := func(v float32) string {
		return g.Apart(Value{Name: "w", Shape: []int{1}, Data: []float32{v}}).Name
	}
	if a, b, c, again := named(1), named(2), named(3), named(2); a != "w" || b != "w 2" || c != "w 3" || again != b || g.Err() != nil {
		t.Errorf("%s, %s, %s, %s, %v", a, b, c, again, g.Err())
	}
}

// Numbers that go out in several chunks are all there.
func TestWriteLong(t *testing.T) {
	w := Value{Name: "w", Shape: []int{2*chunk + 5}, Data: make([]float32, 2*chunk+5)}
	for i := range w.Data {
		w.Data[i] = float32(i)
	}
	g := &Graph{}
	g.Output("y", w)
	var b bytes.Buffer
	if err := g.Write(&b, "long", Producer{}, nil); err != nil {
		t.Fatal(err)
	}
	raw, _ := binary.Append(nil, binary.LittleEndian, w.Data)
	if !bytes.Contains(b.Bytes(), raw) {
		t.Error("the numbers are not there")
	}
}

func TestWriteRefuses(t *testing.T) {
	one := Value{Name: "w", Shape: []int{1}, Data: []float32{1}}
	for want, f := range map[string]func(g *Graph){
		"two constants are named w": func(g *Graph) { g.Each("Add", one, Value{Name: "w", Shape: []int{1}, Data: []float32{2}}) },
		"a value [1] has no name":   func(g *Graph) { g.Each("Relu", Value{Shape: []int{1}}) },
		"the first one":             func(g *Graph) { g.Fail(fmt.Errorf("the first one")); g.Fail(fmt.Errorf("another")) },
	} {
		g := &Graph{}
		f(g)
		var b bytes.Buffer
		if err := g.Write(&b, "", Producer{}, nil); err == nil || !strings.Contains(err.Error(), want) || b.Len() > 0 {
			t.Errorf("%v after %d bytes, want %s", err, b.Len(), want)
		}
	}
	g := &Graph{}
	g.Each("Add", one, one, Value{Name: "w", Shape: []int{1}, Data: []float32{1}})
	if g.Err() != nil || len(g.constants) != 1 {
		t.Errorf("an equal constant: %v, %d constants", g.Err(), len(g.constants))
	}
}
