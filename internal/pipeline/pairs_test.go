package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/rundir"
)

// showing is SimCLR that asks for all that a method can, and adds to its loss what
// it was given.
type showing struct {
	method.SimCLR `yaml:",inline"`
	Labels        bool `yaml:"labels" doc:"asked for"`
	Labelled      bool `yaml:"labelled" doc:"no other clips"`
	Crops         int  `yaml:"crops" doc:"asked for"`
	CropFrames    int  `yaml:"crop_frames" doc:"of each"`
}

func (o showing) Needs() method.Needs {
	return method.Needs{Labels: o.Labels, Labelled: o.Labelled, Crops: o.Crops, CropFrames: o.CropFrames}
}

func (o showing) New(s method.Setup) (method.Method, error) {
	m, err := o.SimCLR.New(s)
	return shown{m}, err
}

type shown struct{ method.Method }

func (m shown) Step(ctx context.Context, b method.Batch) (method.Result, error) {
	sum := float32(0)
	for i, v := range slices.Concat(b.Labels, b.Crops) {
		sum += v / float32(1+i)
	}
	b.Labels, b.Crops = nil, nil
	r, err := m.Method.Step(ctx, b)
	r.Loss += sum
	return r, err
}

// show has the methods' table hold showing while a test runs.
func show(t *testing.T) (set string) {
	t.Helper()
	method.Table["showing"] = showing{SimCLR: method.Table["simclr"].(method.SimCLR)}
	t.Cleanup(func() { delete(method.Table, "showing") })
	return "method={name: showing, projector: {hidden: [8], out: 4}, labels: true, crops: 3, crop_frames: 9}"
}

// pairs are chains for the kinds of pairs.
var pairs = map[string][]string{
	"augmented": {chains["spectrogram"], chains["waveform"]},
	"original":  {chains["spectrogram"], chains["waveform"]},
	"window":    {"augment=[]"},
	"label":     {chains["spectrogram"], chains["waveform"]},
}

// plainView is a view as the options' words have it, by a generator and buffers of
// its own.
func plainView(t *testing.T, d *data, norm normalization, clip, epoch, view int) []float32 {
	t.Helper()
	clips := hears(d.splits[0])
	var source rand.PCG
	augment.Reseed(&source, d.c.Seed, epoch, clip, view)
	r := rand.New(&source)
	other := func() int { return clips[r.IntN(len(clips))] }
	draw := augment.Draw{Rand: r, Source: &source,
		OtherSpec: func() (audio.Spectrogram, error) { return d.store.Spectrogram(other()) },
		OtherWave: func() (audio.Clip, error) { return d.readClip(other()) }}
	of := clip
	if label := d.corpus.Items[clip].Label; d.c.View.Pair == "label" && view == 1 && label != "" {
		var like []int
		for _, i := range clips {
			if d.corpus.Items[i].Label == label {
				like = append(like, i)
			}
		}
		if last := len(like) - 1; last > 0 {
			if of = like[r.IntN(last)]; of == clip {
				of = like[last]
			}
		}
	}
	v := d.views(norm)
	size := d.input
	if view > 1 {
		v.Options.Frames = method.NeedsOf(d.c.Method).CropFrames
		size.Frames = v.Options.Frames
	}
	s, err := d.store.Spectrogram(of)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case d.c.View.Pair == "original" && view == 0:
		v.Chain = nil
	case len(d.c.waves()) > 0:
		c, err := d.readClip(of)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range d.c.waves() {
			if err := a.Wave(&c, draw); err != nil {
				t.Fatal(err)
			}
		}
		f, err := d.c.Feature.New(d.c.SampleRate)
		if err != nil {
			t.Fatal(err)
		}
		s = audio.Spectrogram{}
		if err := f.Extract(&s, c); err != nil {
			t.Fatal(err)
		}
	}
	dst := make([]float32, size.Values())
	if err := v.Draw(dst, &s, draw); err != nil {
		t.Fatal(err)
	}
	return dst
}

