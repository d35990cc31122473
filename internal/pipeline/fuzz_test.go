package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/kernel"
)

// A suite that is accepted can be asked of any run's config, and tells its probes
// apart.
func FuzzSuite(f *testing.F) {
	for _, text := range []string{
		"tasks:\n  - {name: a, corpus: x.csv, split: {by: room}, embed: {hop: 1, pool: max}}\nprobes: [{name: linear-probe, protocol: evar}, {name: judge, title: as it lies}]\n",
		"tasks: [{name: b, layout: hear, corpus: t, import: {rate: 16000}, windows: {length: 1}, on_error: {do: skip}, probes: [{name: knn-probe, k: [1], windows: vote}]}]\n",
		"tasks: [{name: c, corpus: builtin:fsdd, optional: true}]\nprobes: [{name: mlp-probe, hidden: []}, {name: mlp-probe, protocol: hear}]\n",
	} {
		for _, b := range fuzztest.Some([]byte(text), 7) {
			f.Add(b)
		}
	}
	const name = "dir/suite.yaml"
	f.Fuzz(func(t *testing.T, text []byte) {
		var s *Suite
		var err error
		fuzztest.Bounded(t, len(text), 32<<20, func() { s, err = ParseSuite(name, text) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Usage, name)
			return
		}
		r := &suiteRun{c: DefaultConfig()}
		for _, task := range s.Tasks {
			seen := map[string]bool{}
			for _, a := range s.askings(task) {
				if seen[fileTitle(a)] || !titles.MatchString(a.title()) || a.settings() == "" {
					t.Errorf("%q: %s", a.title(), a.settings())
				}
				seen[fileTitle(a)] = true
				r.config(s, task, a, s.resolve(task.Corpus)).Check()
			}
			if len(seen) == 0 {
				t.Errorf("nothing asks %s", task.Name)
			}
		}
	})
}

// A config that is accepted says the same when it is written out with every key,
// and all that may be asked of it before anything is read can be answered.
func FuzzConfig(f *testing.F) {
	add := func(text string, set string) {
		for _, b := range fuzztest.Some([]byte(text), 7) {
			f.Add(b, set)
		}
	}
	add(small, "")
	for name := range smallMethods {
		f.Add([]byte(small), smallMethods[name])
	}
	for _, text := range []string{
		"corpus: a.csv\nsample_rate: 8000\nview: {frames: 32, unit: db}\nfeature: {name: logmel, log: db}\naugment: [{name: gaussian_blur}]\n",
		"corpus: builtin:fsdd\nfeature: {name: mfcc}\nsplit: {by: room}\noptimizer: {name: lars}\nengine:\n  exact_conv: true\n",
		"corpus: \"é\\t\\u2028 # x\"\nstore: '../a: b'\n",
	} {
		add(text, "seed=18446744073709551615")
	}
	for _, set := range []string{"augment=[{name: time_mask}]", "augment.0.name=color", "feature.n_fft=1073741824", "sample_rate=1e4", "view={frames: -1}", "encoder.width=99999999", "=", "seed",
		"corpus=\xff.csv", "corpus=x" + strings.Repeat("[", 300), "store=" + strings.Repeat("y", 64<<10), `corpus="\xff"`} {
		f.Add([]byte("corpus: a.csv\n"), set)
	}
	const name = "dir/run.yaml"
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		o := Overrides{}
		if set != "" {
			o.Set = []string{set}
		}
		var c *Config
		var err error
		fuzztest.Bounded(t, len(text)+len(set), 32<<20, func() { c, err = ParseConfig(name, text, o) })
		if err != nil {
			where := name
			if set != "" && !strings.Contains(err.Error(), name) {
				where = "--set" // the override is wrong, not the file
			}
			fuzztest.Refused(t, err, fault.Usage, where)
			return
		}
		resolved := c.Resolved()
		again, err := ParseConfig(name, resolved, Overrides{})
		if err != nil {
			t.Fatalf("%v\n%s", err, resolved)
		}
		fuzztest.Same(t, "read again", again.Resolved(), resolved)
		if d := Diff(c, again); len(d) > 0 {
			t.Errorf("read again, it differs: %+v", d)
		}
		fuzztest.Bounded(t, len(text)+len(set), 64<<20, func() {
			c.WithOrigins()
			c.CorpusPath()
			c.StorePath()
			c.At("elsewhere/run")
			if _, err := c.Input(); err != nil && fault.KindOf(err) != fault.Usage {
				t.Errorf("bins: %v", err)
			}
			if _, err := Plan(c); err != nil && fault.KindOf(err) != fault.Usage && !errors.Is(err, fs.ErrNotExist) { // supervised methods count the manifest's classes
				t.Errorf("plan: kind %d: %v", fault.KindOf(err), err)
			}
		})
	})
}

