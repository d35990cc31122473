package pipeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rate is the sample rate of the test recordings.
const rate = 8000

// wav is a 16-bit recording of a decaying tone.
func wav(hertz, seconds, level float64) []byte {
	n := int(rate * seconds)
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("RIFF"), uint32(36+2*n))
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(b, 1) // PCM
	b = le.AppendUint16(b, 1) // channel
	b = le.AppendUint32(b, rate)
	b = le.AppendUint32(b, 2*rate)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 16)
	b = le.AppendUint32(append(b, "data"...), uint32(2*n))
	for i := range n {
		t := float64(i) / rate
		b = le.AppendUint16(b, uint16(int16(level*20000*math.Exp(-3*t)*math.Sin(2*math.Pi*hertz*t))))
	}
	return b
}

// tones writes n recordings, high and low by turns, and their manifest. Every
// fifth is a test clip; they lie in two rooms.
func tones(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	manifest := "path,label,split,room\n"
	for i := range n {
		name, part := fmt.Sprintf("%02d.wav", i), "train"
		if i%5 == 4 {
			part = "test"
		}
		hertz := 300 + float64(i%2)*700 + 7*float64(i)
		put(t, filepath.Join(dir, name), wav(hertz, 0.2+0.02*float64(i%4), 1))
		manifest += fmt.Sprintf("%s,%s,%s,%c\n", name, []string{"low", "high"}[i%2], part, 'x'+rune(i/2%2))
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
	put(t, filepath.Join(dir, "config.yaml"), []byte(small))
	return dir
}

// small trains a tiny encoder; with the 16 training clips of tones(t, 20), 3
// steps an epoch, of 5, 5 and 6.
const small = `corpus: manifest.csv
sample_rate: 8000
store: store.clrs
feature: {name: logmel, n_fft: 128, win_length: 128, hop_length: 64, n_mels: 24, f_max: 3800}
view: {frames: 16}
augment: [{name: gain}, {name: mix}, {name: time_mask, frames: 3}]
encoder: {name: resnet, depth: 10, width: 4, stem: small}
method: {name: simclr, projector: {hidden: [8], out: 4}}
optimizer: {name: adamw, lr: 0.01}
schedule: {epochs: 3, warmup_epochs: 1}
batch: 6
checkpoint: {every: 1}
health: {every: 2}
linear_probe: {c_steps: 1, inner_folds: 2}
mlp_probe: {epochs: 2}
`

// load reads a folder's config.yaml. A whole method that is set takes the place of
// the file's, keys and all.
func load(t *testing.T, dir string, set ...string) *Config {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	text := get(t, path)
	if slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, "method={") }) {
		text = regexp.MustCompile(`(?m)^method: .*$`).ReplaceAll(text, nil)
	}
	c, err := ParseConfig(path, text, Overrides{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open makes a config's data ready.
func open(t *testing.T, c *Config) *data {
	t.Helper()
	d, err := openData(t.Context(), c, Console{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// silent is a console that nobody listens to, and what it said.
func silent() (Console, *bytes.Buffer) {
	var b bytes.Buffer
	return Console{Out: &b, Err: &b}, &b
}

// pretrain runs to the end.
func pretrain(t *testing.T, c *Config, o PretrainOptions) {
	t.Helper()
	con, _ := silent()
	if err := Pretrain(t.Context(), c, o, con); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// same fails unless two folders hold the same file.
func same(t *testing.T, name, a, b string) {
	t.Helper()
	if !bytes.Equal(get(t, a, name), get(t, b, name)) {
		t.Errorf("%s differs between %s and %s", name, a, b)
	}
}

// says fails unless an error holds all the words.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one about %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no %q in: %v", w, err)
		}
	}
}
