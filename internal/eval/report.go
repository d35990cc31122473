package eval

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"slices"
)

// Names of the rows that commands put into a report.
const (
	RowPretrained = "pretrained"
	RowRandomInit = "random_init"
	RowStats      = "feature_stats"
	RowMajority   = "majority"
)

// Finetuning is the Report.Probe of networks that were trained whole.
const Finetuning = "finetune"

// A Report holds what one probe found out about several embeddings of the same
// clips, over the same splits. The first row is the one asked about; the rest
// say what its scores are worth.
type Report struct {
	Probe   string   `json:"probe"`
	By      string   `json:"by"` // column that divided the clips
	Classes []string `json:"classes"`
	Rows    []Row    `json:"rows"`

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
	Interval  [2]float64   `json:"accuracy_interval"` // 95 %, clips drawn again within each split; says nothing of other splits or heads
	Folds     []FoldScore  `json:"folds"`             // one a split and seed
	PerClass  []ClassScore `json:"per_class"`         // from Confusion
	Confusion [][]int      `json:"confusion"`         // (K, K) true × predicted, over all splits and seeds
	Tested    []TestedClip `json:"-"`                 // every test clip of every head, for whoever wants to list them
	classes   []string
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
	Clip, Fold       int // index into the Set, into Row.Folds
	Label, Predicted int
}

// bootstrapDraws is how often test clips are drawn again for Interval.
const bootstrapDraws = 2000

// add scores one head.
func (r *Row) add(s Split, seed uint64, labels []int, logp []float64, choice Choice) {
	k := len(r.classes)
	for i, p := range Predict(logp, k) {
		r.Tested = append(r.Tested, TestedClip{Clip: s.Test[i], Fold: len(r.Folds), Label: labels[i], Predicted: p})
	}
	r.Folds = append(r.Folds, FoldScore{Fold: s.Name, Seed: seed, Train: len(s.Train), Valid: len(s.Valid), Test: len(s.Test),
		Metrics: Measure(logp, labels, k), Choice: choice})
}

// finish sums the folds up.
func (r *Row) finish() {
	var labels, predicted []int
	for _, t := range r.Tested {
		labels, predicted = append(labels, t.Label), append(predicted, t.Predicted)
	}
	r.Confusion = Confusion(labels, predicted, len(r.classes))
	r.PerClass = PerClass(r.Confusion, r.classes)
	for _, of := range []func(*Metrics) *float64{
		func(m *Metrics) *float64 { return &m.Accuracy },
		func(m *Metrics) *float64 { return &m.Balanced },
		func(m *Metrics) *float64 { return &m.MacroF1 },
		func(m *Metrics) *float64 { return &m.Weighted },
		func(m *Metrics) *float64 { return &m.LogLoss },
		func(m *Metrics) *float64 { return &m.Top5 },
	} {
		var v []float64
		for i := range r.Folds {
			v = append(v, *of(&r.Folds[i].Metrics))
		}
		*of(&r.Mean), *of(&r.Std) = meanStd(v)
	}
	shares := r.shares()
	seen := make(map[int]bool)
	for _, t := range r.Tested {
		seen[t.Clip] = true
	}
	r.Clips = len(seen)
	r.Interval = bootstrap(shares, bootstrapDraws, 1)
}

// shares is, for each split and each of its test clips, the share of the
// split's heads that were right about the clip.
func (r *Row) shares() [][]float64 {
	names := r.splits()
	out := make([][]float64, len(names))
	heads := make([]float64, len(names))
	for _, f := range r.Folds {
		s := slices.Index(names, f.Fold)
		out[s] = make([]float64, f.Test)
		heads[s]++
	}
	at := 0
	for _, f := range r.Folds {
		s := slices.Index(names, f.Fold)
		for i := range f.Test { // every head of a split tests the same clips in the same order
			if t := r.Tested[at+i]; t.Label == t.Predicted {
				out[s][i] += 1 / heads[s]
			}
		}
		at += f.Test
	}
	return out
}

// bootstrap is the 95 % interval of the mean over splits of the mean over
// their clips, when each split's clips are drawn again with replacement
// (Efron's percentile interval).
func bootstrap(splits [][]float64, draws int, seed uint64) [2]float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	means := make([]float64, draws)
	for i := range means {
		for _, v := range splits {
			sum := 0.0
			for range v {
				sum += v[r.IntN(len(v))]
			}
			means[i] += sum / float64(len(v)*len(splits))
		}
	}
	slices.Sort(means)
	at := func(q float64) float64 { return means[int(math.Round(q*float64(draws-1)))] }
	return [2]float64{at(0.025), at(0.975)}
}

// WriteJSON writes the report: the same keys in the same order, no clock.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