// The views of each kind of pair, and the shorter ones, are those of a plain loop,
// with any number of workers; the labels are the manifest's.
func TestPairs(t *testing.T) {
	all := show(t)
	dir := tones(t, 20)
	relabel(t, dir, func(i int, was string) string { // 8 has none, 5 is alone in its own
		switch i {
		case 5:
			return "middle"
		case 8:
			return ""
		}
		return was
	})
	for kind, chains := range pairs {
		for _, chain := range chains {
			for _, workers := range []int{1, 5} {
				d := open(t, load(t, dir, all, "view.pair="+kind, chain, fmt.Sprint("workers=", workers)))
				tr, err := newTrainer(d, d.splits[0])
				if err != nil {
					t.Fatal(err)
				}
				l, err := startLoader(t.Context(), d, tr.loaderOptions(2, 5)) // over two epochs
				if err != nil {
					t.Fatal(err)
				}
				defer l.stop()
				others := 0
				for range 3 {
					b, err := l.next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					step := b.Step
					if len(b.Labels) != b.N || len(b.Crops) != 3*b.N*b.Input.Bins*9 {
						t.Fatalf("%d labels and %d values of shorter views of %d clips", len(b.Labels), len(b.Crops), b.N)
					}
					for i, name := range b.names {
						clip := slices.IndexFunc(d.corpus.Items, func(it audio.Item) bool { return it.Path == name })
						label := ""
						if b.Labels[i] >= 0 {
							label = tr.labels.classes[int(b.Labels[i])]
						}
						if want := d.corpus.Items[clip].Label; label != want {
							t.Errorf("%s has the label %q, the manifest %q", name, label, want)
						}
						for view := range 5 {
							got, _ := rowOf(b.Batch, b.crop, view*b.N+i)
							if !slices.Equal(got, plainView(t, d, tr.norm, clip, tr.batches.epoch(step), view)) {
								t.Errorf("%s, %s, %d workers: view %d of %s in step %d is another", kind, chain, workers, view, name, step)
							}
							if view == 1 && kind == "label" {
								d.c.View.Pair = "augmented"
								if !slices.Equal(got, plainView(t, d, tr.norm, clip, tr.batches.epoch(step), view)) {
									others++
								}
								d.c.View.Pair = "label"
							}
						}
					}
				}
				if kind == "label" && others < 12 {
					t.Errorf("%d of 16 second views are of another clip", others)
				}
			}
		}
	}
}

