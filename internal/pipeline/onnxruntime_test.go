package pipeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/eval"
	"clr/internal/model"
)

// interopEncoders are the encoders that ONNX Runtime is given: each as it is by
// default, and with what their options may bring besides.
func interopEncoders() []string {
	all := []string{
		"{name: audiontt2020, width: 8, dim: 24, input_norm: true}",
		"{name: cnn, layers: [{channels: 8, kernel: [3, 5], stride: [1, 2], norm: true, activation: gelu, pool: avg, pool_size: [2, 2]}, {channels: 12, kernel: [3, 3], stride: [2, 1], norm: false, activation: tanh, pool: max, pool_size: [2, 3]}], pool: flatten, hidden: [24, 16], activation: sigmoid}",
		"{name: cnn, layers: [{channels: 8, kernel: [4, 4], stride: [2, 2], norm: false, activation: relu, pool: none, pool_size: [1, 1]}], pool: time_mean_max, hidden: [], activation: relu}",
		"{name: mlp, hidden: [20], out: 16, activation: gelu, output: softmax}",
		"{name: resnet, depth: 10, width: 8, stem: small, pool: time_mean}",
		"{name: resnet, depth: 50, width: 4, pool: mean_max}",
		"{name: resnet1d, depth: 10, width: 4, stem: imagenet, pool: max}",
	}
	for name := range model.Encoders {
		all = append(all, "{name: "+name+"}")
	}
	slices.Sort(all)
	return all
}

// ONNX Runtime gives what clr gives, of real clips, for every encoder, with norms
// as they are and folded, one clip at a time and seven, and with either probe behind it.
func TestONNXRuntime(t *testing.T) {
	s := newSession(t)
	for _, encoder := range interopEncoders() {
		dir := digits(t, encoder)
		run, d, e := trainedOn(t, dir)
		x, want := firstWindows(t, d, e)
		size := d.input.Values()
		dim := len(want) * size / len(x)
		for _, folded := range []bool{false, true} {
			out := filepath.Join(dir, fmt.Sprintf("folded-%v.onnx", folded))
			export(t, ExportOptions{Run: run, Format: "onnx", Out: out, FoldBN: folded})
			for _, n := range []int{1, 7} {
				s.ask(t, out, "spectrogram", d.input.Shape(n), x[:n*size], func(t *testing.T, out map[string][]float32, shapes map[string][]int) {
					s.near(t, fmt.Sprintf("%s, norms folded %v", encoder, folded), shapes["embedding"], out["embedding"], n, want[:n*dim])
				}, "embedding")
			}
		}
		for _, kind := range keptHeads {
			s.askProbe(t, dir, run, kind, "linear_probe.c_steps=1", "mlp_probe.hidden=[16]", "mlp_probe.epochs=2", "mlp_probe.seeds=[1]")
		}
	}
	s.run(t)
}

// askProbe probes a run and asks for what the probe says of windows, one and seven.
func (s *session) askProbe(t *testing.T, dir, run, kind string, set ...string) {
	t.Helper()
	con, _ := silent()
	report, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: kind}, Overrides{Set: set}, con)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, kind+".onnx")
	export(t, ExportOptions{Run: run, Format: "onnx", Out: out, Probe: kind})

	// what clr itself says of them
	d := open(t, load(t, dir, set...))
	cp, err := d.saved(run, d.splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	x, h := firstWindows(t, d, e)
	size := d.input.Values()
	dim := len(h) * size / len(x)
	p := newPool(d.c.Embed.Pool, len(x)/size, dim)
	for i := range p.count {
		p.add(i, h[i*dim:(i+1)*dim])
	}
	clips := eval.Set{X: p.finish(), N: len(p.count), D: p.dim, Classes: report.Classes}
	k := len(report.Classes)
	var want []float32
	for _, v := range report.Rows[0].Heads[0].LogProba(clips) {
		want = append(want, float32(math.Exp(v)))
	}
	what := fmt.Sprintf("%v, %s probe, %v", d.c.Encoder, kind, set)
	for _, n := range []int{1, 7} {
		s.ask(t, out, "spectrogram", d.input.Shape(n), x[:n*size], func(t *testing.T, out map[string][]float32, shapes map[string][]int) {
			s.near(t, "embeddings, "+what, shapes["embedding"], out["embedding"], n, h[:n*dim])
			s.near(t, "probabilities, "+what, shapes["probabilities"], out["probabilities"], n, want[:n*k])
			if !slices.Equal(shapes["logits"], []int{n, k}) {
				t.Errorf("%s: logits are %v", what, shapes["logits"])
			}
		}, "embedding", "logits", "probabilities")
	}
}

