package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/model"
)

// data is a corpus made ready: its features and the ways it is divided.
type data struct {
	c      *Config
	corpus *audio.Corpus
	store  *audio.Store
	from   *audio.Originals // what the store was made from
	splits []eval.Split
	by     string       // column that divides the clips
	hash   string       // of the corpus: recordings, stretches, labels, division, order
	input  model.Input  // size of a view
	needs  method.Needs // of the method

	cache *embedCache // of embeddings; nil where none are kept

	background *backgrounds // that augmentations lay under clips; nil where nothing is trained
	heard      string       // hash of the backgrounds; empty if there are none
}

// openCorpus reads the manifest that a config names, on disk or built in.
func openCorpus(c *Config) (*audio.Corpus, error) {
	if name, ok := strings.CutPrefix(c.Corpus, builtinPrefix); ok {
		return builtinCorpus(c.Reading, name)
	}
	return c.Reading.ReadCorpus(audio.Host(), c.CorpusPath())
}

// openData opens the corpus and its feature store, making what is missing. A
// store that fits the manifest is believed, for looking into every recording
// takes minutes where there are many; verify looks, into those of backgrounds too.
func openData(ctx context.Context, c *Config, con Console, verify bool) (*data, error) {
	corpus, err := openCorpus(c)
	if err != nil {
		return nil, err
	}
	d := &data{c: c, needs: method.NeedsOf(c.Method)}
	d.store, err = audio.OpenStore(c.StorePath())
	if err == nil {
		if d.corpus, err = d.store.Corpus(corpus, c.Feature, c.SampleRate); err != nil || verify {
			d.store.Close()
		}
	}
	if err != nil {
		con.Say("features: the store has to be made or brought up to date")
	}
	if err != nil || verify {
		err = d.build(ctx, corpus, con)
	} else if left, lines := d.store.Left(); left > 0 {
		con.Say("features: %d of %d lines of %s are left out; %s says why", left, lines, corpus.Path, audio.QuarantinePath(c.StorePath()))
	}
	if err != nil {
		return nil, err
	}
	if err = d.ready(); err == nil && verify {
		err = d.openBackgrounds(ctx)
	}
	if err != nil {
		d.store.Close()
		return nil, err
	}
	return d, nil
}

// build makes the store of a corpus.
func (d *data) build(ctx context.Context, corpus *audio.Corpus, con Console) (err error) {
	if d.store, _, err = build(ctx, d.c, corpus, con); err != nil {
		return err
	}
	if d.corpus, err = d.store.Corpus(corpus, d.c.Feature, d.c.SampleRate); err != nil {
		d.store.Close()
	}
	return err
}

// ready divides the clips and checks what the rest of the path relies on.
func (d *data) ready() error {
	rows, _ := d.store.Entry(0)
	d.input = d.c.input(rows)
	d.from = d.store.Originals(d.corpus)
	if err := d.divide(); err != nil {
		return err
	}
	d.hash = d.store.CorpusHash(d.corpus, d.by)
	return nil
}

// divide makes the splits, by the column that the config says.
func (d *data) divide() (err error) {
	if d.c.Split.By == "" && !d.corpus.Has(eval.SplitColumn) { // all to learn from, nothing to test on
		d.splits = []eval.Split{{Name: "all"}}
		for i := range d.corpus.Items {
			d.splits[0].Train = append(d.splits[0].Train, i)
		}
		return d.c.Split.Check()
	}
	if d.by, err = d.c.Split.Column(d.corpus.Columns); err != nil {
		return err
	}
	values := make([]string, len(d.corpus.Items))
	for i, it := range d.corpus.Items {
		values[i] = it.Value(d.by)
	}
	if d.splits, err = eval.Splits(values, d.c.Split); err != nil {
		return fmt.Errorf("%s: %w", d.corpus.Path, err)
	}
	for i := range d.splits {
		d.splits[i].Groups = d.groups(d.splits[i])
	}
	return nil
}

// groups names the group of each training clip: what the splits are made by,
// or else the manifest's column group, where every training clip has one, or
// else, where recordings are cut into windows, the recording.
func (d *data) groups(s eval.Split) []string {
	names := []func(i int) string{func(i int) string { return d.corpus.Items[i].Value("group") }}
	if d.c.Windows != (audio.Windows{}) {
		names = append(names, func(i int) string { return d.corpus.Items[i].File })
	}
	return groupsOf(s, names...)
}

// groupsOf is what the split is made by, or else the first of the names that all
// its training clips have.
func groupsOf(s eval.Split, names ...func(i int) string) []string {
	if s.Groups != nil {
		return s.Groups
	}
	for _, name := range names {
		var groups []string
		for _, i := range s.Train {
			if g := name(i); g != "" {
				groups = append(groups, g)
			}
		}
		if len(groups) == len(s.Train) {
			return groups
		}
	}
	return nil
}

