package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// rain writes some background recordings and their manifest.
func rain(t *testing.T, dir string) (manifest string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o777))
	lines := "path\n"
	for i := range 5 {
		put(t, filepath.Join(dir, fmt.Sprint(i, ".wav")), wav(1500+90*float64(i), 0.1+0.2*float64(i), 0.5))
		lines += fmt.Sprint(i, ".wav\n")
	}
	manifest = filepath.Join(dir, "rain.csv")
	put(t, manifest, []byte(lines))
	return manifest
}

// opened is a config's data with its backgrounds.
func opened(t *testing.T, c *Config) *data {
	t.Helper()
	con, _ := silent()
	d, err := openData(t.Context(), c, con, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func under(manifest string) string {
	return "augment=[{name: background, p: 1, manifest: " + manifest + "}, {name: gain}]"
}

// Views with a background are the same whoever draws them, and whatever was kept
// in memory; they are others than without it.
func TestBackgroundViews(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir, under(rain(t, filepath.Join(dir, "rain"))))
	want := draw(t, opened(t, c), 0, 4)
	for _, workers := range []int{1, 5} {
		c.Workers = workers
		for _, room := range []int{0, 3000, backgroundRoom} {
			d := opened(t, c)
			d.background.room = room
			sameBatches(t, fmt.Sprint(workers, " workers, room ", room), draw(t, d, 0, 4), want)
			kept := 0
			for _, b := range d.background.of {
				for _, clip := range b.kept {
					kept += len(clip.Samples)
				}
			}
			if kept > room || room == backgroundRoom && kept == 0 {
				t.Errorf("%d samples are kept, there is room for %d", kept, room)
			}
		}
	}
	without := draw(t, opened(t, load(t, dir, "augment=[{name: wave_gain, p: 0}, {name: gain}]")), 0, 1)
	if slices.Equal(without[0].x, want[0].x) {
		t.Error("a background changes nothing")
	}
}

// Equal runs are equal files wherever the background's manifest lies; other
// backgrounds are noticed like other recordings, by resume, verify and run.json.
func TestBackgroundDecides(t *testing.T) {
	dir := tones(t, 20)
	near, far := rain(t, filepath.Join(dir, "rain")), rain(t, filepath.Join(t.TempDir(), "elsewhere"))
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	pretrain(t, load(t, dir, under(near)), PretrainOptions{Run: a})
	pretrain(t, load(t, dir, under(far)), PretrainOptions{Run: b, MaxSteps: 4})
	pretrain(t, load(t, dir, under(far)), PretrainOptions{Run: b, Resume: true})
	same(t, rundir.LastFile, a, b)
	made, _, err := rundir.Read(a)
	if err != nil || len(made.Background) != 64 {
		t.Fatalf("%+v, %v", made, err)
	}
	if other, _, err := rundir.Read(b); err != nil || other.Background != made.Background || other.Hash() != made.Hash() {
		t.Errorf("%+v is not %+v: %v", other, made, err)
	}
	con, _ := silent()
	if v, err := Verify(t.Context(), VerifyOptions{Run: a}, Overrides{}, con); err != nil || !v.Identical || len(v.Environment) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	must(t, os.Rename(filepath.Dir(far), filepath.Dir(far)+"-gone"))
	if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: b}, Kind: "linear"}, Overrides{}, con); err != nil { // probes do without
		t.Error(err)
	}

	pretrain(t, load(t, dir, under(near)), PretrainOptions{Run: c, MaxSteps: 4})
	put(t, filepath.Join(dir, "rain", "3.wav"), wav(1000, 0.4, 0.5))
	err = Pretrain(t.Context(), load(t, dir, under(near)), PretrainOptions{Run: c, Resume: true}, con)
	if says(t, err, "other background recordings", made.Background[:12]); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
	v, err := Verify(t.Context(), VerifyOptions{Run: a}, Overrides{}, con)
	if fault.KindOf(err) != fault.Mismatch || len(v.Environment) != 1 || !strings.HasPrefix(v.Environment[0], "background: "+made.Background[:12]) {
		t.Errorf("%+v, %v", v, err)
	}
}

// A background recording that changes while a run reads it stops the run.
func TestBackgroundChangesInMidRun(t *testing.T) {
	dir := tones(t, 20)
	manifest := rain(t, filepath.Join(dir, "rain"))
	d := opened(t, load(t, dir, under(manifest)))
	d.background.room = 0
	draw(t, d, 0, 1)
	for i := range 5 {
		put(t, filepath.Join(dir, "rain", fmt.Sprint(i, ".wav")), wav(777, 0.3, 1))
	}
	_, err := startFor(t, t.Context(), d, 1, 2).next(t.Context())
	if says(t, err, "background: ", filepath.Join(dir, "rain"), "the recording has changed"); fault.KindOf(err) != fault.Data {
		t.Errorf("%v", err)
	}
}

