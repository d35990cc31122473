package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

// Values of scikit-learn 1.2.1, normalized_mutual_info_score and
// adjusted_rand_score.
func TestClusterScores(t *testing.T) {
	a, b, c := make([]int, 60), make([]int, 60), make([]int, 60)
	for i := range 60 {
		a[i], b[i] = (i*7+i*i)%5, (i*i*i+i/3)%4
		c[i] = (a[i] + i%7/6) % 5
	}
	for _, x := range []struct {
		a, b     []int
		nmi, ari float64
	}{
		{a, c, 0.7504045067558615, 0.7325499402162725},
		{c, b, 0.03770024263500493, -0.034820737683776117},
		{a, b, 0, -0.03604797561460473},
		{a, a, 1, 1},
		{make([]int, 9), make([]int, 9), 1, 1},
	} {
		if nmi, ari := NMI(x.a, x.b), ARI(x.a, x.b); math.Abs(nmi-x.nmi) > 1e-12 || math.Abs(ari-x.ari) > 1e-12 {
			t.Errorf("NMI %v, want %v; ARI %v, want %v", nmi, x.nmi, ari, x.ari)
		}
		if NMI(x.a, x.b) != NMI(x.b, x.a) && math.Abs(NMI(x.a, x.b)-NMI(x.b, x.a)) > 1e-15 {
			t.Error("NMI is not symmetric")
		}
	}
}

// Classes that lie apart are found, and the sum of squares is that within them.
func TestKMeansFindsBlobs(t *testing.T) {
	s := blobs(200, 6, 4, 20, 0.1, 11)
	x := units(s)
	o := DefaultJudge.Clustering
	of, sum, _ := o.cluster(t.Context(), x, 4)
	if ARI(of, s.Labels) != 1 {
		t.Errorf("ARI %g", ARI(of, s.Labels))
	}
	within := 0.0
	for c := range 4 {
		mean, n := make([]float64, 6), 0.0
		for i, y := range s.Labels {
			if y == c {
				n++
				for j, v := range x.row(i) {
					mean[j] += v
				}
			}
		}
		for i, y := range s.Labels {
			if y == c {
				for j, v := range x.row(i) {
					within += (v - mean[j]/n) * (v - mean[j]/n)
				}
			}
		}
	}
	if math.Abs(sum-within) > 1e-9 {
		t.Errorf("sum of squares %g, within classes %g", sum, within)
	}
	if again, _, _ := o.cluster(t.Context(), x, 4); !slices.Equal(again, of) {
		t.Error("other clusters in a second run")
	}
	same := unitRows{n: 5, d: 2, x: slices.Repeat([]float64{1, 0}, 5), finite: slices.Repeat([]bool{true}, 5)}
	if of, sum, _ := o.cluster(t.Context(), same, 3); len(of) != 5 || sum != 0 {
		t.Errorf("rows that are all the same: %v, %g", of, sum)
	}
}

