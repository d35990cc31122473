package eval

import (
	"encoding/json"
	"io"
	"time"
)

// Names of the rows that commands put into a report.
const (
	RowPretrained = "pretrained"
	RowRandomInit = "random_init"
	RowStats      = "feature_stats"
	RowMajority   = "majority"
	RowForeign    = "embeddings" // of another program, or exported
)

// Finetuning is the Report.Probe of networks that were trained whole.
const Finetuning = "finetune"

// A Report holds what one probe found out about several embeddings of the same
// clips, over the same splits. The first row is the one asked about; the rest
// say what its scores are worth.
type Report struct {
	Probe    string   `json:"probe"`
	Multi    bool     `json:"multi_label"` // clips may have several labels
	Protocol string   `json:"protocol"`    // how heads were fitted: see Protocols; empty where there is no choice
	Settings string   `json:"settings"`    // of the protocol, in words
	By       string   `json:"by"`          // column that divided the clips
	Classes  []string `json:"classes"`
	Rows     []Row    `json:"rows"`

	// Encoders is the SHA-256 of the encoder behind each split's embeddings of
	// the first row, the same before and after probing.
	Encoders map[string]string `json:"encoders,omitempty"`

	// Predictions is the SHA-256 of the file that lists every test clip.
	Predictions string `json:"predictions_sha256,omitempty"`
}

// A Row is one embedding's scores.
type Row struct {
	Name      string       `json:"name"`
	Dim       int          `json:"dim,omitempty"`     // features
	Clips     int          `json:"clips"`             // different test clips
	Mean      Metrics      `json:"mean"`              // over Folds
	Std       Metrics      `json:"std"`               // sample deviation over Folds; 0 for one
	Interval  [2]float64   `json:"accuracy_interval"` // Intervals["accuracy"]
	Folds     []FoldScore  `json:"folds"`             // one a split and seed
	PerClass  []ClassScore `json:"per_class"`         // over all splits and seeds; areas and average precisions are means over Folds
	Confusion [][]int      `json:"confusion"`         // (K, K) true × predicted, over all splits and seeds; null for several labels
	Tested    []TestedClip `json:"-"`                 // every test clip of every head, for whoever wants to list them

	// Intervals are 95 %, by the keys of Mean: test clips drawn again within each
	// split. They say nothing of other splits or heads.
	Intervals map[string][2]float64 `json:"intervals"`

	// ByClass is, for several labels, each class's clips by whether they have it
	// (rows) and whether that was said (columns), no first.
	ByClass [][2][2]int `json:"confusion_by_class,omitempty"`

	// Fitting is how long choosing and fitting took: of this run alone, and so not
	// kept.
	Fitting time.Duration `json:"-"`

	classes []string
	multi   bool
	answers []*answers // of Folds, until finish
}

// A FoldScore is one head's test.
type FoldScore struct {
	Fold  string `json:"fold"`
	Seed  uint64 `json:"seed"`
	Train int    `json:"train"` // clips
	Valid int    `json:"valid"` // clips that came as validation; 0 if the probe took its own
	Test  int    `json:"test"`
	Metrics
	Choice Choice `json:"choice"`
}

// A TestedClip is what one head said about one clip.
type TestedClip struct {
	Clip, Fold       int   // index into the Set, into Row.Folds
	Label, Predicted []int // classes: one each, unless the set is Multi
}

// add scores one head on a split's test clips.
func (r *Row) add(s Split, seed uint64, test Set, logp []float64, choice Choice) {
	test.X, test.Windows = nil, nil
	a := newAnswers(logp, test)
	for i, said := range a.said {
		r.Tested = append(r.Tested, TestedClip{Clip: s.Test[i], Fold: len(r.Folds), Label: test.Of(i), Predicted: said})
	}
	r.answers = append(r.answers, a)
	r.Folds = append(r.Folds, FoldScore{Fold: s.Name, Seed: seed, Train: len(s.Train), Valid: len(s.Valid), Test: len(s.Test), Choice: choice})
}

// finish sums the folds up.
func (r *Row) finish() {
	k := len(r.classes)
	all := tally{multi: r.multi, hit: make([]int, k), said: make([]int, k), support: make([]int, k)}
	byClass := make([][]ClassScore, len(r.answers))
	for i, a := range r.answers {
		t := a.tally(nil, true)
		r.Folds[i].Metrics, byClass[i] = t.metrics(), t.classes(r.classes)
		for c := range k {
			all.hit[c], all.said[c], all.support[c] = all.hit[c]+t.hit[c], all.said[c]+t.said[c], all.support[c]+t.support[c]
		}
		all.n += t.n
	}
	r.PerClass = all.classes(r.classes)
	for c := range r.PerClass {
		var precisions, areas []Score
		for _, of := range byClass {
			precisions, areas = append(precisions, of[c].AP), append(areas, of[c].AUC)
		}
		r.PerClass[c].AP, r.PerClass[c].AUC = meanScore(precisions), meanScore(areas)
	}
	r.confuse(all)
	for _, f := range metricFields {
		var v []float64
		for i := range r.Folds {
			v = append(v, *f.of(&r.Folds[i].Metrics))
		}
		*f.of(&r.Mean), *f.of(&r.Std) = meanStd(v)
	}
	seen := make(map[int]bool)
	for _, t := range r.Tested {
		seen[t.Clip] = true
	}
	r.Clips = len(seen)
	r.Intervals = r.intervals()
	r.Interval = r.Intervals["accuracy"]
	r.answers = nil
}

// confuse counts what was taken for what.
func (r *Row) confuse(all tally) {
	if !r.multi {
		var labels, predicted []int
		for _, t := range r.Tested {
			labels, predicted = append(labels, t.Label...), append(predicted, t.Predicted...)
		}
		r.Confusion = Confusion(labels, predicted, len(r.classes))
		return
	}
	for c, hit := range all.hit {
		missed, wrong := all.support[c]-hit, all.said[c]-hit
		r.ByClass = append(r.ByClass, [2][2]int{{all.n - hit - missed - wrong, wrong}, {missed, hit}})
	}
}

// WriteJSON writes the report: the same keys in the same order, no clock.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
