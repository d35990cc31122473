package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/preview"
)

// PreviewOptions say what clr augment preview shows.
type PreviewOptions struct {
	Clip  string // index or path in the manifest, or an audio file
	Out   string // the page
	PNG   string // folder for the pictures too; may be empty
	Fold  string // whose training; empty: the first
	Draws int    // of each augmentation, and how many epochs' pairs
	Epoch int    // of the draws, and of the first pair
	All   bool   // after the chain's augmentations, all others with their defaults
}

// mostEpoch is more epochs than anybody trains for.
const mostEpoch = 1_000_000_000

// Check tells which option is out of its range.
func (o PreviewOptions) Check() error {
	switch {
	case o.Clip == "":
		return fault.New(fault.Usage, "give --clip: an index or a path of the manifest, or an audio file", "no clip is given")
	case o.Out == "":
		return fault.New(fault.Usage, "name a file with --out", "no output is given")
	case o.Draws < 1 || o.Draws > 20:
		return fault.New(fault.Usage, "3 are enough for a first look", "draws is %d, it must be 1 to 20", o.Draws)
	case o.Epoch < 0 || o.Epoch > mostEpoch:
		return fault.New(fault.Usage, "the first epoch is 0", "epoch is %d, it must be 0 to %d", o.Epoch, mostEpoch)
	}
	return nil
}

// Preview writes a page that shows a clip, what each augmentation makes of it,
// and the pairs that training will see.
func Preview(ctx context.Context, c *Config, o PreviewOptions, con Console) error {
	if err := o.Check(); err != nil {
		return err
	}
	if err := Replaceable(o.Out, "preview", preview.IsPage); err != nil {
		return err
	}
	d, err := openData(ctx, c, con, len(c.waves()) > 0)
	if err != nil {
		return err
	}
	defer d.Close()
	p, err := newPreviewer(d, o)
	if err != nil {
		return err
	}
	page, err := p.page(ctx)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := page.Write(&text); err != nil {
		return err
	}
	figures := page.Figures()
	if o.PNG != "" {
		if _, err := disk.MkdirAll(o.PNG); err != nil {
			return disk.Failed(o.PNG, err)
		}
		for _, f := range figures {
			if err := disk.WriteBytes(filepath.Join(o.PNG, f.Name+".png"), f.PNG); err != nil {
				return err
			}
		}
	}
	if err := disk.WriteBytes(o.Out, text.Bytes()); err != nil {
		return err
	}
	if con.JSON {
		return con.Show(struct {
			Page          string   `json:"page"`
			Clip          string   `json:"clip"`
			Index         int      `json:"index"` // in the corpus; one past its end: a file that is not there
			Augmentations []string `json:"augmentations"`
			LeftOut       []string `json:"left_out"`
			Pairs         int      `json:"pairs"`
			Pictures      int      `json:"pictures"`
			Bytes         int      `json:"bytes"`
		}{o.Out, p.name, p.index, p.names(), append([]string{}, p.leftOut...), o.Draws, len(figures), text.Len()})
	}
	_, err = fmt.Fprintf(con.Out, "%s: %s, %d augmentations, %d pairs, %d pictures, %.1f MB\n",
		o.Out, p.name, len(p.shown), o.Draws, len(figures), float64(text.Len())/1e6)
	return err
}

// A previewer shows one clip.
type previewer struct {
	d       *data
	o       PreviewOptions
	fold    string
	part    string // of the fold that the clip is in; empty for another file
	drawer  *drawer
	feature audio.Feature
	shown   []augment.Augmentation // one by one
	leftOut []string               // what cannot be shown, and why

	chosen
	clip audio.Clip
	spec audio.Spectrogram // of all the clip

	frame float64 // seconds from one frame to the next
}

func newPreviewer(d *data, o PreviewOptions) (*previewer, error) {
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return nil, err
	}
	split := splits[0]
	p := &previewer{d: d, o: o, fold: split.Name}
	norm, err := d.normalization(split.Train)
	if err != nil {
		return nil, err
	}
	clips, labels, err := d.learnsFrom(split)
	if err != nil {
		return nil, err
	}
	if p.drawer, err = newDrawer(d, clips, labels, norm); err != nil {
		return nil, err
	}
	if p.feature, err = d.c.Feature.New(d.c.SampleRate); err != nil {
		return nil, err
	}
	if p.chosen, err = choose(d.corpus, o.Clip); err != nil {
		return nil, err
	}
	if err := p.read(); err != nil {
		return nil, err
	}
	for name, clips := range map[string][]int{"training": split.Train, "validation": split.Valid, "test": split.Test} {
		if slices.Contains(clips, p.index) {
			p.part = name
		}
	}
	p.choose()
	p.frame = secondsPerFrame(p.feature, d.c.SampleRate)
	return p, nil
}

