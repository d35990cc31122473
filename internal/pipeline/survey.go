package pipeline

import (
	"cmp"
	"context"
	"fmt"

	"clr/internal/audio"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/survey"
)

// SurveyOptions say what is surveyed, and by which division.
type SurveyOptions struct {
	Manifest string  // empty: the config's corpus
	Config   *Config // may be nil: then the columns split and fold are what divides
	Strict   bool    // warnings fail too
}

// CheckData hears every recording of a corpus and reports what is wrong with
// it; errors, and with Strict warnings, are a data error.
func CheckData(ctx context.Context, o SurveyOptions, con Console) error {
	c, heard, err := o.listen(ctx, true, con)
	if err != nil {
		return err
	}
	rate := 0
	if o.Config != nil {
		rate = o.Config.SampleRate
	}
	divisions, err := o.divisions(c)
	if err != nil {
		return err
	}
	r := survey.Check(c, heard, divisions, rate)
	if con.JSON {
		err = con.Show(r)
	} else {
		err = r.Write(con.Out)
	}
	if err == nil && (r.Errors > 0 || o.Strict && r.Warnings > 0) {
		err = fault.New(fault.Data, "each finding says what to do", "%s: %s", c.Path, r.Verdict())
	}
	return err
}

// DataStats hears every recording of a corpus and tells what is in it.
// Recordings that cannot be read are a data error, after the rest is told.
func DataStats(ctx context.Context, o SurveyOptions, con Console) error {
	c, heard, err := o.listen(ctx, false, con)
	if err != nil {
		return err
	}
	s := survey.Measure(c, heard)
	if con.JSON {
		err = con.Show(s)
	} else {
		err = s.Write(con.Out)
	}
	if err == nil && s.Unreadable > 0 {
		err = fault.New(fault.Data, "clr data check "+c.Path+" says why", "%s: %d of %d clips cannot be read", c.Path, s.Unreadable, s.Clips)
	}
	return err
}

// listen hears the corpus that the options name.
func (o SurveyOptions) listen(ctx context.Context, hash bool, con Console) (*audio.Corpus, []survey.Hearing, error) {
	c, err := o.corpus()
	if err != nil {
		return nil, nil, err
	}
	show := con.Progress("recordings", 0, survey.Recordings(c))
	defer show.End()
	heard, err := survey.Listen(ctx, c, survey.Options{Hash: hash, Progress: func(done int) { show.At(done, "") }})
	return c, heard, err
}

// corpus reads the manifest, or the config's. A recording that is not there is
// for the survey to find, as one that cannot be read.
func (o SurveyOptions) corpus() (*audio.Corpus, error) {
	switch {
	case o.Manifest != "":
		r := audio.DefaultReading
		r.OnError.Do = "skip"
		return r.ReadCorpus(audio.Host(), o.Manifest)
	case o.Config != nil:
		c := *o.Config
		c.OnError.Do = "skip"
		return openCorpus(&c)
	}
	return nil, fault.New(fault.Usage, "name a manifest, or a config with --config", "no corpus is given")
}

// divisions are the ways in which the clips will be divided: the config's, or
// by the columns split and fold, where there are such.
func (o SurveyOptions) divisions(c *audio.Corpus) ([]survey.Division, error) {
	var ways []eval.SplitOptions
	switch {
	case o.Config == nil:
		for _, column := range []string{eval.SplitColumn, "fold"} {
			if c.Has(column) {
				ways = append(ways, eval.SplitOptions{By: column})
			}
		}
	case o.Config.Split.By != "" || c.Has(eval.SplitColumn):
		ways = append(ways, o.Config.Split)
	}
	var all []survey.Division
	for _, way := range ways {
		by, err := way.Column(c.Columns)
		if err != nil {
			return nil, err
		}
		d := survey.Division{By: by}
		values := make([]string, len(c.Items))
		for i, it := range c.Items {
			if values[i] = it.Value(by); values[i] == "" {
				d.Err = cmp.Or(d.Err, fmt.Errorf("line %d, %s, has no value in column %s", it.Line, it.Path, by))
			}
		}
		var splits []eval.Split
		if d.Err == nil {
			splits, d.Err = eval.Splits(values, way)
		}
		if d.Err != nil && fault.KindOf(d.Err) == fault.Usage { // the config's
			return nil, d.Err
		}
		for _, s := range splits {
			d.Splits = append(d.Splits, survey.Split{Name: s.Name, Train: s.Train, Valid: s.Valid, Test: s.Test})
		}
		all = append(all, d)
	}
	return all, nil
}