func TestBackgroundRefused(t *testing.T) {
	dir := tones(t, 20)
	manifest := rain(t, filepath.Join(dir, "rain"))
	con, _ := silent()
	open := func(set string) error {
		d, err := openData(t.Context(), load(t, dir, set), con, true)
		if err == nil {
			d.Close()
		}
		return err
	}
	put(t, filepath.Join(dir, "rain", "2.wav"), get(t, dir, "04.wav")) // a test clip
	err := open(under(manifest))
	if says(t, err, "background: "+manifest, "2.wav is a recording of the corpus, too: 04.wav"); fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), "wave_mix") {
		t.Errorf("%v", err)
	}
	put(t, manifest, []byte("path,sha256\n1.wav,"+strings.Repeat("0", 64)+"\n"))
	says(t, open(under(manifest)), "background: "+manifest+":2", "1.wav: its SHA-256 is")
	put(t, manifest, []byte("path\ngone.wav\n"))
	says(t, open(under(manifest)), "background: ", manifest+":2", "gone.wav")
	err = open(under("nowhere.csv"))
	if says(t, err, "background: there is no manifest ", "nowhere.csv"); fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), "augmentation's manifest:") {
		t.Errorf("%v, %s", err, fault.Remedy(err))
	}
	err = open(under("builtin:rain"))
	if says(t, err, "rain"); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

// A manifest's path is relative to the config, to where clr is started if a flag
// gives it, and to the run folder in its config.yaml; what is hashed has none.
func TestBackgroundPaths(t *testing.T) {
	dir := tones(t, 20)
	text := strings.Replace(small, "augment: [", "augment: [{name: background, manifest: noise/rain.csv}, {name: background}, ", 1)
	c, err := ParseConfig(filepath.Join(dir, "config.yaml"), []byte(text), Overrides{})
	must(t, err)
	if m := c.manifests(); m[0] != "noise/rain.csv" || c.resolve(m[0]) != filepath.Join(dir, "noise", "rain.csv") || m[1] != "builtin:fsdd" {
		t.Errorf("%q", m)
	}
	if m := c.At(filepath.Join(dir, "runs", "a")).manifests(); m[0] != "../../noise/rain.csv" || m[1] != "builtin:fsdd" {
		t.Errorf("from the run: %q", m)
	}
	if m := c.portable().manifests(); m[0] != "none" || m[1] != "none" {
		t.Errorf("hashed: %q", m)
	}
	if m := c.manifests(); m[0] != "noise/rain.csv" {
		t.Errorf("the config itself changed: %q", m)
	}
	here := load(t, dir, "augment.0={name: background, manifest: rain.csv}")
	want, err := filepath.Abs("rain.csv")
	must(t, err)
	if got, err := filepath.Abs(here.resolve(here.manifests()[0])); err != nil || got != want {
		t.Errorf("from a flag: %q, want %q: %v", got, want, err)
	}
}

// A clip that is played faster may become shorter than a window of the feature.
func TestTooFastForTheFeature(t *testing.T) {
	dir := tones(t, 20)
	d := opened(t, load(t, dir, "feature={name: logmel, n_fft: 1024, win_length: 1024, hop_length: 64, n_mels: 24, f_max: 3800}",
		"augment=[{name: wave_speed, factor: [4, 4]}]"))
	if c, err := d.readClip(0); err != nil || len(c.Samples)/4 > 512 {
		t.Fatalf("%d samples, %v: not what is to be tested", len(c.Samples), err)
	}
	if got := draw(t, d, 0, 2); len(got) != 2 {
		t.Error(len(got))
	}
}

// Chains of waveforms with all that there is train, and give the same views
// again from any step.
func TestWholeWaveChain(t *testing.T) {
	dir := tones(t, 20)
	var chain []string
	for name, a := range augment.Table {
		if _, ok := a.(augment.Wave); ok {
			chain = append(chain, fmt.Sprintf("{name: %s, p: 1}", name))
		}
	}
	slices.Sort(chain)
	c := load(t, dir, "augment=["+strings.Join(chain, ", ")+"]")
	want := draw(t, opened(t, c), 0, 4)
	c.Workers = 3
	sameBatches(t, "from step 2", draw(t, opened(t, c), 2, 4), want[2:])
}
