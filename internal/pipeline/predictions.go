package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"clr/internal/eval"
	"clr/internal/fault"
)

func predictionsFile(kind string) string { return "predictions-" + kind + "-probe.csv" }

// predictionColumns are those of a file of predictions: a line for each test
// clip of each head on the pretrained encoder. clip is its place among
// the corpus's clips, from 0: a path may stand there more than once. Where clips
// have several labels, label and predicted are joined as the manifest's are.
var predictionColumns = []string{"clip", "path", "start", "end", "fold", "seed", "label", "predicted"}

func (d *data) writePredictions(w io.Writer, r *eval.Report) error {
	out := csv.NewWriter(w)
	out.Write(predictionColumns)
	out.WriteAll(d.predictionLines(r.Classes, r.Rows[0])) // flushes
	return out.Error()
}

// predictionLines are what the heads of a row said of each test clip.
func (d *data) predictionLines(classes []string, row eval.Row) (lines [][]string) {
	for _, t := range row.Tested {
		it, f := d.corpus.Items[t.Clip], row.Folds[t.Fold]
		lines = append(lines, []string{strconv.Itoa(t.Clip), it.Path, it.Value("start"), it.Value("end"), f.Fold, strconv.FormatUint(f.Seed, 10),
			eval.Join(classes, t.Label), eval.Join(classes, t.Predicted)})
	}
	return lines
}

// A tested is a test clip in a fold.
type tested struct{ fold, clip, label string }

// predictions are the shares of a probe's heads that were right, by fold and
// clip.
type predictions struct {
	folds  []string // in the order of the file
	clips  []tested // likewise, each once
	shares map[tested]float64
	said   map[tested]string // predicted by the last of the heads
	heads  int               // of a fold
}

// readPredictions reads those of a run's probe; hash is their SHA-256 in its report.
func readPredictions(run, kind, hash string) (*predictions, error) {
	path := filepath.Join(run, predictionsFile(kind))
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Data, "clr "+kind+"-probe --run "+run+" makes them", "predictions: %w", err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != hash {
		return nil, fault.New(fault.Data, "clr "+kind+"-probe --run "+run+" makes both anew", "%s: the report beside it is of another probe", path)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err == nil && (len(rows) < 2 || !slices.Equal(rows[0], predictionColumns)) {
		err = fmt.Errorf("its first line is not %v, or there are no others", predictionColumns)
	}
	remake := func(err error) error {
		return fault.New(fault.Data, "clr "+kind+"-probe --run "+run+" makes it anew", "%s: %w", path, err)
	}
	if err != nil {
		return nil, remake(err)
	}
	var wrong error // a share of heads above one, or of some that were not asked, is none
	p := &predictions{shares: map[tested]float64{}, said: map[tested]string{}}
	heads, lines, seen := map[string]bool{}, map[tested]int{}, map[[3]string]bool{}
	for _, r := range rows[1:] {
		k := tested{fold: r[4], clip: r[0], label: r[6]}
		if _, ok := p.shares[k]; !ok {
			p.clips = append(p.clips, k)
			if !slices.Contains(p.folds, k.fold) {
				p.folds = append(p.folds, k.fold)
			}
		}
		if one := [3]string{r[4], r[0], r[5]}; seen[one] {
			wrong = fmt.Errorf("clip %s stands there twice for fold %q, seed %s", r[0], r[4], r[5])
		} else {
			seen[one] = true
		}
		lines[k]++
		heads[r[5]] = true
		right := 0.0
		if r[6] == r[7] {
			right = 1
		}
		p.shares[k] += right
		p.said[k] = r[7]
	}
	p.heads = len(heads)
	for _, k := range p.clips {
		if lines[k] != p.heads && wrong == nil {
			wrong = fmt.Errorf("clip %s, %s, stands there for %d of %d seeds in fold %q", k.clip, k.label, lines[k], p.heads, k.fold)
		}
	}
	if wrong != nil {
		return nil, remake(wrong)
	}
	return p, nil
}

// pair lines two runs' predictions up, clip by clip; why says why that cannot be.
func (p *predictions) pair(q *predictions) (a, b [][]float64, why string) {
	if len(p.clips) != len(q.clips) {
		return nil, nil, fmt.Sprintf("they were tested on %d and %d clips", len(p.clips), len(q.clips))
	}
	a, b = make([][]float64, len(p.folds)), make([][]float64, len(p.folds))
	for _, k := range p.clips {
		y, ok := q.shares[k]
		if !ok {
			return nil, nil, fmt.Sprintf("clip %s, %s, is tested in fold %s of one alone", k.clip, k.label, k.fold)
		}
		s := slices.Index(p.folds, k.fold)
		a[s], b[s] = append(a[s], p.shares[k]/float64(p.heads)), append(b[s], y/float64(q.heads))
	}
	return a, b, ""
}

// PairRuns tests one set of runs against another by a probe's predictions, clip by
// clip: runs of a set, of other seeds say, are taken together as more heads are. Why
// says why that cannot be.
func PairRuns(kind string, a, b []string) (test *eval.Paired, why string) {
	all := [2][][]float64{} // shares of heads by split and clip, as the first run has them
	var first *predictions
	for side, runs := range [][]string{a, b} {
		for _, run := range runs {
			r, err := readReport(run, kind)
			if err != nil {
				return nil, err.Error()
			}
			p, err := readPredictions(run, kind, r.Predictions)
			if err != nil {
				return nil, err.Error()
			}
			if first == nil {
				first = p
			}
			_, shares, why := first.pair(p)
			if why != "" {
				return nil, why
			}
			if all[side] == nil {
				all[side] = make([][]float64, len(shares))
			}
			for s := range shares {
				if all[side][s] == nil {
					all[side][s] = make([]float64, len(shares[s]))
				}
				for i, v := range shares[s] {
					all[side][s][i] += v / float64(len(runs))
				}
			}
		}
	}
	t := eval.Pair(all[0], all[1])
	return &t, ""
}

// readReport reads a probe's report; one that there is not satisfies errors.Is(err,
// fs.ErrNotExist).
func readReport(run, kind string) (*eval.Report, error) {
	path := filepath.Join(run, reportFile(kind))
	b, err := os.ReadFile(path)
	r := &eval.Report{}
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err == nil && len(r.Rows) == 0 {
		err = errors.New("it has no scores")
	}
	if err != nil {
		return nil, fault.New(fault.Data, "clr "+kind+"-probe --run "+run+" makes it", "%s: %w", path, err)
	}
	return r, nil
}
