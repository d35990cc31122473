package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"clr/internal/audio"
	"clr/internal/embedding"
	"clr/internal/eval"
	"clr/internal/fault"
)

// A table is embeddings from a file, with their labels and divided into splits.
type table struct {
	c      *Config
	set    eval.Set
	splits []eval.Split
	by     string
}

// asked is the table's embeddings, beside which there are none.
func (t *table) asked(o Asked) (*asked, error) {
	splits, err := splitsNamed(t.splits, o.Fold)
	return &asked{t.set, splits, []embeddings{{eval.RowForeign, func(eval.Split) eval.Set { return t.set }}}, nil}, err
}

// probeTable asks a probe about embeddings that come from anywhere.
func probeTable(ctx context.Context, o ProbeOptions, ov Overrides, con Console) (*eval.Report, error) {
	t, err := openTable(o.Embeddings, o.Manifest, ov)
	if err != nil {
		return nil, err
	}
	a, err := t.asked(o.Asked)
	if err != nil {
		return nil, err
	}
	report := &eval.Report{By: t.by}
	if kind := kindOf(o.Kind); eval.AnswersByWindows(kind.of(t.c)) {
		return nil, fault.New(fault.Usage, "set "+kind.Section+".windows to embeddings", "%s: a row of a file is a clip, of which nothing says what windows it has", o.Embeddings)
	}
	if err := ask(ctx, report, t.c, o, a, con); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Embeddings, err)
	}
	return report, nil
}

// openTable reads a file of embeddings. What is known of its rows stands in the
// file, or in a manifest, which comes first.
func openTable(path, manifest string, ov Overrides) (*table, error) {
	ov, err := ov.Within("nothing else matters to embeddings that are there already", append([]string{"split", "seed"}, asking()...)...)
	if err != nil {
		return nil, err
	}
	t := &table{}
	settings := "corpus: " + strconv.Quote(path) + "\nembed: {pool: mean, hop: 1}\n" // a row is a clip's only window
	if t.c, err = ParseConfig("settings", []byte(settings), ov); err != nil {
		return nil, err
	}
	file, err := embedding.Read(path)
	if err != nil {
		return nil, err
	}
	if manifest != "" {
		if err := addManifest(file, path, manifest); err != nil {
			return nil, err
		}
	}
	columns := file.Columns
	if columns["label"] == nil {
		return nil, fault.New(fault.Data, "give labels as y in a .npz file, as a column label in Parquet, or with --manifest", "%s has no labels to probe for", path)
	}
	names := columns["path"]
	if names == nil {
		for i := range file.N {
			names = append(names, "row "+strconv.Itoa(i))
		}
	}
	if t.set, err = eval.Labelled(columns["label"], names); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.set.X, t.set.D, t.set.Sources = file.X, file.D, columns["path"]
	return t, t.divide(path, columns)
}

// divide makes the splits: by the column that --set split.by names, or split, or
// fold.
func (t *table) divide(path string, columns embedding.Columns) error {
	how := t.c.Split
	if how.By == "" && columns[eval.SplitColumn] == nil {
		if columns["fold"] == nil {
			return fault.New(fault.Data, "give each row a fold (a number) or a split (train, valid, test), as an array or column or with --manifest; --set split.by=NAME divides by another", "%s has neither split nor fold: nothing says what to test on", path)
		}
		how.By = "fold"
	}
	names := slices.Sorted(maps.Keys(columns))
	var err error
	if t.by, err = how.Column(names); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if t.splits, err = eval.Splits(columns[t.by], how); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i := range t.splits {
		var by []func(i int) string
		for _, name := range []string{"group", "path"} {
			if c := columns[name]; c != nil && !(name == "path" && allDiffer(c)) {
				by = append(by, func(i int) string { return c[i] })
			}
		}
		t.splits[i].Groups = groupsOf(t.splits[i], by...)
	}
	return nil
}

// allDiffer says whether no two values are the same.
func allDiffer(values []string) bool {
	seen := map[string]bool{}
	for _, v := range values {
		if seen[v] {
			return false
		}
		seen[v] = true
	}
	return true
}

// addManifest adds a manifest's columns to a file of embeddings: line by line, or,
// where the file has paths, those of the lines with the same path and, where a
// path stands there more than once, start.
func addManifest(file *embedding.Table, path, manifest string) error {
	reading := audio.DefaultReading
	reading.OnError = audio.OnError{Do: "skip", Most: 1} // recordings need not be there
	corpus, err := reading.ReadCorpus(audio.Host(), manifest)
	if err != nil {
		return err
	}
	lines := make([]int, file.N)
	paths := file.Columns["path"]
	if paths == nil {
		if len(corpus.Items) != file.N {
			return fault.New(fault.Data, "give the manifest that was embedded, one line an embedding in the same order", "%s has %d lines, %s has %d embeddings and no paths to tell which is which", manifest, len(corpus.Items), path, file.N)
		}
		for i := range lines {
			lines[i] = i
		}
	} else {
		byPath := map[string][]int{}
		for i, it := range corpus.Items {
			byPath[it.Path] = append(byPath[it.Path], i)
		}
		for i, p := range paths {
			found := byPath[p]
			if starts := file.Columns["start"]; len(found) > 1 && starts != nil {
				at, _ := strconv.ParseFloat(cmp.Or(starts[i], "0"), 64)
				found = slices.DeleteFunc(slices.Clone(found), func(k int) bool { return corpus.Items[k].Start != at })
			}
			if len(found) != 1 {
				return fault.New(fault.Data, "give the manifest that was embedded", "row %d of %s is of %s, which %d lines of %s are of", i, path, p, len(found), manifest)
			}
			lines[i] = found[0]
		}
	}
	for _, name := range corpus.Columns {
		values := make([]string, file.N)
		for i, line := range lines {
			values[i] = corpus.Items[line].Value(name)
		}
		file.Columns[name] = values
	}
	return nil
}
