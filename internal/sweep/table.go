package sweep

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"clr/internal/embedding"
	"clr/internal/fault"
)

// A Table is what trials came to, a row each, or the points of them. The same file
// gives the same table, whoever worked when, but for times, which are there when they
// are asked for.
type Table struct {
	Trials []TableRow
	Points []TableRow
	Names  []string // of the columns of points
	trials []string // of trials
}

// A TableRow is values by column; a number is decimal text, nothing is empty.
type TableRow map[string]string

// TableOptions say what a table has.
type TableOptions struct {
	Times  bool     // seconds of work, sessions and hosts of each trial
	Scores []string // columns of scores; empty: all
}

// TableFormats are the formats of tables.
var TableFormats = map[string]string{
	"csv":     "a line a trial, or with --by point a point",
	"json":    "trials and points",
	"md":      "Markdown: points and trials, with the metric, the loss and each probe's accuracy unless --scores names others",
	"parquet": "a row a trial, or with --by point a point; numbers as doubles",
}

// Table gathers what trials came to.
func (s *Sweep) Table(o TableOptions) (*Table, error) {
	states, err := s.States()
	if err != nil {
		return nil, err
	}
	scores := o.Scores
	if len(scores) == 0 {
		scores = scoresOf(states)
	}
	t := &Table{trials: []string{"trial", "point", "seed", "status", "exit_code", "reason", "epochs", "steps"}, Names: []string{"point", "done", "pruned", "failed"}}
	for _, p := range s.Parameters {
		t.trials, t.Names = append(t.trials, p.Path), append(t.Names, p.Path)
	}
	for _, name := range scores {
		t.trials, t.Names = append(t.trials, name), append(t.Names, name, name+".std", name+".n")
	}
	if o.Times {
		t.trials = append(t.trials, "seconds", "sessions", "hosts")
	}
	for _, st := range states {
		row := TableRow{"trial": strconv.Itoa(st.Index), "point": strconv.Itoa(st.Point), "seed": strconv.FormatUint(st.Seed, 10), "status": st.Status}
		for _, p := range st.Params {
			row[p.Path] = p.Text
		}
		if r := st.Result; r != nil {
			row["reason"], row["exit_code"], row["epochs"], row["steps"] = r.Reason, strconv.Itoa(r.Exit), strconv.Itoa(r.Epochs), strconv.Itoa(r.Steps)
			for _, name := range scores {
				if v, ok := r.Scores[name]; ok {
					row[name] = number(v)
				}
			}
		}
		if o.Times {
			if err := s.addTimes(row, st.Index); err != nil {
				return nil, err
			}
		}
		t.Trials = append(t.Trials, row)
	}
	for p := range s.Points() {
		t.Points = append(t.Points, s.pointRow(states, p, scores))
	}
	return t, nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// scoresOf are the names of all scores that trials have.
func scoresOf(states []State) []string {
	all := map[string]bool{}
	for _, st := range states {
		if st.Result != nil {
			for name := range st.Result.Scores {
				all[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// pointRow is a point's: means over its trials that are done.
func (s *Sweep) pointRow(states []State, p int, scores []string) TableRow {
	row := TableRow{"point": strconv.Itoa(p)}
	counts := map[string]int{}
	for _, st := range states[p*s.Seeds : (p+1)*s.Seeds] {
		counts[st.Status]++
		for _, q := range st.Params {
			row[q.Path] = q.Text
		}
	}
	for _, status := range []string{Done, Pruned, Failed} {
		row[status] = strconv.Itoa(counts[status])
	}
	for _, name := range scores {
		of := spread(values(s.trialsOf(states, p), "", name))
		row[name+".n"] = strconv.Itoa(of.N)
		if of.N > 0 {
			row[name] = number(of.Mean)
		}
		if of.N > 1 {
			row[name+".std"] = number(of.Std)
		}
	}
	return row
}

func (s *Sweep) addTimes(row TableRow, i int) error {
	p, err := s.progress(i)
	if err != nil {
		return err
	}
	seconds := 0.0
	var hosts []string
	for _, one := range p.Sessions {
		seconds += one.End.Sub(one.Start).Seconds()
		if !slices.Contains(hosts, one.Host) {
			hosts = append(hosts, one.Host)
		}
	}
	row["seconds"], row["sessions"], row["hosts"] = strconv.FormatFloat(seconds, 'f', 1, 64), strconv.Itoa(len(p.Sessions)), strings.Join(hosts, " ")
	return nil
}

// Brief are the scores that a person looks at first.
func (s *Sweep) Brief() (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(s.Metric.Name)
	for _, then := range s.Then {
		kind, _ := probeOf(then)
		add(kind + ".accuracy")
	}
	add("loss")
	return names
}

// Write writes a table in one of the TableFormats; byPoint: of points, where the
// format has one of them.
func (t *Table) Write(w io.Writer, format string, byPoint bool) error {
	names, rows := t.trials, t.Trials
	if byPoint {
		names, rows = t.Names, t.Points
	}
	switch format {
	case "csv":
		out := csv.NewWriter(w)
		out.Write(names)
		for _, r := range rows {
			out.Write(r.fields(names))
		}
		out.Flush()
		return out.Error()
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		return e.Encode(map[string][]json.RawMessage{"trials": objects(t.Trials, t.trials), "points": objects(t.Points, t.Names)})
	case "md":
		if err := markdown(w, t.Names, t.Points); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		return markdown(w, t.trials, t.Trials)
	case "parquet":
		columns := embedding.Columns{}
		for _, name := range names {
			for _, r := range rows {
				columns[name] = append(columns[name], r[name])
			}
		}
		return embedding.WriteColumns(w, names, columns)
	}
	return fault.New(fault.Usage, "use csv, json, md or parquet", "there is no format %q", format)
}

func (r TableRow) fields(names []string) (all []string) {
	for _, name := range names {
		all = append(all, r[name])
	}
	return all
}

// objects are rows as JSON, keys in the order of the columns; what is empty is left
// out.
func objects(rows []TableRow, names []string) []json.RawMessage {
	all := []json.RawMessage{}
	for _, r := range rows {
		var p Params
		for _, name := range names {
			if r[name] != "" {
				p = append(p, Param{name, r[name]})
			}
		}
		b, _ := p.MarshalJSON() // of texts, which cannot fail
		all = append(all, b)
	}
	return all
}

func markdown(w io.Writer, names []string, rows []TableRow) error {
	var b strings.Builder
	line := func(fields []string) {
		for _, f := range fields {
			b.WriteString("| " + strings.ReplaceAll(f, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	line(names)
	b.WriteString(strings.Repeat("|---", len(names)) + "|\n")
	for _, r := range rows {
		fields := r.fields(names)
		for i, f := range fields {
			if v, err := strconv.ParseFloat(f, 64); err == nil && strings.Contains(f, ".") {
				fields[i] = fmt.Sprintf("%.4g", v)
			}
		}
		line(fields)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
