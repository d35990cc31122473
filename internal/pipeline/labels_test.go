package pipeline

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/method"
)

// The labels of a batch are the manifest's of its training clips; who does not ask
// for any gets none.
func TestBatchesHoldLabels(t *testing.T) {
	dir := tones(t, 20)
	for set, want := range map[string]bool{smallMethods["supcon"]: true, smallMethods["simclr"]: false} {
		d := open(t, load(t, dir, set))
		l := startFor(t, t.Context(), d, 0, 4)
		for range 4 {
			v, err := l.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !want {
				if len(v.Labels) > 0 {
					t.Errorf("%s: labels %v", set, v.Labels)
				}
				continue
			}
			for i, name := range v.names {
				at := slices.IndexFunc(d.corpus.Items, func(it audio.Item) bool { return it.Path == name })
				if class := []string{"high", "low"}[int(v.Labels[i])]; d.corpus.Items[at].Label != class {
					t.Errorf("%s has the label %s, in the batch %s", name, d.corpus.Items[at].Label, class)
				}
			}
		}
	}
}

// A part of the labels is the same share of each class, at least one clip, and
// within any larger part; it depends on the seed. Test clips have none.
func TestFractionsAreNested(t *testing.T) {
	dir := tones(t, 40)
	d := open(t, load(t, dir))
	s := d.splits[0]
	var before labelling
	for i, c := range []struct {
		fraction float64
		each     int
	}{{0.01, 1}, {0.25, 4}, {0.5, 8}, {1, 16}} {
		l, err := d.labelling(s, c.fraction)
		if err != nil {
			t.Fatal(err)
		}
		for k, clips := range l.clips {
			if len(clips) != c.each {
				t.Errorf("%g of the labels: %d clips of class %s, want %d", c.fraction, len(clips), l.classes[k], c.each)
			}
			for _, clip := range clips {
				if d.corpus.Items[clip].Label != l.classes[k] || l.of[clip] != k || !slices.Contains(s.Train, clip) {
					t.Errorf("clip %d is no training clip of %s", clip, l.classes[k])
				}
			}
			if i > 0 {
				for _, clip := range before.clips[k] {
					if !slices.Contains(clips, clip) {
						t.Errorf("clip %d is in a smaller part and not in %g", clip, c.fraction)
					}
				}
			}
		}
		before = l
	}
	first, _ := d.labelling(s, 0.25)
	d.c.Seed++
	if other, _ := d.labelling(s, 0.25); slices.EqualFunc(first.clips, other.clips, slices.Equal[[]int]) {
		t.Error("another seed takes the same clips")
	}
}

// Clips without a label are of no use to a method that names classes.
func TestOnlyLabelledClipsAreHeard(t *testing.T) {
	dir := tones(t, 20)
	for set, want := range map[string]int{smallMethods["cross_entropy"]: 8, smallMethods["clar"]: 16} {
		d := open(t, load(t, dir, set, "labels.fraction=0.5", "batch=4"))
		clips, l, err := d.learnsFrom(d.splits[0])
		if err != nil || len(clips) != want {
			t.Fatalf("%s: %d clips, %v", set, len(clips), err)
		}
		named := 0
		for _, i := range clips {
			if l.of[i] != unlabelled {
				named++
			}
		}
		if named != 8 {
			t.Errorf("%s: %d clips have labels", set, named)
		}
	}
}

func TestNoLabelsToLearnFrom(t *testing.T) {
	dir := tones(t, 5)
	put(t, filepath.Join(dir, "manifest.csv"), []byte("path,split\n00.wav,train\n01.wav,train\n02.wav,train\n03.wav,train\n04.wav,test\n"))
	con, _ := silent()
	for _, set := range []string{smallMethods["supcon"], smallMethods["cross_entropy"], "view.pair=label"} {
		run := filepath.Join(dir, "run")
		err := Pretrain(t.Context(), load(t, dir, set, "batch=2"), PretrainOptions{Run: run}, con)
		if fault.KindOf(err) != fault.Data && fault.KindOf(err) != fault.Usage {
			t.Fatalf("%s: %v", set, err)
		}
		says(t, err, "labels")
	}
}

// Each kind of pair is what a plain loop makes of its words.
func TestPairs(t *testing.T) {
	dir := tones(t, 20)
	for name, chain := range chains {
		for _, pair := range []string{"augmented", "original", "window", "label"} {
			d := open(t, load(t, dir, chain, "view.pair="+pair))
			norm, err := d.normalization(d.splits[0].Train)
			if err != nil {
				t.Fatal(err)
			}
			clips, labels, err := d.learnsFrom(d.splits[0])
			if err != nil {
				t.Fatal(err)
			}
			w, err := newDrawer(d, clips, labels, norm)
			if err != nil {
				t.Fatal(err)
			}
			others := 0
			for _, clip := range clips {
				for view := range 2 {
					got := make([]float32, d.input.Values())
					if err := w.view(got, clip, 1, view); err != nil {
						t.Fatal(err)
					}
					want, of := plainly(t, d, w, norm, pair, clip, view)
					if !slices.Equal(got, want) {
						t.Errorf("%s, %s: view %d of clip %d is another", name, pair, view, clip)
					}
					if of != clip {
						others++
						if d.corpus.Items[of].Label != d.corpus.Items[clip].Label || !slices.Contains(d.splits[0].Train, of) {
							t.Errorf("clip %d is paired with %d", clip, of)
						}
					}
				}
			}
			if want := map[string]int{"label": len(clips)}[pair]; others != want {
				t.Errorf("%s: %d views are of other clips, want %d", pair, others, want)
			}
		}
	}
}

