package pipeline

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/rundir"
)

// A card is what a bundle's README.md tells, all of it from the run: its config, its
// corpus, run.json and the probes' reports.
type card struct {
	Name, License, LicenseName, Task string
	Encoder, EncoderDoc              string
	Method, MethodDoc                string
	Parameters                       int
	Input                            model.Input
	Rate                             int // Hz
	Step                             string
	Learnt                           bool   // any step
	Fold                             string // empty: the only one
	By                               string // column that divides the clips
	Corpus                           string // hash
	Normalize                        string
	Probe                            string // kind of the head behind the encoder; empty: none
	Terms                            string // licence as it was given
	Dim                              int    // of a clip's embedding
	HeadLayers                       int    // of the projector that embed
	FrontEnd                         bool
	Feature                          string
	Made                             rundir.Provenance
	SHA256                           string // of the encoder
	Clips                            int
	Train                            int
	Test                             int
	Labels                           int
	Dataset                          string
	Scores                           []cardScores
	Stale                            []string // reports on other encoders
	Blocks                           string   // torchvision's, if it has this network
	Count                            []int    // of them
}

// cardScores are what one kind of probe found on the fold's test clips.
type cardScores struct {
	Kind     string
	Protocol string
	Rows     []cardRow
	Interval *[2]float64 // 95 %, of the first row's first metric
}

type cardRow struct {
	Name    string
	Metrics []cardMetric
}

type cardMetric struct {
	Key, Name string
	Value     float64
}

//go:embed card.md.tmpl
var cardText string

var cardTemplate = template.Must(template.New("card").Funcs(template.FuncMap{
	"quote":  func(s string) string { b, _ := json.Marshal(s); return string(b) },
	"digits": func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) },
	"short":  func(hash string) string { return hash[:min(12, len(hash))] },
	"slug":   slug,
}).Parse(strings.ReplaceAll(cardText, "~~~", "```")))

// slug is a name as a tag.
func slug(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

func (c *card) write(w io.Writer) error { return cardTemplate.Execute(w, c) }

// card gathers what is to be told.
func (p *parcel) card(o ExportOptions, frontEnd bool) (*card, error) {
	made, _, err := rundir.Read(o.Run)
	if err != nil {
		return nil, err
	}
	if made.Corpus != p.hash {
		return nil, fault.New(fault.Data, "bring back the recordings and the manifest as they were", "a card tells of the corpus that a run was made on, and the corpus is another: its hash was %.12s, now it is %.12s", made.Corpus, p.hash)
	}
	name := func(section string) string { s, _ := p.c.section(section)["name"].(string); return s }
	c := &card{Name: filepath.Base(filepath.Clean(o.Out)), Task: "feature-extraction", Input: p.input, Rate: p.c.SampleRate, Step: p.step, Learnt: p.step != "0", Fold: p.foldName(p.split), By: p.by, Corpus: p.hash,
		Normalize: p.c.View.Normalize, Terms: p.license, FrontEnd: frontEnd,
		Encoder: name("encoder"), EncoderDoc: p.c.Encoder.Doc(), Method: name("method"), MethodDoc: p.c.Method.Doc(), Feature: name("feature"), Made: made, SHA256: p.e.hash(),
		HeadLayers: p.c.Embed.HeadLayers, Clips: len(p.corpus.Items), Train: len(p.split.Train) + len(p.split.Valid), Test: len(p.split.Test), Dataset: p.c.Corpus}
	if !isBuiltin(c.Dataset) { // a path is nobody else's business
		c.Dataset = "corpus " + p.hash[:12]
	}
	if p.head != nil {
		c.Task, c.Probe = "audio-classification", p.head.kind
	}
	if p.license != "" {
		c.License = strings.ToLower(p.license)
		if strings.ContainsAny(p.license, " (") || strings.HasPrefix(p.license, "LicenseRef-") {
			c.License, c.LicenseName = "other", p.license
		}
	}
	if p.corpus.Has("label") {
		set, err := p.labels()
		if err != nil {
			return nil, err
		}
		c.Labels = len(set.Classes)
	}
	for name, a := range p.e.params.Weights() {
		if strings.HasPrefix(name, "encoder.") {
			c.Parameters += len(a.Data)
		}
	}
	net, err := p.embedder(p.e, 1)
	if err != nil {
		return nil, err
	}
	c.Dim = newPool(p.c.Embed.Pool, 0, net.Dim()).dim
	if r, ok := p.c.Encoder.(model.ResNet); ok && p.input.Channels == 1 && c.HeadLayers == 0 {
		c.Blocks, c.Count = r.Torchvision()
	}
	c.Scores, c.Stale, err = p.scores(o.Run)
	return c, err
}

// scores are those of reports on this very encoder; other reports are named.
func (p *parcel) scores(run string) (all []cardScores, stale []string, err error) {
	for _, kind := range Kinds {
		dirs := []string{run, rundir.FoldDir(run, p.foldName(p.split))}
		for _, dir := range slices.Compact(dirs) {
			path := filepath.Join(dir, kind.report())
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			var r eval.Report
			if err == nil {
				err = json.Unmarshal(b, &r)
			}
			if err != nil {
				return nil, nil, fault.New(fault.Data, "the probe makes it anew", "%s: %w", path, err)
			}
			if r.Encoders[p.split.Name] != p.e.hash() {
				stale = append(stale, kind.report())
				continue
			}
			if s := p.scoresOf(kind.Name, r); len(s.Rows) > 0 {
				all = append(all, s)
				break
			}
		}
	}
	return all, stale, nil
}

// scoresOf are a report's of the parcel's fold, the mean over seeds.
func (p *parcel) scoresOf(kind string, r eval.Report) cardScores {
	s := cardScores{Kind: kind, Protocol: r.Protocol}
	for _, row := range r.Rows {
		metrics := []cardMetric{{Key: "accuracy", Name: "accuracy"}, {Key: "f1", Name: "macro F1"}, {Key: "log_loss", Name: "log loss"}}
		of := func(m eval.Metrics) []float64 { return []float64{m.Accuracy, m.MacroF1, m.LogLoss} }
		if r.Multi {
			metrics[0] = cardMetric{Key: "mean_average_precision", Name: "mAP"}
			of = func(m eval.Metrics) []float64 { return []float64{float64(m.MAP), m.MacroF1, m.LogLoss} }
		}
		heads, others := 0.0, false
		for _, f := range row.Folds {
			if f.Fold != p.split.Name {
				others = true
				continue
			}
			heads++
			for i, v := range of(f.Metrics) {
				metrics[i].Value += v
			}
		}
		if heads == 0 {
			continue
		}
		for i := range metrics {
			metrics[i].Value /= heads
		}
		metrics = slices.DeleteFunc(metrics, func(m cardMetric) bool { return math.IsNaN(m.Value) })
		key := "accuracy"
		if r.Multi {
			key = "map"
		}
		if v, ok := row.Intervals[key]; ok && row.Name == eval.RowPretrained && !others {
			s.Interval = &v
		}
		s.Rows = append(s.Rows, cardRow{row.Name, metrics})
	}
	return s
}
