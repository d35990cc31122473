package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/eval"
	"clr/internal/project"
	"clr/internal/report"
	"clr/internal/rundir"
)

// What keeps a page small: its sounds together have as many samples as make 1.2 MB
// of it, at half a byte each and four thirds of that in base64. Rates are 8 kHz at
// most, and of longer clips the starts are kept, of all those equally much.
const (
	soundSamples = 1_200_000 * 3 / 4 * 2
	soundRate    = 8000
	soundSeconds = 30 // that are read of a clip, however much room there is
)

// neighboursShown of each clip.
const neighboursShown = 5

// addMap lays out what the first run's encoder makes of clips that it never heard,
// where there are any.
func (r *reporter) addMap(ctx context.Context) error {
	run := r.o.Runs[0]
	d, err := openRunData(ctx, run, Overrides{}, r.con)
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := r.split(d)
	if err != nil {
		return err
	}
	cp, err := d.saved(run, s, r.con)
	if err != nil {
		return err
	}
	e, err := d.trained(cp)
	if err != nil {
		return err
	}
	clips, what := s.Test, "test clips, never heard in pretraining"
	if len(clips) == 0 {
		clips, what = slices.Concat(s.Train, s.Valid), "clips"
	}
	all := len(clips)
	clips = evenly(clips, r.o.Clips)
	var x []float64
	dim := 0
	show := r.con.Progress("embed", 0, len(clips))
	err = d.reading(func() (err error) {
		x, dim, err = d.windows(ctx, e, clips, show)
		return err
	})
	show.End()
	if err != nil {
		return err
	}
	m := &report.Map{About: fmt.Sprintf("%d %s.", len(clips), what)}
	if len(clips) < all {
		m.About = fmt.Sprintf("%d of %d %s, evenly from the manifest's order.", len(clips), all, what)
	}
	if d.foldName(s) != "" {
		m.About = "Fold " + s.Name + ": " + m.About
	}
	r.page.Map = m
	if err := r.layOut(ctx, x, len(clips), dim); err != nil {
		return err
	}
	r.name(d, s, clips)
	for i, near := range report.Nearest(x, len(clips), dim, neighboursShown) {
		m.Points[i].Near = near
	}
	r.match()
	return r.hear(ctx, d, clips)
}

// split is the fold whose embeddings are mapped.
func (r *reporter) split(d *data) (eval.Split, error) {
	splits, err := d.splitsOf(r.o.Fold)
	if err != nil {
		return eval.Split{}, err
	}
	for _, s := range splits {
		if _, err := os.Stat(filepath.Join(rundir.FoldDir(r.o.Runs[0], d.foldName(s)), rundir.LastFile)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return s, nil
		}
	}
	return splits[0], nil
}

// evenly is at most so many of some clips, evenly.
func evenly(clips []int, most int) []int {
	if len(clips) <= most {
		return clips
	}
	some := make([]int, most)
	for i := range some {
		some[i] = clips[i*len(clips)/most]
	}
	return some
}

// layOut gives each embedding a place by PCA and by t-SNE of the first fifty
// principal components, as its paper does (§4.2).
func (r *reporter) layOut(ctx context.Context, x []float64, n, dim int) error {
	const reduced = 50
	parts, share := project.PCA(x, n, dim, reduced)
	flat := make([]float64, 0, 2*n)
	for i := range n {
		flat = append(flat, parts[i*reduced], parts[i*reduced+1])
	}
	t := project.DefaultTSNE
	t.Seed = r.o.Seed
	show := r.con.Progress("t-SNE", 0, t.Steps)
	defer show.End()
	y, err := t.Layout(ctx, parts, n, reduced, func(step int) { show.At(step, "") })
	if err != nil {
		return err
	}
	r.page.Map.Layouts = []report.Layout{
		{Name: "t-SNE", About: fmt.Sprintf("t-SNE of the first %d principal components, perplexity %.3g, %d steps, seed %d. Which points are neighbours means something; distances between groups do not.", min(reduced, dim), t.Of(n), t.Steps, t.Seed), At: y},
		{Name: "PCA", About: fmt.Sprintf("The first two principal components, with %.0f %% and %.0f %% of the variance.", 100*share[0], 100*share[1]), At: flat},
	}
	return nil
}

