package pipeline

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/rundir"
)

// smallEncoders are the encoders, tiny; those of sounds take samples.
var smallEncoders = map[string]string{
	"audiontt2020": "width: 3, dim: 6, dropout: 0.3, input_norm: true",
	"cnn":          "layers: [{channels: 4, kernel: [3, 3], stride: [1, 2], norm: true, activation: gelu, pool: avg, pool_size: [2, 2]}], pool: flatten, hidden: [6], activation: tanh",
	"mlp":          "hidden: [7], out: 6, activation: sigmoid, output: softmax",
	"resnet":       "depth: 10, width: 4, stem: small, pool: time_mean",
	"resnet1d":     "depth: 10, width: 2",
	"samplecnn":    "width: 2",
}

// encoded is tones with a config of the encoder.
func encoded(t *testing.T, name, options string) (dir string) {
	dir = tones(t, 20)
	text := strings.Replace(small, "{name: resnet, depth: 10, width: 4, stem: small}", "{name: "+name+", "+options+"}", 1)
	if name == "resnet1d" || name == "samplecnn" {
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			for key, value := range map[string]string{"feature": "{name: waveform}", "view": "{frames: 700}", "augment": "[{name: polarity}]"} {
				if strings.HasPrefix(line, key+":") {
					lines[i] = key + ": " + value
				}
			}
		}
		text = strings.Join(lines, "\n")
	}
	put(t, filepath.Join(dir, "config.yaml"), []byte(text))
	return dir
}

// Every encoder goes the whole way: a run that is interrupted resumes to the
// same bytes, its weights are exported, and it embeds.
func TestEncodersTrain(t *testing.T) {
	for name := range model.Encoders {
		options, ok := smallEncoders[name]
		if !ok {
			t.Errorf("add a small %s to smallEncoders", name)
			continue
		}
		dir := encoded(t, name, options)
		whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
		pretrain(t, load(t, dir), PretrainOptions{Run: whole})
		ctx, cancel := context.WithCancel(t.Context())
		if err := Pretrain(ctx, load(t, dir, "workers=5"), PretrainOptions{Run: stopped}, Console{Err: trap{"pretrain 4/9", cancel}}); fault.KindOf(err) != fault.Interrupted {
			t.Fatalf("%s: %v", name, err)
		}
		pretrain(t, load(t, dir), PretrainOptions{Run: stopped, Resume: true})
		same(t, rundir.LastFile, whole, stopped)

		run, d, e := trainedOn(t, dir)
		if x, _ := embedded(t, d, e); slices.ContainsFunc(x, func(v float64) bool { return v-v != 0 }) {
			t.Errorf("%s: an embedding is not finite", name)
		}
		out := filepath.Join(dir, "encoder.safetensors")
		export(t, ExportOptions{Run: run, Format: "safetensors", Out: out})
		tensors, _, err := checkpoint.LoadTensors(out)
		if err != nil {
			t.Fatal(err)
		}
		state := map[string]kernel.Array{}
		e.params.State("", state)
		for _, tensor := range tensors {
			if a := state["encoder."+tensor.Name]; a.Data == nil || !slices.Equal(a.Shape, tensor.Shape) {
				t.Errorf("%s: exported is %s %v, the encoder has %v", name, tensor.Name, tensor.Shape, a.Shape)
			}
		}
		if len(tensors) != len(state) {
			t.Errorf("%s: %d arrays are exported, the encoder has %d", name, len(tensors), len(state))
		}
	}
}

// Dropout draws by the step in every method of two towers, too.
func TestDropoutResumes(t *testing.T) {
	for _, method := range []string{"byol", "moco"} {
		dir, set := encoded(t, "audiontt2020", smallEncoders["audiontt2020"]), smallMethods[method]
		whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
		pretrain(t, load(t, dir, set), PretrainOptions{Run: whole})
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, MaxSteps: 4})
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, Resume: true})
		same(t, rundir.LastFile, whole, stopped)
	}
}
