package sweep

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/pipeline"
	"clr/internal/pipeline/strict"
)

// A File is what a sweep's file says.
type File struct {
	Name       string // as the person called it
	Method     string // grid, random or bayes
	Metric     Metric // that points are chosen by; its name may be empty
	Parameters []Parameter
	Stop       *Hyperband // nil: every trial is trained to its end
	Seeds      int        // trials of each point
	Then       []string   // commands that follow clr pretrain
	Trials     int

	text []byte
	base *pipeline.Config
}

// A Metric is a score of pipeline.Scores, and which way is better.
type Metric struct {
	Name string `yaml:"name" doc:"the score that points are chosen by: loss, linear.valid_accuracy, ..."`
	Goal string `yaml:"goal" doc:"minimize or maximize"`
}

// Better says whether one value is better than another.
func (m Metric) Better(a, b float64) bool {
	if m.Goal == minimize {
		return a < b
	}
	return a > b
}

const (
	minimize = "minimize"
	maximize = "maximize"

	grid   = "grid"
	random = "random"
	bayes  = "bayes"
)

// MostTrials is how many a sweep may have: so many folders stand in one.
const MostTrials = 100_000

// written is the file as it is read.
type written struct {
	Name        string      `yaml:"name" doc:"for people"`
	Description string      `yaml:"description" doc:"for people"`
	Config      string      `yaml:"config" doc:"config that trials vary, relative to this file"`
	Method      string      `yaml:"method" doc:"grid, random or bayes"`
	Metric      Metric      `yaml:"metric" doc:"what points are chosen by"`
	Parameters  strict.Tree `yaml:"parameters" doc:"keys of the config, and which values each takes"`
	RunCap      int         `yaml:"run_cap" doc:"most trials"`
	Seeds       int         `yaml:"seeds" doc:"trials of each point, each with a seed of its own"`
	Then        []string    `yaml:"then" doc:"what follows clr pretrain: linear-probe, mlp-probe, knn-probe"`
	Stop        strict.Tree `yaml:"early_terminate" doc:"which trials are stopped early"`
}

// foreign are keys that Weights & Biases knows and that mean nothing here.
var foreign = map[string]string{
	"program":       "leave it out: each trial is clr pretrain, on the config that config names",
	"command":       "leave it out: each trial is clr pretrain, and what then lists",
	"entity":        "leave it out: a sweep is a folder, and no server knows of it",
	"project":       "leave it out: a sweep is a folder, and no server knows of it",
	"job":           "leave it out: clr sweep kubernetes and clr sweep slurm write what a cluster needs",
	"image_uri":     "leave it out: clr sweep kubernetes writes what a cluster needs",
	"metric.target": "leave it out: a sweep ends when its trials do",
}

// Load reads a sweep's file and the config that it names, over which the overrides
// are laid. All that is wrong with the file is told at once.
func Load(path string, o pipeline.Overrides) (*File, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, text, func(config string) (*pipeline.Config, error) {
		if !filepath.IsAbs(config) {
			config = filepath.Join(filepath.Dir(path), filepath.FromSlash(config))
		}
		return pipeline.LoadConfig(config, o)
	})
}

func read(path string) ([]byte, error) {
	return strict.ReadFile(path, "sweep", "name a sweep's YAML file, such as configs/sweeps/demo.yaml", "name a sweep's YAML file")
}

// parse reads a file's text; config reads the config that it names.
func parse(name string, text []byte, config func(string) (*pipeline.Config, error)) (*File, error) {
	w := written{Seeds: 1}
	doc, problems := strict.New().Foreign(foreign).Decode(name, text, strict.Overrides{}, &w)
	f := &File{Name: name, Method: w.Method, Metric: w.Metric, Seeds: w.Seeds, Then: w.Then, text: text}
	wrong := func(path, remedy, format string, args ...any) {
		if !doc.Bad(path) {
			problems = append(problems, doc.Locate(path, fault.New(fault.Usage, remedy, format, args...)))
		}
	}
	if !slices.Contains([]string{grid, random, bayes}, w.Method) {
		wrong("method", "write method: grid, random or bayes", "method is %q", w.Method)
	}
	if w.Seeds < 1 {
		wrong("seeds", "1 trains each point once", "seeds is %d, it must be 1 or more", w.Seeds)
	}
	if doc.Given("run_cap") && w.RunCap < 1 || w.RunCap > MostTrials {
		wrong("run_cap", "leave it out of a grid to run all of it", "run_cap is %d, it must be 1 to %d", w.RunCap, MostTrials)
	}
	for i, t := range w.Then {
		if _, err := probeOf(t); err != nil {
			wrong(fmt.Sprintf("then.%d", i), fault.Remedy(err), "%v", err)
		} else if slices.Index(w.Then, t) < i {
			wrong(fmt.Sprintf("then.%d", i), "name each once", "then has %s twice", t)
		}
	}
	f.checkMetric(doc, wrong)
	var more strict.Problems
	f.Stop, more = hyperband(w.Stop)
	problems = append(problems, more...)
	if w.Stop.Given() && w.Metric.Name == "" {
		wrong("early_terminate", "say what trials are compared by: metric: {name: linear.valid_accuracy, goal: maximize}", "early_terminate needs a metric")
	}
	if w.Method == bayes && w.Metric.Name == "" {
		wrong("method", "say what points are chosen by: metric: {name: linear.valid_accuracy, goal: maximize}", "method bayes needs a metric")
	}
	f.Parameters, more = parameters("", w.Parameters, w.Method == grid)
	problems = append(problems, more...)
	if len(f.Parameters) == 0 && len(more) == 0 {
		wrong("parameters", "such as parameters: {method.temperature: {values: [0.1, 0.5]}}", "there are no parameters")
	}
	if w.Config == "" {
		wrong("config", "name the config that trials vary, relative to this file", "no config is given")
	} else if base, err := config(w.Config); err != nil {
		wrong("config", fault.Remedy(err), "config: %v", err)
	} else {
		f.base = base
		problems = append(problems, f.checkKeys()...)
	}
	f.count(w.RunCap, doc.Given("run_cap"), wrong)
	if err := problems.Refused(name); err != nil {
		return nil, err
	}
	return f, nil
}