// So it does with a probe behind an encoder, whatever makes probabilities of its
// logits, and whoever fitted it.
func TestONNXRuntimeProbes(t *testing.T) {
	s := newSession(t)
	for _, set := range [][]string{
		{"linear_probe.c_steps=2"},
		{"linear_probe.standardize=false", "embed.pool=mean_max"},
		{"linear_probe.multi=one_vs_rest", "embed.head_layers=1"},
		{"linear_probe.protocol=evar"},
		{"tags"},
		{"mlp_probe.hidden=[24]", "mlp_probe.epochs=3"},
		{"mlp_probe.hidden=[24, 12]", "mlp_probe.epochs=3", "mlp_probe.standardize=false", "embed.pool=mean_max"},
		{"mlp_probe.protocol=evar"},
		{"tags", "mlp_probe.hidden=[8]", "mlp_probe.epochs=3"},
	} {
		kind := "linear"
		if strings.HasPrefix(set[len(set)-1], "mlp_probe") || strings.HasPrefix(set[0], "mlp_probe") {
			kind = "mlp"
		}
		dir := digits(t, "{name: resnet, depth: 10, width: 8}")
		multi := set[0] == "tags"
		if multi {
			set = set[1:]
			manifest := string(get(t, dir, "manifest.csv"))
			for _, odd := range []string{"1", "3", "5", "7", "9"} {
				manifest = strings.ReplaceAll(manifest, ","+odd+",", ","+odd+";odd,")
			}
			put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
		}
		run, d, _ := trainedOn(t, dir)
		known, err := d.labels()
		if err != nil {
			t.Fatal(err)
		}
		if multi != (known.Labels == nil) {
			t.Fatalf("%v: several labels", multi)
		}
		s.askProbe(t, dir, run, kind, set...)
	}
	s.run(t)
}

// embeddedOnce are all clips with their labels.
func embeddedOnce(t *testing.T, d *data, e encoderState, known eval.Set) eval.Set {
	t.Helper()
	known.X, known.D = embedded(t, d, e)
	return known
}

// docs/export.md's program for Node.js does what it is there for.
func TestONNXRuntimeDocs(t *testing.T) {
	newSession(t) // only to see that all is installed
	docs := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(get(t, "../../docs/export.md"))
	modules, err := filepath.Abs(filepath.Join(interopFolder, "node_modules"))
	if docs == nil || err != nil {
		t.Fatalf("the program is not there: %v", err)
	}
	dir := digits(t, "{name: resnet, depth: 10, width: 8}")
	run, d, _ := trainedOn(t, dir)
	con, _ := silent()
	if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con); err != nil {
		t.Fatal(err)
	}
	export(t, ExportOptions{Run: run, Format: "onnx", Out: filepath.Join(dir, "digits.onnx"), FrontEnd: true, Probe: "linear", FoldBN: true})
	clip, err := d.readClip(0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, clip.Samples)
	put(t, filepath.Join(dir, "clip.f32"), b.Bytes())
	put(t, filepath.Join(dir, "program.js"), docs[1])
	node := exec.CommandContext(t.Context(), "node", "program.js")
	node.Dir, node.Env = dir, append(os.Environ(), "NODE_PATH="+modules)
	out, err := node.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 2 || lines[0] != "1 64" || len(strings.Fields(lines[1])) != 10 {
		t.Fatalf("%v\n%s", err, out)
	}
	total := 0.0
	for _, word := range strings.Fields(lines[1]) {
		p, err := strconv.ParseFloat(word, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += p
	}
	if math.Abs(total-1) > 1e-5 {
		t.Errorf("the probabilities sum to %v", total)
	}
}