// Close gives the store's mapping back.
func (d *data) Close() error { return d.store.Close() }

// splitsOf is all splits, or the one that is named.
func (d *data) splitsOf(name string) ([]eval.Split, error) {
	return splitsNamed(d.splits, name)
}

func splitsNamed(splits []eval.Split, name string) ([]eval.Split, error) {
	if name == "" {
		return splits, nil
	}
	for _, s := range splits {
		if s.Name == name {
			return []eval.Split{s}, nil
		}
	}
	return nil, fault.New(fault.Usage, "the folds are "+splitNames(splits), "there is no fold %q", name)
}

// foldNames lists the splits for a message.
func (d *data) foldNames() string { return splitNames(d.splits) }

func splitNames(splits []eval.Split) string {
	var names []string
	for _, s := range splits {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// foldName is the name under which a split has a folder of its own: none
// where it is the only one.
func (d *data) foldName(s eval.Split) string {
	if len(d.splits) == 1 {
		return ""
	}
	return s.Name
}

// readClip reads a clip's samples, for what changes the waveform. A recording
// that is no longer the store's is refused.
func (d *data) readClip(i int) (audio.Clip, error) { return d.from.Clip(i, d.c.SampleRate) }

// A normalization is each channel's mean and deviation, from training clips only,
// and each bin's where view.normalize asks for them.
type normalization struct {
	mean, std       []float32 // (C)
	binMean, binStd []float32 // (C·F) or nil
}

func (d *data) normalization(clips []int) (normalization, error) {
	m, err := d.store.MeanStd(clips, d.input.Channels)
	if err != nil {
		return normalization{}, err
	}
	var n normalization
	for c, std := range m.Std {
		if std == 0 {
			return normalization{}, fault.New(fault.Data, "check the recordings: are they silent?",
				"all features of the %d training clips have the value %g in channel %d", len(clips), m.Mean[c], c)
		}
		n.mean, n.std = append(n.mean, float32(m.Mean[c])), append(n.std, float32(std))
	}
	if d.c.View.Normalize == "corpus_band" {
		for b, std := range m.BinStd {
			if all := m.Std[b/d.input.Bins]; std < leastStd*all {
				std = all
			}
			n.binMean, n.binStd = append(n.binMean, float32(m.BinMean[b])), append(n.binStd, float32(std))
		}
	}
	return n, nil
}

// leastStd is the least deviation of a bin, in that of its channel. A bin below
// it has one value in all training clips, as an empty filter does; the deviation
// of all values then serves, for another value must not become a million.
const leastStd = 1e-5

// arrays is how a normalization stands in a checkpoint.
func (n normalization) arrays() map[string]kernel.Array {
	all := map[string]kernel.Array{"input.mean": {Shape: []int{len(n.mean)}, Data: n.mean}, "input.std": {Shape: []int{len(n.std)}, Data: n.std}}
	if n.binMean != nil {
		all["input.bin_mean"] = kernel.Array{Shape: []int{len(n.binMean)}, Data: n.binMean}
		all["input.bin_std"] = kernel.Array{Shape: []int{len(n.binStd)}, Data: n.binStd}
	}
	return all
}

// meta is how a normalization stands in an export's metadata.
func (n normalization) meta() map[string]string {
	text := func(x ...float32) string {
		var words []string
		for _, v := range x {
			words = append(words, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		return strings.Join(words, ",")
	}
	all := map[string]string{"clr.mean": text(n.mean...), "clr.std": text(n.std...)}
	if n.binMean != nil {
		all["clr.bin_mean"], all["clr.bin_std"] = text(n.binMean...), text(n.binStd...)
	}
	return all
}

// normalizationOf reads a checkpoint's.
func (d *data) normalizationOf(cp *checkpoint.Checkpoint) (n normalization, err error) {
	read := func(name string, values int) []float32 {
		a, ok := cp.Arrays[name]
		if (!ok || len(a.Data) != values) && err == nil {
			err = fault.New(fault.Data, "use a checkpoint that clr pretrain wrote with this config", "the checkpoint has no %s of %d values", name, values)
		}
		return a.Data
	}
	n.mean, n.std = read("input.mean", d.input.Channels), read("input.std", d.input.Channels)
	if d.c.View.Normalize == "corpus_band" {
		n.binMean, n.binStd = read("input.bin_mean", d.input.Rows()), read("input.bin_std", d.input.Rows())
	}
	if err != nil {
		return normalization{}, err
	}
	return n, nil
}

// views is how a clip's spectrogram becomes the network's input.
func (d *data) views(n normalization) *augment.Views {
	v := &augment.Views{Options: d.c.View, Chain: d.c.specs(), BinMean: n.binMean, BinStd: n.binStd}
	for i, of := range audio.Channels(d.c.Feature) {
		v.Channels = append(v.Channels, augment.Channel{Mean: n.mean[i], Std: n.std[i], Zero: audio.SilenceIsZero(of)})
	}
	return v
}
