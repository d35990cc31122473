package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/preview"
)

// Widths on the page, in pixels: of the whole clip, and of what stands beside others.
const (
	clipWidth = 880
	cellWidth = 224
)

// page shows the clip, the augmentations one by one, and the pairs.
func (p *previewer) page(ctx context.Context) (*preview.Page, error) {
	page := &preview.Page{Title: "Views of " + p.name, Facts: p.facts(), Sections: []preview.Section{p.clipSection()}}
	alone, err := p.aloneSection(ctx)
	if err != nil {
		return nil, err
	}
	pairs, err := p.pairSection(ctx)
	if err != nil {
		return nil, err
	}
	if len(alone.Rows) > 0 {
		page.Sections = append(page.Sections, alone)
	}
	page.Sections = append(page.Sections, pairs)
	return page, nil
}

func (p *previewer) facts() []preview.Fact {
	c := p.d.c
	place := "a file outside the corpus, drawn as if the manifest listed it last"
	if p.part != "" {
		place = fmt.Sprintf("clip %d of %s, a %s clip", p.index, c.Corpus, p.part)
	} else if p.index < len(p.d.corpus.Items) {
		place = fmt.Sprintf("clip %d of %s, in no part of the split", p.index, c.Corpus)
	}
	if p.part == "test" {
		place += ": pretraining never hears it"
	}
	length := fmt.Sprintf("%.2f s at %d Hz", float64(len(p.clip.Samples))/float64(p.clip.Rate), p.clip.Rate)
	if p.index < len(p.d.corpus.Items) {
		if it := p.d.corpus.Items[p.index]; it.Start > 0 || it.End > 0 {
			length += fmt.Sprintf(", from %g s of the recording on", it.Start)
		}
	}
	chain := []string{}
	for _, a := range c.Augment {
		chain = append(chain, nameIn(augment.Table, a))
	}
	facts := []preview.Fact{
		{Name: "clip", Value: place},
		{Name: "length", Value: length},
		{Name: "feature", Value: fmt.Sprintf("%s, %d bins, %d frames of %.3g ms", nameIn(audio.Features, c.Feature), p.spec.Bins, p.spec.Frames, 1000*p.frame)},
		{Name: "view", Value: fmt.Sprintf("%d frames (%.2f s), crop %s, normalize %s", c.View.Frames, float64(c.View.Frames)*p.frame, c.View.Crop, c.View.Normalize)},
		{Name: "chain", Value: strings.Join(chain, ", ")},
		{Name: "address", Value: fmt.Sprintf("seed %d, epoch %d, clip %d", c.Seed, p.o.Epoch, p.index)},
	}
	if len(chain) == 0 {
		facts[4].Value = "empty"
	}
	if len(p.d.splits) > 1 {
		facts = append(facts, preview.Fact{Name: "fold", Value: p.fold + ": whose training clips give mean, deviation and clips to mix in"})
	}
	if len(p.leftOut) > 0 {
		facts = append(facts, preview.Fact{Name: "left out", Value: strings.Join(p.leftOut, "; ")})
	}
	return facts
}

// seconds is how long a spectrogram lasts.
func (p *previewer) seconds(s audio.Spectrogram) float64 { return float64(s.Frames) * p.frame }

// figure is a picture of one spectrogram among others: width is that of the
// clip or of a view, whichever they are made from.
func (p *previewer) figure(name string, s audio.Spectrogram, r preview.Range, width, seconds float64) []preview.Figure {
	return []preview.Figure{preview.Spectrogram(name, s, p.seconds(s), r, width/seconds)}
}

// coloured says with which colours spectrograms of the feature are drawn that
// are to be compared. Bins of different kinds have each their own.
func (p *previewer) coloured(unit string, all ...audio.Spectrogram) ([]audio.Spectrogram, *preview.Scale) {
	if all[0].Bins > 1 && p.d.c.Feature.Unit() == "" {
		return preview.Even(all...), &preview.Scale{Range: preview.Range{High: 1}, Unit: "of each bin's own range"}
	}
	return all, &preview.Scale{Range: preview.RangeOf(all...), Unit: unit, Curve: all[0].Bins == 1}
}

func (p *previewer) clipSection() preview.Section {
	shown, scale := p.coloured(p.d.c.Feature.Unit(), p.spec)
	figures := []preview.Figure{preview.Waveform("clip-waveform", p.clip, clipWidth/p.seconds(p.spec))}
	figures = append(figures, p.figure("clip", shown[0], scale.Range, clipWidth, p.seconds(p.spec))...)
	return preview.Section{Title: "The clip", Rows: []preview.Row{{
		Cells: []preview.Cell{{Caption: "waveform, and " + nameIn(audio.Features, p.d.c.Feature), Figures: figures, Sound: preview.Play(p.clip)}},
		Scale: scale,
	}}}
}