// read reads the clip: its samples, and its spectrogram as training has it.
func (p *previewer) read() (err error) {
	if p.index < len(p.d.corpus.Items) {
		if p.clip, err = p.d.readClip(p.index); err != nil {
			return err
		}
		p.spec, err = p.d.store.Spectrogram(p.index)
		return err
	}
	if p.clip, err = audio.ReadClip(p.name, p.d.c.SampleRate, 0, 0); err != nil {
		return err
	}
	if err = p.feature.Extract(&p.spec, p.clip); err != nil {
		return fault.New(fault.Data, "choose a longer recording", "%s: %w", p.name, err)
	}
	return nil
}

// choose lists the augmentations that are shown one by one.
func (p *previewer) choose() {
	p.shown = slices.Clone(p.d.c.Augment)
	if !p.o.All {
		return
	}
	chain := p.names()
	for _, name := range slices.Sorted(maps.Keys(augment.Table)) {
		if slices.Contains(chain, name) {
			continue
		}
		c := *p.d.c
		c.Augment = []augment.Augmentation{augment.Table[name]}
		if err := c.Check(); err != nil { // the feature is none for it
			p.leftOut = append(p.leftOut, strings.TrimPrefix(err.Error(), "augment.0: "))
		} else if len(c.manifests()) > 0 {
			p.leftOut = append(p.leftOut, name+": a chain has to say with which recordings")
		} else {
			p.shown = append(p.shown, c.Augment...)
		}
	}
}

// names are those of the augmentations shown.
func (p *previewer) names() []string {
	names := []string{}
	for _, a := range p.shown {
		names = append(names, nameIn(augment.Table, a))
	}
	return names
}

// secondsPerFrame is how far apart a feature's frames are, from how many more
// there are of twice the samples.
func secondsPerFrame(f audio.Feature, rate int) float64 {
	const long = 1 << 24 // samples
	_, once := f.Shape(long)
	_, twice := f.Shape(2 * long)
	return long / float64(rate) / float64(max(twice-once, 1))
}

// copied is a clip that may be changed.
func copied(c audio.Clip) audio.Clip {
	c.Samples = slices.Clone(c.Samples)
	return c
}

// wave makes what one augmentation of the waveform makes of the whole clip.
func (p *previewer) wave(a augment.Wave, draw int) (audio.Clip, audio.Spectrogram, error) {
	c, s := copied(p.clip), audio.Spectrogram{}
	p.drawer.address(p.index, p.o.Epoch, draw)
	if err := a.Wave(&c, p.drawer.draw); err != nil {
		return c, s, err
	}
	err := extractChanged(p.feature, &s, &c, len(p.clip.Samples))
	return c, s, err
}

// window makes what augmentations of the spectrogram make of a view's length
// from the middle of one, not normalised.
func (p *previewer) window(of *audio.Spectrogram, draw int, chain ...augment.Spec) (audio.Spectrogram, error) {
	v := *p.drawer.views
	v.Chain, v.Options.Normalize, v.Options.Crop = chain, "none", "center"
	s := p.viewed()
	p.drawer.address(p.index, p.o.Epoch, draw)
	return s, v.Draw(s.Data, of, p.drawer.draw)
}

// view makes view 0 or 1 of a pair, as the loader does; the clip is what
// augmentations of the waveform made of it.
func (p *previewer) view(epoch, view int) (audio.Clip, audio.Spectrogram, error) {
	s := p.viewed()
	of, clip, spec := p.drawer.begin(p.index, epoch, view), p.clip, p.spec
	if of != p.index {
		var err error
		if clip, err = p.d.readClip(of); err != nil {
			return clip, s, err
		}
		if spec, err = p.d.store.Spectrogram(of); err != nil {
			return clip, s, err
		}
	}
	if !p.drawer.waved(view) {
		return clip, s, p.drawer.ofSpectrogram(s.Data, &spec, view)
	}
	c := copied(clip)
	return c, s, p.drawer.ofWaveform(s.Data, &c, view)
}

// viewed is an empty view.
func (p *previewer) viewed() (s audio.Spectrogram) {
	s.Resize(p.spec.Bins, p.d.c.View.Frames)
	return s
}