// A replay file that is read has a config, and views of its shape; whether the
// method in it fits is known before its memory is taken.
func FuzzReplayFile(f *testing.F) {
	c, err := ParseConfig("run.yaml", []byte(strings.Replace(small, "corpus: manifest.csv", "corpus: none", 1)), Overrides{Set: []string{smallMethods["simclr"]}})
	if err != nil {
		f.Fatal(err)
	}
	in, err := c.Input()
	if err != nil {
		f.Fatal(err)
	}
	config := string(c.portable().Resolved())
	step := `{"step":2,"epoch":0,"steps":9,"lr":0.1,"fold":"","seed":1,"clips":["a.wav","b.wav"],"not_finite":"loss","value":"NaN","moved":false,"loss":"+Inf","grad_norm":1,"corpus_sha256":"","clr":"devel","go":"go1","cpu_path":"x"}`
	for _, b := range fuzztest.Some([]byte(step), 3) {
		f.Add([]byte("1"), b, []byte(config), uint8(4), uint16(in.Bins), uint16(in.Frames), "encoder.conv1.weight")
	}
	for _, b := range fuzztest.Some([]byte(config), 7) {
		f.Add([]byte("1"), []byte(step), b, uint8(4), uint16(in.Bins), uint16(in.Frames), "queue")
	}
	f.Add([]byte("2"), []byte(step), []byte(config), uint8(4), uint16(in.Bins), uint16(in.Frames), viewsKey)
	f.Add([]byte("1"), []byte(step), []byte(config), uint8(0), uint16(0), uint16(0), "optimizer.x")
	path := filepath.Join(f.TempDir(), divergedFile)
	f.Fuzz(func(t *testing.T, version, step, config []byte, rows uint8, bins, frames uint16, name string) {
		if int(rows)*int(bins)*int(frames) > 1<<18 || strings.ToValidUTF8(name, "") != name || name == "__metadata__" {
			t.Skip("no checkpoint has that, or a large one")
		}
		cp := &checkpoint.Checkpoint{Meta: map[string]string{}, Arrays: map[string]kernel.Array{name: kernel.New(3), viewsKey: kernel.New(int(rows), 1, int(bins), int(frames))}}
		size := 4 * len(cp.Arrays[viewsKey].Data)
		for key, value := range map[string][]byte{versionKey: version, stepKey: step, configKey: config} {
			cp.Meta[key] = strings.ToValidUTF8(string(value), "?")
			size += 6 * len(value)
		}
		if err := checkpoint.Save(path, cp); err != nil {
			t.Fatal(err)
		}
		var r *replayFile
		var err error
		fuzztest.Bounded(t, size, 64<<20, func() { r, err = readReplay(path) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		if r.batch.N != len(r.Clips) || 2*r.batch.N != int(rows) || r.batch.Input.Bins != int(bins) || r.batch.Input.Frames != int(frames) || r.Step < 0 {
			t.Errorf("%+v of %d × %d × %d", r.divergence, rows, bins, frames)
		}
		fuzztest.Bounded(t, size, 64<<20, func() { _, err = r.method(nil) })
		if err == nil {
			t.Error("it has one weight and makes a method")
		} else if kind := fault.KindOf(err); kind != fault.Resource {
			fuzztest.Refused(t, err, fault.Data, path)
		}
	})
}

// Predictions that are read are shares of each fold's heads, and pair with
// themselves.
func FuzzPredictions(f *testing.F) {
	head := strings.Join(predictionColumns, ",") + "\n"
	for _, text := range []string{
		head + "0,a.wav,,,x,1,low,low\n0,a.wav,,,x,2,low,high\n3,\"b, c.wav\",0.5,1,x,1,high,high\n3,\"b, c.wav\",0.5,1,x,2,high,high\n",
		head + "0,a.wav,,,x,1,low,low\n0,a.wav,,,x,1,low,low\n",
		head + "0,a.wav,,,x,1,low,low\n0,a.wav,,,x,1,high,low\n0,a.wav,,,y,2,high,high\n",
		head,
	} {
		for _, b := range fuzztest.Damaged([]byte(text)) {
			f.Add(b)
		}
	}
	run := f.TempDir()
	path := filepath.Join(run, kindOf("linear").predictions())
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if _, err := readPredictions(run, kindOf("linear"), "0"); err == nil {
			t.Error("predictions of another hash are believed")
		}
		var p *predictions
		var err error
		fuzztest.Bounded(t, len(b), 1<<20, func() { p, err = readPredictions(run, kindOf("linear"), hex.EncodeToString(sum[:])) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		if len(p.clips) == 0 || len(p.shares) != len(p.clips) || p.heads == 0 {
			t.Fatalf("%+v", p)
		}
		a, q, why := p.pair(p)
		if why != "" {
			t.Fatal(why)
		}
		for i := range a {
			if len(a[i]) == 0 || !slices.Equal(a[i], q[i]) || slices.Min(a[i]) < 0 || slices.Max(a[i]) > 1 {
				t.Errorf("fold %s: %v, %v", p.folds[i], a[i], q[i])
			}
		}
	})
}