func (p *previewer) aloneSection(ctx context.Context) (preview.Section, error) {
	which := "As it stands in the chain"
	if p.o.All {
		which = "The chain's as they stand there, then all others with their defaults"
	}
	s := preview.Section{Title: "Each augmentation alone",
		About: which + ", but happening each time (p is 1 here), before normalisation. Augmentations of the waveform change the whole clip; " +
			"those of the spectrogram, a view's length from its middle."}
	for i, a := range p.shown {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		row, err := p.aloneRow(fmt.Sprintf("%02d-%s", i+1, nameIn(augment.Table, a)), a)
		if err != nil {
			return s, err
		}
		s.Rows = append(s.Rows, row)
	}
	return s, nil
}

// aloneRow shows what an augmentation starts from, and its draws.
func (p *previewer) aloneRow(file string, a augment.Augmentation) (preview.Row, error) {
	row := preview.Row{Title: nameIn(augment.Table, a), About: a.Doc(), Options: optionFacts(reflect.ValueOf(a))}
	var all []audio.Spectrogram
	var clips []audio.Clip
	a = augment.Always(a)
	for draw := -1; draw < p.o.Draws; draw++ { // -1: before
		var c audio.Clip
		var s audio.Spectrogram
		var err error
		switch a := a.(type) {
		case augment.Wave:
			c, s = p.clip, p.spec
			if draw >= 0 {
				c, s, err = p.wave(a, draw)
			}
			clips = append(clips, c)
		case augment.Spec:
			if draw < 0 {
				s, err = p.window(&p.spec, 0)
			} else {
				s, err = p.window(&p.spec, draw, a)
			}
		}
		if err != nil {
			return row, fmt.Errorf("%s: draw %d: %w", row.Title, draw+1, err)
		}
		all = append(all, s)
	}
	longest := 0.0
	for _, s := range all {
		longest = max(longest, p.seconds(s))
	}
	all, row.Scale = p.coloured(p.d.c.Feature.Unit(), all...)
	for i, s := range all {
		cell := preview.Cell{Caption: fmt.Sprintf("draw %d", i), Figures: p.figure(fmt.Sprintf("%s-%d", file, i), s, row.Scale.Range, cellWidth, longest)}
		if i == 0 {
			cell.Caption = "before"
		}
		if clips != nil {
			wave := preview.Waveform(cell.Figures[0].Name+"-waveform", clips[i], cellWidth/longest)
			cell.Figures = append([]preview.Figure{wave}, cell.Figures...)
			cell.Sound = preview.Play(clips[i])
		}
		row.Cells = append(row.Cells, cell)
	}
	return row, nil
}

func (p *previewer) pairSection(ctx context.Context) (preview.Section, error) {
	s := preview.Section{Title: "Pairs, as training will see them",
		About: "Both views after the whole chain and normalisation: the very values that the loader gives to the encoder for this seed, epoch and clip."}
	if len(p.drawer.waves.Chain) > 0 {
		s.About += " The players have what the augmentations of the waveform made of the whole clip; the view is a window of that."
	}
	var all []audio.Spectrogram
	for epoch := p.o.Epoch; epoch < p.o.Epoch+p.o.Draws; epoch++ {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		row := preview.Row{About: fmt.Sprintf("epoch %d", epoch)}
		for view := range 2 {
			c, v, err := p.view(epoch, view)
			if err != nil {
				return s, fmt.Errorf("epoch %d, view %d: %w", epoch, view+1, err)
			}
			all = append(all, v)
			cell := preview.Cell{Caption: fmt.Sprintf("view %d", view+1)}
			if len(p.drawer.waves.Chain) > 0 {
				cell.Sound = preview.Play(c)
			}
			row.Cells = append(row.Cells, cell)
		}
		s.Rows = append(s.Rows, row)
	}
	unit := "normalised"
	if p.d.c.View.Normalize == "none" {
		unit = p.d.c.Feature.Unit()
	}
	all, scale := p.coloured(unit, all...)
	for i := range all {
		row := &s.Rows[i/2]
		name := fmt.Sprintf("pair-%d-view-%d", p.o.Epoch+i/2, i%2+1)
		row.Cells[i%2].Figures = p.figure(name, all[i], scale.Range, 1.5*cellWidth, p.seconds(all[i]))
		row.Scale = scale
	}
	return s, nil
}

// optionFacts are an augmentation's options in words, as its tags have them.
func optionFacts(v reflect.Value) []preview.Fact {
	var all []preview.Fact
	for i := range v.NumField() {
		f, tag := v.Type().Field(i), v.Type().Field(i).Tag.Get("yaml")
		switch {
		case tag == ",inline":
			all = append(all, optionFacts(v.Field(i))...)
		case tag != "" && tag != "-":
			all = append(all, preview.Fact{Name: tag, Value: inWords(v.Field(i)), Doc: f.Tag.Get("doc")})
		}
	}
	return all
}

// inWords writes a value: two numbers are a range.
func inWords(v reflect.Value) string {
	if v.Kind() == reflect.Array && v.Len() == 2 {
		return fmt.Sprintf("%v to %v", v.Index(0), v.Index(1))
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		var words []string
		for i := range v.Len() {
			words = append(words, fmt.Sprint(v.Index(i)))
		}
		return strings.Join(words, ", ")
	}
	return fmt.Sprint(v)
}
