package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"clr/internal/fault"
)

// A Judge asks what embeddings are worth as they lie, with nothing fitted to any
// labels: episodes of a few shown clips, clusters, and what is fetched.
type Judge struct {
	FewShot    FewShot    `yaml:"few_shot" doc:"classes from a few clips: the nearest mean of those shown"`
	Clustering Clustering `yaml:"clustering" doc:"k-means, held against the classes"`
	Retrieval  Retrieval  `yaml:"retrieval" doc:"the nearest clips, of which some are of the same class"`
}

// DefaultJudge is what is usual.
var DefaultJudge = Judge{
	FewShot:    FewShot{Ways: 5, Shots: []int{1, 5}, Queries: 15, Episodes: 600, Seed: 1},
	Clustering: Clustering{Restarts: 10, Iterations: 300, Seed: 1},
	Retrieval:  Retrieval{K: []int{1, 10, 100}},
}

// Doc says in one line what this is.
func (Judge) Doc() string {
	return "few shots, clusters and retrieval: what embeddings are worth as they lie"
}

// Check refuses settings that cannot work.
func (j Judge) Check() error {
	for _, c := range []struct {
		name  string
		check func() error
	}{{"few_shot", j.FewShot.Check}, {"clustering", j.Clustering.Check}, {"retrieval", j.Retrieval.Check}} {
		if err := c.check(); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// A Judgement is what a Judge found, of test clips alone; the first row is the
// one asked about.
type Judgement struct {
	By      string      `json:"by"`
	Multi   bool        `json:"multi_label"` // clips may have several labels
	Classes []string    `json:"classes"`
	Rows    []JudgedRow `json:"rows"`

	// Encoders is as Report's.
	Encoders map[string]string `json:"encoders,omitempty"`
}

// A JudgedRow is one embedding's scores. A measure that the test clips have too
// few for is left out. Where clips may have several labels, only retrieval has a
// meaning: of an episode's classes a clip could be in two, and of clusters in one.
type JudgedRow struct {
	Name       string           `json:"name"`
	Dim        int              `json:"dim"`
	Clips      int              `json:"clips"` // test clips, over all splits
	FewShot    []FewShotScore   `json:"few_shot"`
	Clustering *ClusterScore    `json:"clustering"` // null for several labels
	Retrieval  []RetrievalScore `json:"retrieval"`
}

// judged is a split's test clips.
type judged struct {
	set Set
	x   unitRows
}

// byClass lists each class's clips.
func (j judged) byClass() [][]int {
	out := make([][]int, len(j.set.Classes))
	for i, y := range j.set.Labels {
		out[y] = append(out[y], i)
	}
	return out
}

// Row judges the embeddings that each split has.
func (j Judge) Row(ctx context.Context, name string, set func(Split) Set, splits []Split) (JudgedRow, error) {
	row := JudgedRow{Name: name}
	var tests []judged
	for _, split := range splits {
		s := set(split)
		if err := s.Check(); err != nil {
			return row, fmt.Errorf("%s, split %s: %w", name, split.Name, err)
		}
		if len(split.Test) < 2 {
			return row, fault.New(fault.Data, "choose another column with split.by", "%s, split %s: %d test clips have no neighbours", name, split.Name, len(split.Test))
		}
		test := s.Rows(split.Test)
		tests = append(tests, judged{test, units(test)})
		row.Dim, row.Clips = s.D, row.Clips+test.N
	}
	row.Retrieval, _ = j.Retrieval.score(ctx, tests)
	if err := ctx.Err(); err != nil {
		return row, err
	}
	if len(tests) > 0 && tests[0].set.Multi() {
		return row, nil
	}
	for _, shots := range slices.Sorted(slices.Values(j.FewShot.Shots)) {
		s, ok, err := j.FewShot.score(ctx, tests, shots)
		if err != nil {
			return row, err
		}
		if ok {
			row.FewShot = append(row.FewShot, s)
		}
	}
	clusters, err := j.Clustering.score(ctx, tests)
	row.Clustering = &clusters
	return row, err
}

// WriteJSON writes the judgement: the same keys in the same order, no clock.
func (j Judgement) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(j)
}

// WriteTable writes the judgement for a terminal of 80 columns.
func (j Judgement) WriteTable(w io.Writer) error {
	var b strings.Builder
	if len(j.Rows) == 0 {
		return nil
	}
	first := j.Rows[0]
	labels := ""
	if j.Multi {
		labels = ", several a clip,"
	}
	fmt.Fprintf(&b, "%d classes%s by %s, %s; nothing is fitted\n", len(j.Classes), labels, j.By, count(first.Clips, "test clip"))
	if j.Multi {
		b.WriteString("Few-shot episodes and clusters are left out: a clip has one class in them.\n")
	}
	head := func(what, more string) { fmt.Fprintf(&b, "\n%-*s %s\n", 26, what, more) }
	line := func(row JudgedRow, what string) { fmt.Fprintf(&b, "%-*s %s\n", 26, "  "+row.Name, what) }
	percent := func(v float64, i [2]float64) string {
		return fmt.Sprintf("%5.1f  %12s", 100*v, fmt.Sprintf("%.1f..%.1f", 100*i[0], 100*i[1]))
	}
	for k, s := range first.FewShot {
		head(fmt.Sprintf("%d-way %d-shot", s.Ways, s.Shots), fmt.Sprintf("accuracy in %% of %s; by chance %.1f", count(s.Episodes, "episode"), 100*s.Chance))
		for _, row := range j.Rows {
			line(row, percent(row.FewShot[k].Accuracy, row.FewShot[k].Interval))
		}
	}
	if first.Clustering != nil {
		head(fmt.Sprintf("k-means, %s", count(first.Clustering.Clusters, "cluster")), "  NMI    ARI")
		for _, row := range j.Rows {
			line(row, fmt.Sprintf("%.3f  %.3f", row.Clustering.NMI, row.Clustering.ARI))
		}
	}
	for k, s := range first.Retrieval {
		head(fmt.Sprintf("retrieval, %d fetched", s.K), fmt.Sprintf("mAP@%d in %%; by chance %.1f", s.K, 100*s.Chance))
		for _, row := range j.Rows {
			line(row, percent(row.Retrieval[k].MAP, row.Retrieval[k].Interval))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