// plainly makes a view by a drawer whose config has the chain or has it not.
func plainly(t *testing.T, d *data, w *drawer, norm normalization, pair string, clip, view int) (x []float32, of int) {
	t.Helper()
	of = clip
	w.address(clip, 1, view)
	if pair == "label" && view == 1 {
		of = w.labels.another(clip, w.draw.Rand)
	}
	after := w.source // what the chain draws from
	c := *d.c
	c.View.Pair = "augmented"
	if pair == "window" || pair == "original" && view == 0 {
		c.Augment = nil
	}
	other := *d
	other.c = &c
	plain, err := newDrawer(&other, w.clips, w.labels, norm)
	if err != nil {
		t.Fatal(err)
	}
	plain.source = after
	x = make([]float32, d.input.Values())
	if len(plain.waves.Chain) == 0 {
		s, err := d.store.Spectrogram(of)
		if err != nil {
			t.Fatal(err)
		}
		if err := plain.views.Draw(x, &s, plain.draw); err != nil {
			t.Fatal(err)
		}
		return x, of
	}
	samples, err := d.readClip(of)
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.ofWaveform(x, &samples, 1); err != nil {
		t.Fatal(err)
	}
	return x, of
}

// asksForCrops is a method as the loader sees it, with shorter views.
type asksForCrops struct{ method.Options }

func (asksForCrops) Needs() method.Needs { return method.Needs{Crops: 3, CropFrames: 10} }

// Shorter views lie view by view, each from its own address, whoever draws them.
func TestShorterViews(t *testing.T) {
	dir := tones(t, 20)
	var first []float32
	for _, workers := range []int{1, 4} {
		c := load(t, dir)
		c.Workers, c.Method = workers, asksForCrops{c.Method}
		d := open(t, c)
		v, err := startFor(t, t.Context(), d, 0, 1).next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		size := d.input.Bins * 10
		if len(v.Crops) != 3*v.N*size {
			t.Fatalf("%d values of %d clips", len(v.Crops), v.N)
		}
		clips, labels, _ := d.learnsFrom(d.splits[0])
		w, err := newDrawer(d, clips, labels, normalization{mean: []float32{0}, std: []float32{1}})
		if err != nil {
			t.Fatal(err)
		}
		for r := range 3 * v.N {
			clip := slices.IndexFunc(d.corpus.Items, func(it audio.Item) bool { return it.Path == v.names[r%v.N] })
			s, err := d.store.Spectrogram(clip)
			if err != nil {
				t.Fatal(err)
			}
			short := *w.views
			short.Options.Frames = 10
			want := make([]float32, size)
			w.address(clip, 0, 2+r/v.N)
			if err := short.Draw(want, &s, w.draw); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(v.Crops[r*size:][:size], want) {
				t.Errorf("row %d of the shorter views is another", r)
			}
		}
		if first != nil && !slices.Equal(first, v.Crops) {
			t.Error("the number of workers changes shorter views")
		}
		first = slices.Clone(v.Crops)
	}
}

func TestPairsAreAddressed(t *testing.T) {
	l := labelling{of: []int{0, 0, 0, 1, unlabelled}, clips: [][]int{{0, 1, 2}, {3}}}
	seen := map[int]bool{}
	for epoch := range 40 {
		seen[l.another(1, augment.Rand(1, epoch, 1, 1))] = true
	}
	if len(seen) != 2 || seen[1] {
		t.Errorf("clip 1 is paired with %v", seen)
	}
	for _, alone := range []int{3, 4, 5} {
		if got := l.another(alone, augment.Rand(1, 0, alone, 1)); got != alone {
			t.Errorf("clip %d is paired with %d", alone, got)
		}
	}
}

// How many labels are shown decides what is learnt only where some are seen.
func TestWhereLabelsDecide(t *testing.T) {
	dir := tones(t, 20)
	for _, c := range []struct {
		set     []string
		decides bool
	}{{nil, false}, {[]string{"view.pair=label"}, true}, {[]string{smallMethods["supcon"]}, true}, {[]string{smallMethods["triplet"]}, true}, {[]string{"method.name=triplet"}, false}} {
		all, tenth := load(t, dir, c.set...), load(t, dir, append(c.set, "labels.fraction=0.1")...)
		if differ := !bytes.Equal(all.identity(), tenth.identity()); differ != c.decides {
			t.Errorf("%v: labels.fraction decides: %v", c.set, differ)
		}
	}
}