// name tells of each point which clip it is, and what a probe said of it.
func (r *reporter) name(d *data, s eval.Split, clips []int) {
	m := r.page.Map
	for _, i := range clips {
		if label := d.corpus.Items[i].Label; label != "" {
			m.Classes = append(m.Classes, label)
		}
	}
	slices.Sort(m.Classes)
	m.Classes = slices.Compact(m.Classes)
	probe, said := firstPredictions(r.o.Runs[0])
	for _, i := range clips {
		it := d.corpus.Items[i]
		p := report.Point{Name: it.Path, Class: slices.Index(m.Classes, it.Label)}
		if start, end := it.Value("start"), it.Value("end"); start != "" || end != "" {
			p.Name += fmt.Sprintf(" %s..%s s", start, end)
		}
		if said != nil {
			k := tested{fold: s.Name, clip: strconv.Itoa(i), label: it.Label}
			if word, ok := said.said[k]; ok {
				p.Wrong = word != it.Label
				p.Saying = fmt.Sprintf("The %s says %s.", probe, word)
			}
		}
		m.Points = append(m.Points, p)
	}
	if said != nil && slices.ContainsFunc(m.Points, func(p report.Point) bool { return p.Wrong }) {
		m.About += fmt.Sprintf(" Hollow points are those that the %s mistakes.", probe)
	}
}

// firstPredictions are those of the run's linear probe, or else of another; nil
// where there are none that fit a report.
func firstPredictions(run string) (probe string, p *predictions) {
	for _, kind := range Kinds {
		var r eval.Report
		if b, err := os.ReadFile(filepath.Join(run, kind.report())); err != nil || json.Unmarshal(b, &r) != nil {
			continue
		}
		if p, err := readPredictions(run, kind, r.Predictions); err == nil {
			return kind.Title, p
		}
	}
	return "", nil
}

// mostMatched is how many clips' neighbours are shown in a table.
const mostMatched = 10

// match chooses the first clip of each class, or of classes evenly spread.
func (r *reporter) match() {
	m := r.page.Map
	classes := make([]int, len(m.Classes))
	for i := range classes {
		classes[i] = i
	}
	for _, c := range evenly(classes, mostMatched) {
		r.page.Matches = append(r.page.Matches, report.Match{Point: slices.IndexFunc(m.Points, func(p report.Point) bool { return p.Class == c })})
	}
	for i := 0; len(classes) == 0 && i < min(len(m.Points), mostMatched); i++ {
		r.page.Matches = append(r.page.Matches, report.Match{Point: i})
	}
}

// hear gives the points their sounds, as far as the recordings can be read.
func (r *reporter) hear(ctx context.Context, d *data, clips []int) error {
	m := r.page.Map
	m.Rate = min(soundRate, d.c.SampleRate)
	feature, err := d.c.Feature.New(d.c.SampleRate)
	if err != nil {
		return err
	}
	frame := secondsPerFrame(feature, d.c.SampleRate)
	short := *d.corpus
	short.Items = slices.Clone(d.corpus.Items)
	for _, i := range clips { // of an hour its start is read
		it := &short.Items[i]
		if _, frames := d.store.Entry(i); float64(frames)*frame > soundSeconds {
			it.End = it.Start + soundSeconds
		}
	}
	from := d.store.Originals(&short)
	sounds, lengths := make([][]float32, len(clips)), make([]int, len(clips))
	missing, why := 0, error(nil)
	for k, i := range clips {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := from.Clip(i, m.Rate)
		if err != nil {
			missing, why = missing+1, err
			continue
		}
		sounds[k], lengths[k] = c.Samples, len(c.Samples)
	}
	if why != nil {
		r.note("%d of %d clips cannot be heard, for their recordings cannot be read: %v.", missing, len(clips), why)
		r.con.Warn("%d of %d clips cannot be heard in the report: %v", missing, len(clips), why)
	}
	most, cut := report.Fit(lengths, soundSamples), 0
	for k, x := range sounds {
		if len(x) > most {
			x = x[:most]
			cut++
		}
		if x != nil {
			m.Points[k].Sound = report.ADPCM(x)
		}
	}
	if cut > 0 {
		m.About += fmt.Sprintf(" Of %d longer clips the first %s s can be heard.", cut, strings.TrimSuffix(fmt.Sprintf("%.1f", float64(most)/float64(m.Rate)), ".0"))
	}
	return nil
}