// probeOf is the kind of probe that a command of then asks.
func probeOf(then string) (kind string, err error) {
	kind, ok := strings.CutSuffix(then, "-probe")
	if _, known := eval.Table[kind]; !ok || !known {
		var names []string
		for _, k := range slices.Sorted(maps.Keys(eval.Table)) {
			names = append(names, k+"-probe")
		}
		return "", fault.New(fault.Usage, "one of "+strings.Join(names, ", "), "then has %q, which is no probe", then)
	}
	return kind, nil
}

type wrongs func(path, remedy, format string, args ...any)

// checkMetric refuses a score that there is not, or that is of the clips that are
// tested on. Where none is given it is that of the first probe.
func (f *File) checkMetric(doc *strict.Document, wrong wrongs) {
	m := &f.Metric
	if !doc.Given("metric") {
		if len(f.Then) > 0 {
			if kind, err := probeOf(f.Then[0]); err == nil {
				*m = Metric{kind + ".valid_accuracy", maximize}
			}
		}
		return
	}
	if m.Goal != minimize && m.Goal != maximize {
		wrong("metric.goal", "write goal: maximize, or minimize", "metric.goal is %q", m.Goal)
	}
	kind, known, unseen := pipeline.ScoreProbe(m.Name)
	switch {
	case !known:
		names := pipeline.TrainingScores()
		for _, k := range pipeline.Kinds {
			names = append(names, k.Name+".valid_accuracy", k.Name+".valid_map")
		}
		wrong("metric.name", "one of "+strings.Join(names, ", "), "there is no score %q", m.Name)
	case !unseen:
		wrong("metric.name", "use "+kind+".valid_accuracy, or "+kind+".valid_map where clips have several labels; scores of test clips stand beside",
			"%s is of test clips, and what is chosen by them has no test left", m.Name)
	case kind != "" && !slices.Contains(f.Then, kind+"-probe"):
		wrong("metric.name", "write then: ["+kind+"-probe]", "%s is a score of %s-probe, which then does not have", m.Name, kind)
	}
}

// checkKeys refuses parameters that the base config does not have, or that have
// another kind of value: each value of each parameter is tried beside the first of
// the others.
func (f *File) checkKeys() (problems strict.Problems) {
	first := make(map[string]strict.Tree)
	for _, p := range f.Parameters {
		first[p.Path] = p.tries()[0]
	}
	seen := map[string]bool{}
	for k, p := range f.Parameters {
		if p.Path == "seed" && f.Seeds > 1 {
			problems = append(problems, p.tree.WrongKey("leave out one of them", "seed is a parameter, and seeds is %d: both set the seed of a trial", f.Seeds))
		}
		for i, v := range p.tries() {
			if k > 0 && i == 0 && len(p.tries()) > 1 { // it stands beside the first of the others already
				continue
			}
			var puts []strict.Put
			for _, q := range f.Parameters {
				value := first[q.Path]
				if q.Path == p.Path {
					value = v
				}
				puts = append(puts, strict.Put{Path: q.Path, Value: value})
			}
			varied, more := f.base.Varied(puts)
			for _, one := range more {
				if text := one.String(); !seen[text] {
					seen[text] = true
					problems = append(problems, one)
				}
			}
			if len(more) > 0 && p.law.quantile != nil { // the others are of its kind
				break
			}
			if len(more) == 0 && f.base.Store != "" && varied.OwnStore() != f.base.OwnStore() {
				problems = append(problems, p.tree.WrongKey("leave store out of the config: each choice of features then has a file of its own",
					"%s changes the features, and the config keeps them in one file, store: %s", p.Path, f.base.Store))
				break
			}
		}
	}
	return problems
}

// count says how many trials there are; capped: at most limit.
func (f *File) count(limit int, capped bool, wrong wrongs) {
	if f.Seeds < 1 || capped && limit < 1 {
		return
	}
	if limit%f.Seeds != 0 {
		wrong("run_cap", fmt.Sprintf("write a multiple, such as %d", (limit/f.Seeds+1)*f.Seeds), "run_cap is %d, and trials come by %d seeds", limit, f.Seeds)
		return
	}
	f.Trials = limit
	if f.Method != grid {
		if !capped {
			wrong("method", "write how many trials there are to be, run_cap: 20", "method %s has no end without run_cap", f.Method)
		}
		return
	}
	n := f.Seeds
	for _, p := range f.Parameters {
		if n *= len(p.values); n > MostTrials {
			wrong("parameters", "leave values out", "the grid has more than %d trials", MostTrials)
			return
		}
	}
	if limit == 0 || n < limit {
		f.Trials = n
	}
}