// Who asks for nothing is given nothing, and gets the views that it always got:
// labels in the manifest and a kind of pair that needs them change nothing else.
func TestLabelsStayHidden(t *testing.T) {
	dir := tones(t, 20)
	want := draw(t, open(t, load(t, dir)), 0, 4)
	relabel(t, dir, func(int, string) string { return "" })
	d := open(t, load(t, dir))
	sameBatches(t, "without labels", draw(t, d, 0, 4), want)
	relabel(t, dir, func(i int, _ string) string { return fmt.Sprint(i % 3) })
	d = open(t, load(t, dir, "view.pair=label"))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	o := tr.loaderOptions(0, 1)
	o.norm = normalization{mean: []float32{0}, std: []float32{1}} // as draw has it
	l, err := startLoader(t.Context(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.stop()
	b, err := l.next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	half := len(want[0].x) / 2
	if len(b.Labels)+len(b.Crops) > 0 || !slices.Equal(b.X[:half], want[0].x[:half]) || slices.Equal(b.X[half:], want[0].x[half:]) {
		t.Errorf("%d labels, %d values of shorter views; the first views are the same: %v", len(b.Labels), len(b.Crops), slices.Equal(b.X[:half], want[0].x[:half]))
	}
}

// Where only labelled clips are asked for, no others come, and none whose label a
// fraction hides.
func TestLabelledOnly(t *testing.T) {
	show(t)
	dir := tones(t, 20)
	d := open(t, load(t, dir, "method={name: showing, labels: true, labelled: true}", "labels.fraction=0.5", "batch=4"))
	tr, err := planTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.clips) != 8 || slices.ContainsFunc(tr.clips, func(i int) bool { return tr.labels.of[i] < 0 }) {
		t.Errorf("trains on %v, of the labels %v", tr.clips, tr.labels.of)
	}
	d.c.Batch = 9
	_, err = planTrainer(d, d.splits[0])
	says(t, err, "batch 9", "8 clips")
}

// A run with labels and shorter views resumes to the same bytes, and its replay
// file has the step whole.
func TestAllOfABatchIsKept(t *testing.T) {
	all := show(t)
	dir := tones(t, 20)
	whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
	set := []string{all, "view.pair=label"}
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: whole})
	pretrain(t, load(t, dir, append(set, "workers=3")...), PretrainOptions{Run: stopped, MaxSteps: 4})
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: stopped, Resume: true})
	same(t, rundir.LastFile, whole, stopped)

	d := open(t, load(t, dir, set...))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := startLoader(t.Context(), d, tr.loaderOptions(2, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer l.stop()
	b, err := l.next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line, err := tr.step(t.Context(), b, 2)
	if err != nil {
		t.Fatal(err)
	}
	arrays := tr.state() // after the step: the wrapped SimCLR's, which the replay only needs in shape
	for name, a := range d.c.batchArrays(b.Batch) {
		arrays[name] = a
	}
	path := filepath.Join(dir, divergedFile)
	v := divergence{Step: 2, Clips: b.names, Classes: tr.labels.count(), Loss: number(line.Loss)}
	if err := saveReplay(path, v, d.c, arrays); err != nil {
		t.Fatal(err)
	}
	f, err := readReplay(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.batch.X, b.X) || !slices.Equal(f.batch.Crops, b.Crops) || !slices.Equal(f.batch.Labels, b.Labels) || f.batch.N != b.N {
		t.Error("the file's batch is another")
	}
	want, err := tr.method.Step(t.Context(), b.Batch)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Replay(t.Context(), path)
	if err != nil || r.Loss != number(want.Loss) || len(r.Views.Rows) != 5*b.N {
		t.Errorf("%v; the loss is %v, want %v; %d rows of views", err, r.Loss, want.Loss, len(r.Views.Rows))
	}

	arrays[labelsKey].Data[1] = 2
	arrays[cropsKey] = kernel.New(b.N, 1, 24, 9)
	for _, words := range []string{"its batch.crops is [6 1 24 9], by its config it would be [18 1 24 9]", "the label of " + b.names[1] + " is 2, none of 2 classes"} {
		if err := saveReplay(path, v, d.c, arrays); err != nil {
			t.Fatal(err)
		}
		_, err := Replay(t.Context(), path)
		says(t, err, words)
		if fault.KindOf(err) != fault.Data {
			t.Errorf("%v of kind %v", err, fault.KindOf(err))
		}
		arrays[cropsKey] = kernel.New(3*b.N, 1, 24, 9)
	}
}

// What a config asks of labels, pairs and shorter views is refused before anything
// is written.
func TestPairsThatCannotBe(t *testing.T) {
	all := show(t)
	for words, set := range map[string][]string{
		"crop_frames is 17, a view has 16":         {"method={name: showing, crops: 1, crop_frames: 17}"},
		"augment: it lists 3 augmentations":        {"view.pair=window"},
		"view: pair is window and crop is center":  {"view.pair=window", "view.crop=center", "augment=[]"},
		`view: pair is "both", it must be augment`: {"view.pair=both"},
	} {
		_, err := LoadConfig(filepath.Join(tones(t, 20), "config.yaml"), Overrides{Set: set})
		says(t, err, words)
	}
	for _, set := range []string{all, "view.pair=label"} {
		dir := tones(t, 20)
		relabel(t, dir, func(int, string) string { return "" })
		c := load(t, dir, set)
		con, _ := silent()
		err := Pretrain(t.Context(), c, PretrainOptions{Run: filepath.Join(dir, "run")}, con)
		says(t, err, "manifest.csv has no labels to learn from")
		if fault.KindOf(err) != fault.Data || exists(filepath.Join(dir, "run", "config.yaml")) || exists(c.StorePath()) {
			t.Errorf("%v of kind %v; the store is there: %v", err, fault.KindOf(err), exists(c.StorePath()))
		}
	}
}

// The plan counts shorter views.
func TestPlanOfShorterViews(t *testing.T) {
	all := show(t)
	dir := tones(t, 20)
	plain, err := Plan(load(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(load(t, dir, all))
	if err != nil {
		t.Fatal(err)
	}
	if more := p.Views - plain.Views; more != (ahead+1)*4*6*3*24*9 || p.Crops != 3 || p.CropFrames != 9 {
		t.Errorf("%d bytes more, %+v", more, p)
	}
}