// Who is interrupted need not wait for what takes long.
func TestJudgeStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := blobs(200, 6, 4, 1, 0, 1)
	if _, _, err := DefaultJudge.Clustering.cluster(ctx, units(s), 4); !errors.Is(err, context.Canceled) {
		t.Errorf("clusters: %v", err)
	}
	nearestRows(ctx, units(s), units(s), nil, nil, 1, func(query int, _ []neighbour) { t.Errorf("query %d is answered", query) })
	if _, err := DefaultJudge.Row(ctx, "x", func(Split) Set { return s }, []Split{{Name: "all", Train: seq(0, 100), Test: seq(100, 200)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a row: %v", err)
	}
}

// Four clips on a line, of two classes and three recordings, by hand.
func TestRetrievalByHand(t *testing.T) {
	at := func(degrees float64) []float64 {
		return []float64{math.Cos(degrees * math.Pi / 180), math.Sin(degrees * math.Pi / 180)}
	}
	s := labelledRows([]int{0, 1, 0, 1}, at(0), at(10), at(25), at(45))
	// Orders: 0: 1 2 3; 1: 0 2 3; 2: 1 3 0; 3: 2 1 0, of classes (1 0 1), (0 0 1), (1 1 0), (0 1 0).
	scores, ok := Retrieval{K: []int{2, 1, 50}}.score(t.Context(), []judged{{s, units(s)}})
	want := []float64{0, (1./2 + 0 + 0 + 1./2) / 4, (1./2 + 1./3 + 1./3 + 1./2) / 4}
	chance := []float64{1. / 3, (1. / 3) * (1 + 1./2), (1. / 3) * (1 + 1./2 + 1./3)}
	for i, k := range []int{1, 2, 50} {
		if !ok || scores[i].K != k || math.Abs(scores[i].MAP-want[i]) > 1e-15 || math.Abs(scores[i].Chance-chance[i]) > 1e-15 {
			t.Errorf("%+v, want mAP@%d %g, by chance %g", scores[i], k, want[i], chance[i])
		}
	}
	s.Sources = []string{"a", "b", "a", "c"} // 0 and 2 do not find each other, and have none of their class
	scores, ok = Retrieval{K: []int{1}}.score(t.Context(), []judged{{s, units(s)}})
	if !ok || scores[0].MAP != 0 || scores[0].Interval != [2]float64{0, 0} {
		t.Errorf("%+v", scores)
	}
	s.Sources = []string{"a", "b", "a", "b"}
	if _, ok := (Retrieval{K: []int{1}}).score(t.Context(), []judged{{s, units(s)}}); ok {
		t.Error("no clip has another of its class, and there is a score")
	}
}

// Clips of which two have a label in common, by hand; where each has one label, the
// score is that of single classes.
func TestRetrievalOfSeveralLabels(t *testing.T) {
	at := func(degrees float64) []float64 {
		return []float64{math.Cos(degrees * math.Pi / 180), math.Sin(degrees * math.Pi / 180)}
	}
	s := labelledRows([]int{0, 1, 0, 1}, at(0), at(10), at(25), at(45))
	single, _ := Retrieval{K: []int{1, 2, 50}}.score(t.Context(), []judged{{s, units(s)}})
	s.Labels, s.Tags = nil, [][]int{{0}, {1}, {0}, {1}}
	if got, ok := (Retrieval{K: []int{1, 2, 50}}).score(t.Context(), []judged{{s, units(s)}}); !ok || !slices.Equal(got, single) {
		t.Errorf("%+v, of single classes %+v", got, single)
	}
	s.Tags = [][]int{{0}, {0, 1}, {0}, {2}} // orders 1 2 3, 0 2 3, 1 3 0, 2 1 0: right are 1 2, 0 2, 1 0, none
	got, ok := Retrieval{K: []int{2}}.score(t.Context(), []judged{{s, units(s)}})
	if want := (1 + 1 + 1./2) / 3; !ok || math.Abs(got[0].MAP-want) > 1e-15 || math.Abs(got[0].Chance-expected(2, 2, 3)) > 1e-15 {
		t.Errorf("%+v, want %g", got, want)
	}
}

// What is expected of an order by chance is the mean over all orders.
func TestRetrievalChance(t *testing.T) {
	const n, relevant, k = 5, 2, 3
	sum, orders := 0.0, 0
	for set := range 1 << n { // which places are filled rightly
		hits, precision := 0, 0.0
		for i := range n {
			if set>>i&1 == 1 {
				if hits++; i < k {
					precision += float64(hits) / float64(i+1)
				}
			}
		}
		if hits == relevant {
			sum += precision / float64(min(k, relevant))
			orders++
		}
	}
	if got := expected(k, relevant, n); math.Abs(got-sum/float64(orders)) > 1e-15 {
		t.Errorf("%g, the mean over %d orders is %g", got, orders, sum/float64(orders))
	}
}

// Episodes are the same for all embeddings, of different classes and clips, and
// never ask a clip of a recording that is shown.
func TestEpisodes(t *testing.T) {
	o := FewShot{Ways: 3, Shots: []int{2}, Queries: 4, Episodes: 50, Seed: 5}
	byClass := make([][]int, 5)
	sources := make([]string, 60)
	for i := range 60 {
		byClass[i%5] = append(byClass[i%5], i)
		sources[i] = string(rune('a' + i/10))
	}
	seen := map[int]bool{}
	for n := range 50 {
		e := o.draw(byClass, sources, 2, n)
		if len(e.shown) != 3 {
			t.Fatalf("%d classes", len(e.shown))
		}
		for c, shown := range e.shown {
			seen[shown[0]%5] = true
			all := slices.Concat(shown, e.asked[c])
			if len(shown) != 2 || len(e.asked[c]) > 4 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
				t.Errorf("episode %d, class %d: %v, %v", n, c, shown, e.asked[c])
			}
			for _, i := range e.asked[c] {
				if i%5 != shown[0]%5 || sources[i] == sources[shown[0]] || sources[i] == sources[shown[1]] {
					t.Errorf("episode %d: %d is asked where %v are shown", n, i, shown)
				}
			}
		}
	}
	if len(seen) != 5 {
		t.Errorf("of five classes %d are drawn", len(seen))
	}
}

