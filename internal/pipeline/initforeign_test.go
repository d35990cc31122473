package pipeline

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/kernel"
)

// otherTool writes arrays as another tool names and rounds them.
func otherTool(t *testing.T, path, dtype string, arrays map[string]kernel.Array) {
	t.Helper()
	var head []string
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		a, from := arrays[name], len(data)
		for _, v := range a.Data {
			switch dtype {
			case "F16": // of values that it holds exactly
				bits := math.Float32bits(v)
				h := uint16(bits>>16) & 0x8000
				if v != 0 {
					h |= uint16(int(bits>>23&255)-127+15)<<10 | uint16(bits>>13)&1023
				}
				data = binary.LittleEndian.AppendUint16(data, h)
			case "F64":
				data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(v)))
			case "F32":
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			}
		}
		shape := strings.Join(strings.Fields(fmt.Sprint(a.Shape)), ",")
		head = append(head, fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, dtype, shape, from, len(data)))
	}
	text := "{" + strings.Join(head, ",") + "}"
	put(t, path, append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...))
}

// foreign are the first weights of a config's encoder made anew, as torchvision
// names them: three colours, a classifier, no counts. byHand is what they should be
// in our network.
func foreign(t *testing.T, c *Config) (file, byHand map[string]kernel.Array) {
	t.Helper()
	file, byHand = map[string]kernel.Array{"fc.weight": kernel.New(7, 3), "fc.bias": kernel.New(7)}, map[string]kernel.Array{}
	for name, a := range encoderIn(begun(t, c)) {
		bare := strings.TrimPrefix(name, "encoder.")
		for i := range a.Data {
			a.Data[i] = float32((i*7+len(name)*5)%31-11) / 16
			if strings.HasSuffix(name, ".running_var") {
				a.Data[i] = float32(1+i%5) / 4
			}
		}
		switch {
		case strings.HasSuffix(name, ".num_batches_tracked"):
			a.Data[0] = 0
		case bare == "conv1.weight":
			co, taps := a.Shape[0], a.Shape[2]*a.Shape[3]
			rgb := kernel.New(co, 3, a.Shape[2], a.Shape[3])
			for i := range rgb.Data {
				rgb.Data[i] = float32(i%13-6) / 8
			}
			for o := range co {
				for k := range taps {
					a.Data[o*taps+k] = rgb.Data[o*3*taps+k] + rgb.Data[o*3*taps+taps+k] + rgb.Data[o*3*taps+2*taps+k]
				}
			}
			file[bare] = rgb
		default:
			file[bare] = a
		}
		byHand[name] = a
	}
	return file, byHand
}

// Weights of other tools, in any width and behind their wrappers, become the
// network that they become by hand.
func TestInitFromOtherTools(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	file, byHand := foreign(t, d.c)
	norm, err := d.normalization(d.splits[0].Train)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.fresh(norm)
	if err == nil {
		err = e.params.Load("", byHand)
	}
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	want, _, err := d.embed(t.Context(), e, con.Progress("", 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := func(prefix string, also ...string) map[string]kernel.Array {
		w := map[string]kernel.Array{}
		for name, a := range file {
			w[prefix+name] = a
		}
		for _, name := range also {
			w[name] = kernel.New(2)
		}
		return w
	}
	path := filepath.Join(dir, "other.safetensors")
	for what, write := range map[string]func(){
		"F32":                func() { otherTool(t, path, "F32", file) },
		"F16":                func() { otherTool(t, path, "F16", file) },
		"F64":                func() { otherTool(t, path, "F64", file) },
		"module":             func() { otherTool(t, path, "F32", wrapped("module.")) },
		"module, backbone":   func() { otherTool(t, path, "F32", wrapped("module.backbone.")) },
		"model.encoder":      func() { otherTool(t, path, "F32", wrapped("model.encoder.")) },
		"encoder among more": func() { otherTool(t, path, "F32", wrapped("encoder.", "projector.0.weight", "queue")) },
	} {
		write()
		state := begun(t, load(t, dir, "init="+path))
		if !equalArrays(encoderIn(state), byHand) {
			t.Errorf("%s: other weights", what)
			continue
		}
		got, err := d.fresh(norm)
		if err == nil {
			err = got.params.Load("", state)
		}
		if err != nil {
			t.Fatal(err)
		}
		if x, _, err := d.embed(t.Context(), got, con.Progress("", 0, 1)); err != nil || !slices.Equal(x, want) {
			t.Errorf("%s: other embeddings, %v", what, err)
		}
	}

	// As many channels as the encoder takes are used as they are.
	c := load(t, dir, "init="+path)
	three := c.input(3 * d.input.Bins)
	three.Channels, three.Bins = 3, d.input.Bins
	otherTool(t, path, "F32", file)
	tensors, _, err := checkpoint.LoadTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	arrays, mistakes, err := fit(c.Encoder, tensors, three)
	if err != nil || len(mistakes) > 0 || !slices.Equal(arrays["encoder.conv1.weight"].Data, file["conv1.weight"].Data) {
		t.Errorf("three channels: %v, %v", mistakes, err)
	}
	two := three
	two.Channels = 2
	if _, mistakes, err = fit(c.Encoder, tensors, two); err != nil || len(mistakes) != 1 || !strings.Contains(mistakes[0].Error(), "conv1.weight is [4 3 3 3], the encoder needs [4 2 3 3]") {
		t.Errorf("two channels: %v, %v", mistakes, err)
	}
}