// With the front end inside, samples give the embedding that clr embed gives the
// clip: of clips shorter than a view and longer, by every feature that ONNX has
// words for and every normalisation.
func TestONNXRuntimeFrontEnd(t *testing.T) {
	s := newSession(t)
	for _, c := range []struct {
		feature string // in the config
		set     []string
	}{
		{"{name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 40, f_max: 3800}", []string{"embed.pool=mean_max"}},
		{"{name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 40, f_max: 3800, center: false}", []string{"view.normalize=band", "embed.hop=0.3"}},
		{"{name: logmel, n_fft: 250, win_length: 201, hop_length: 80, n_mels: 40, f_max: 3800, pad_mode: constant, power: 1, log: log10}", []string{"view.normalize=band_std", "view.unit=log10", "embed.pool=max"}},
		{"{name: logmel_librosa, n_fft: 256, win_length: 256, hop_length: 64, n_mels: 32}", []string{"view.normalize=clip", "view.unit=db"}},
		{"{name: logmel_torchaudio, n_fft: 200, win_length: 200, hop_length: 100, n_mels: 24}", []string{"view.normalize=running", "view.running=7", "view.unit=db"}},
		{"{name: logmel_byola, n_fft: 512, win_length: 512, hop_length: 80, n_mels: 24, f_max: 4000}", []string{"view.normalize=corpus_band"}},
		{"{name: mfcc, n_mfcc: 20, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 30, log: db, f_max: 4000}}", []string{"view.normalize=none"}},
		{"{name: stft, n_fft: 128, win_length: 128, hop_length: 80, value: ln, floor: 1.0e-5}", nil},
		{"{name: stft, n_fft: 128, win_length: 100, hop_length: 80, window: hamming, value: magnitude}", nil},
		{"{name: gammatone, n_fft: 256, win_length: 200, hop_length: 80, n_filters: 24, log: db, top_db: 60}", []string{"view.unit=db"}},
		{"{name: pcen, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 24}}", nil},
		{"{name: pcen, bias: 0, time_constant: 9, initial: one, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 24}}", []string{"view.normalize=none"}},
		{"{name: pcen, power: 0, gain: 0.5, scale: 1, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 24}}", nil},
		{"{name: deltas, of: {name: mfcc, n_mfcc: 13, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 24}}, win_length: 9}", nil},
		{"{name: deltas, of: {name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 16, f_max: 3800}, win_length: 51, convention: kaldi}", nil},
		{"{name: stack, bins: 20, of: [{name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 24, f_max: 3800}, {name: stft, n_fft: 256, win_length: 200, hop_length: 80, value: db}, {name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 20, f_max: 3800, power: 1}]}", nil},
		{"{name: chroma_stft, n_fft: 512, win_length: 400, hop_length: 80}", nil},
		{"{name: chroma_stft, n_fft: 512, win_length: 512, hop_length: 80, pad_mode: reflect, norm: \"2\", octwidth: 0}", nil},
		{"{name: cqt, hop_length: 80, f_min: 65.4, n_bins: 60}", nil},
		{"{name: cqt, hop_length: 80, f_min: 130.8, n_bins: 40, pad_mode: reflect, value: magnitude, scale: false, window: blackman, tuning: 0.2}", nil},
		{"{name: vqt, hop_length: 80, f_min: 65.4, n_bins: 48, pad_mode: reflect, value: db}", []string{"view.unit=db"}},
		{"{name: chroma_cqt, hop_length: 80, f_min: 65.4, n_octaves: 4, bins_per_octave: 24, threshold: 0.01, norm: \"1\"}", nil},
		{"{name: kaldi_fbank}", nil},
		{"{name: kaldi_fbank, frame_length: 20, use_energy: true, snip_edges: false, subtract_mean: true, window_type: hamming, use_power: false}", nil},
		{"{name: kaldi_fbank, use_energy: true, raw_energy: false, htk_compat: true, round_to_power_of_two: false, remove_dc_offset: false, preemphasis_coefficient: 0}", nil},
		{"{name: kaldi_mfcc, fbank: {use_energy: true}}", nil},
		{"{name: kaldi_mfcc, num_ceps: 20, fbank: {use_energy: true, htk_compat: true, snip_edges: false}}", nil},
		{"{name: kaldi_mfcc, cepstral_lifter: 0}", nil},
		{"{name: spectral, values: [centroid, bandwidth, flatness, contrast, zcr, rms], n_fft: 256, win_length: 256, hop_length: 80, n_bands: 4}", []string{"view.normalize=corpus_band"}},
		{"{name: spectral, values: [rolloff, bandwidth, zcr, rms], n_fft: 256, win_length: 200, hop_length: 80, center: false, p: 3.5}", []string{"view.normalize=corpus_band"}},
		{"{name: waveform, frame_length: 24, hop_length: 80}", nil},
		{"{name: waveform}", []string{"view.frames=2000"}},
	} {
		encoder := "{name: cnn, layers: [{channels: 8, kernel: [3, 3], stride: [1, 1], norm: true, activation: relu, pool: none, pool_size: [1, 1]}], pool: time_mean_max, hidden: [16]}"
		dir := digits(t, encoder)
		config := regexp.MustCompile(`(?m)^feature: .*$`).ReplaceAllLiteralString(string(get(t, dir, "config.yaml")), "feature: "+c.feature)
		put(t, filepath.Join(dir, "config.yaml"), []byte(strings.Replace(config, "view: {frames: 64}", "view: {frames: 24}", 1)))
		lines := strings.Split(strings.TrimSpace(string(get(t, dir, "manifest.csv"))), "\n")
		manifest := lines[0] + ",start,end\n"
		for _, line := range lines[1:] {
			manifest += line + ",,\n"
			if strings.Contains(line, "jackson") {
				manifest += line + ",0.05,0.2\n" + line + ",0,0.34\n"
			}
		}
		put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
		run, d, e := trainedOn(t, dir, c.set...)
		want, dim := embedded(t, d, e)
		out := filepath.Join(dir, "front.onnx")
		export(t, ExportOptions{Run: run, Format: "onnx", Out: out, FrontEnd: true})

		ask := func(clips ...int) {
			var x, h []float32
			for _, i := range clips {
				clip, err := d.readClip(i)
				if err != nil {
					t.Fatal(err)
				}
				x = append(x, clip.Samples...)
				for _, v := range want[i*dim : (i+1)*dim] {
					h = append(h, float32(v))
				}
			}
			n := len(clips)
			s.ask(t, out, "waveform", []int{n, len(x) / n}, x, func(t *testing.T, out map[string][]float32, shapes map[string][]int) {
				s.near(t, fmt.Sprintf("%s %v, of %d samples", c.feature, c.set, len(x)/n), shapes["embedding"], out["embedding"], n, h)
			}, "embedding")
		}
		equal := map[string][]int{} // clips of one length
		for i, it := range d.corpus.Items {
			if end := it.Value("end"); end != "" {
				equal[end] = append(equal[end], i)
			} else if i%5 == 0 {
				ask(i)
			}
		}
		ask(equal["0.2"][:7]...)
		ask(equal["0.34"][:7]...)
		ask(equal["0.34"][1])
	}
	s.run(t)
}