// The score is that of the episodes in loops, and by chance where embeddings say
// nothing.
func TestFewShot(t *testing.T) {
	s := blobs(200, 8, 4, 0.5, 0.2, 3)
	test := judged{s, units(s)}
	o := FewShot{Ways: 3, Shots: []int{2}, Queries: 5, Episodes: 40, Seed: 9}
	got, ok, err := o.score(t.Context(), []judged{test}, 2)
	hits, of := 0.0, 0.0
	for n := range 40 {
		e := o.draw(test.byClass(), nil, 2, n)
		for c, asked := range e.asked {
			for _, i := range asked {
				best, least := -1, math.Inf(1)
				for k, shown := range e.shown {
					d := 0.0
					for j := range 8 {
						mean := (s.Row(shown[0])[j]/norm(s.Row(shown[0])) + s.Row(shown[1])[j]/norm(s.Row(shown[1]))) / 2
						d += math.Pow(s.Row(i)[j]/norm(s.Row(i))-mean, 2)
					}
					if d < least {
						best, least = k, d
					}
				}
				if of++; best == c {
					hits++
				}
			}
		}
	}
	if err != nil || !ok || math.Abs(got.Accuracy-hits/of) > 1e-12 || got.Episodes != 40 || got.Ways != 3 || !(got.Interval[0] < got.Accuracy && got.Accuracy < got.Interval[1]) {
		t.Errorf("%+v, %v; want an accuracy of %g", got, err, hits/of)
	}
	noise := blobs(400, 8, 4, 0, 0, 4)
	o.Episodes = 400
	if got, _, _ := o.score(t.Context(), []judged{{noise, units(noise)}}, 2); math.Abs(got.Accuracy-got.Chance) > 0.05 {
		t.Errorf("noise is told apart: %+v", got)
	}
	if _, ok, _ := o.score(t.Context(), []judged{test}, 50); ok {
		t.Error("classes of 50 clips have 50 shown and some left")
	}
}

func TestJudge(t *testing.T) {
	s := blobs(120, 8, 4, 3, 0.2, 3)
	splits := []Split{{Name: "x"}, {Name: "y"}}
	for i := range 120 {
		splits[i/4%2].Test = append(splits[i/4%2].Test, i)
	}
	j := Judgement{By: "fold", Classes: s.Classes}
	row, err := DefaultJudge.Row(t.Context(), "here", func(Split) Set { return s }, splits)
	if err != nil || row.Clips != 120 || len(row.FewShot) != 2 || len(row.Retrieval) != 3 || row.Clustering.Clusters != 4 || row.FewShot[0].Ways != 4 || row.FewShot[0].Episodes != 1200 {
		t.Fatalf("%+v, %v", row, err)
	}
	j.Rows = append(j.Rows, row)
	var table, text bytes.Buffer
	if err := j.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := j.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(table.String(), "\n") {
		if len(line) > 80 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	if !strings.Contains(table.String(), "4-way 5-shot") || !strings.Contains(text.String(), `"nmi"`) {
		t.Errorf("%s\n%s", table.String(), text.String())
	}
	m, of := j.Measured(), row.Retrieval[1]
	if len(m) != 7 || m[3].Name != "ari" || m[3].Interval != nil || m[5].Name != "map_at_10" || float64(m[5].Score) != of.MAP || *m[5].Interval != of.Interval || float64(m[5].Chance) != of.Chance || m[5].RandomInit.known() {
		t.Errorf("%+v", m)
	}
	// Of several labels retrieval is left, and clips that have one in common are alike.
	multi := s
	multi.Labels, multi.Tags = nil, nil
	for i, y := range s.Labels {
		multi.Tags = append(multi.Tags, [][]int{{y}, {y, 4}}[i%2])
	}
	multi.Classes = append(slices.Clone(s.Classes), "more")
	several := Judgement{By: "fold", Multi: true, Classes: multi.Classes}
	if row, err = DefaultJudge.Row(t.Context(), "here", func(Split) Set { return multi }, splits); err != nil || row.FewShot != nil || row.Clustering != nil || len(row.Retrieval) != 3 {
		t.Fatalf("%+v, %v", row, err)
	}
	several.Rows = append(several.Rows, row)
	table.Reset()
	if err := several.WriteTable(&table); err != nil || !strings.Contains(table.String(), "Few-shot episodes and clusters are left out") || !strings.Contains(table.String(), "mAP@10") {
		t.Errorf("%s, %v", table.String(), err)
	}
	for what, change := range map[string]func(*Judge){
		"few_shot: ways":       func(j *Judge) { j.FewShot.Ways = 1 },
		"few_shot: shots":      func(j *Judge) { j.FewShot.Shots = nil },
		"few_shot: queries":    func(j *Judge) { j.FewShot.Queries = 0 },
		"few_shot: episodes":   func(j *Judge) { j.FewShot.Episodes = 0 },
		"clustering: restarts": func(j *Judge) { j.Clustering.Restarts = 0 },
		"retrieval: k":         func(j *Judge) { j.Retrieval.K = []int{0} },
	} {
		j := DefaultJudge
		change(&j)
		if err := j.Check(); fault.KindOf(err) != fault.Usage || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

// What a file says of a judgement, or of a report, is summed up or left out.
func FuzzMeasured(f *testing.F) {
	for _, text := range []string{
		`{"rows": [{"name": "pretrained", "few_shot": [{"ways": 5, "shots": 1}], "clustering": {"nmi": 0.5}, "retrieval": [{"k": 1}]}, {"name": "random_init"}]}`,
		`{"rows": [{"name": "pretrained", "mean": {"accuracy": 0.5, "map": null}}, {"name": "majority"}], "multi_label": true}`, `{"rows": [{}]}`, `{"rows": null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var j Judgement
		if json.Unmarshal(text, &j) == nil && len(j.Rows) > 0 {
			j.Measured()
		}
		var r Report
		if json.Unmarshal(text, &r) == nil && len(r.Rows) > 0 {
			if m := r.Measured(); m.Name == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
