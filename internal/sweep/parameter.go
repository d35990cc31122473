package sweep

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"clr/internal/pipeline/strict"
)

// A Parameter is a key of the config and the law by which it takes values.
type Parameter struct {
	Path string

	tree   strict.Tree   // as it is written
	values []strict.Tree // that it can take; nil: numbers of a law
	upTo   []float64     // share of chance up to and with each of the values
	law    law
	args   args
	whole  bool    // whole numbers
	q      float64 // multiples of it; 0: any number
}

// args are what a law is told.
type args struct{ min, max, mu, sigma float64 }

// A law is a distribution of numbers, as the value below which a share of all lies.
type law struct {
	needs    []string // keys
	quantile func(a args, u float64) float64
	positive bool // its bounds must be
}

func between(a args, u float64) float64 { return a.min + float64((a.max-a.min)*u) }

func gaussian(a args, u float64) float64 {
	return a.mu + float64(a.sigma*math.Sqrt2)*math.Erfinv(2*u-1)
}

// logs are a law's bounds as logarithms.
func (a args) logs() args { return args{min: math.Log(a.min), max: math.Log(a.max)} }

func negative(a args) args { return args{min: -a.max, max: -a.min} }

var bounds = []string{"min", "max"}

// laws are the distributions of Weights & Biases, and q_ before some of them gives
// multiples of q (docs.wandb.ai, "Sweep configuration options").
var laws = map[string]law{
	"uniform": {bounds, between, false},
	"int_uniform": {bounds, func(a args, u float64) float64 {
		return min(a.max, math.Floor(between(args{min: a.min, max: a.max + 1}, u)))
	}, false},
	"log_uniform":            {bounds, func(a args, u float64) float64 { return math.Exp(between(a, u)) }, false},
	"log_uniform_values":     {bounds, func(a args, u float64) float64 { return math.Exp(between(a.logs(), u)) }, true},
	"inv_log_uniform":        {bounds, func(a args, u float64) float64 { return math.Exp(between(negative(a), u)) }, false},
	"inv_log_uniform_values": {bounds, func(a args, u float64) float64 { return math.Exp(between(a.logs(), u)) }, true},
	"normal":                 {nil, gaussian, false},
	"log_normal":             {nil, func(a args, u float64) float64 { return math.Exp(gaussian(a, u)) }, false},
}

// quantized are the laws that have a form with q_.
var quantized = []string{"uniform", "log_uniform", "log_uniform_values", "normal", "log_normal"}

// written of a parameter.
type writtenParameter struct {
	Value         strict.Tree `yaml:"value" doc:"the one value"`
	Values        strict.Tree `yaml:"values" doc:"a list of values"`
	Probabilities []float64   `yaml:"probabilities" doc:"of the values"`
	Distribution  string      `yaml:"distribution" doc:"law of numbers"`
	Min           strict.Tree `yaml:"min" doc:"least value; of log_uniform its logarithm"`
	Max           strict.Tree `yaml:"max" doc:"greatest value; of log_uniform its logarithm"`
	Mu            strict.Tree `yaml:"mu" doc:"mean of normal, or of log_normal's logarithm; 0"`
	Sigma         strict.Tree `yaml:"sigma" doc:"deviation likewise; 1"`
	Q             strict.Tree `yaml:"q" doc:"what q_uniform and its like give multiples of; 1"`
	Parameters    strict.Tree `yaml:"parameters" doc:"parameters below this key"`
}

// parameters reads those of a section, of which the keys stand behind prefix.
func parameters(prefix string, t strict.Tree, listed bool) (all []Parameter, problems strict.Problems) {
	branches, ok := t.Branches()
	if !ok {
		if t.Given() {
			problems = append(problems, t.Wrong("such as {method.temperature: {values: [0.1, 0.5]}}", "parameters is a section with keys of the config, not %s", t.Text()))
		}
		return nil, problems
	}
	for _, b := range branches {
		path := b.Key
		if prefix != "" {
			path = prefix + "." + path
		}
		var w writtenParameter
		if wrong := strict.New().DecodeTree(path, b.Value, &w); len(wrong) > 0 {
			problems = append(problems, wrong...)
			continue
		}
		if w.Parameters.Given() {
			if keys, _ := b.Value.Branches(); len(keys) > 1 {
				problems = append(problems, b.Value.WrongKey("put them below parameters", "%s has parameters, and other keys beside", path))
			}
			below, wrong := parameters(path, w.Parameters, listed)
			all, problems = append(all, below...), append(problems, wrong...)
			continue
		}
		p := Parameter{Path: path, tree: b.Value}
		if wrong := p.read(w, listed); len(wrong) > 0 {
			problems = append(problems, wrong...)
			continue
		}
		if i := slices.IndexFunc(all, func(q Parameter) bool { return within(q.Path, path) || within(path, q.Path) }); i >= 0 {
			problems = append(problems, b.Value.WrongKey("vary one of them", "%s is set by %s, too", path, all[i].Path))
			continue
		}
		all = append(all, p)
	}
	return all, problems
}

// within says whether a path is one that inner stands below, or is it.
func within(path, inner string) bool {
	return path == inner || strings.HasPrefix(inner, path+".")
}

// read makes out what the keys mean together. listed: values have to be countable.
func (p *Parameter) read(w writtenParameter, listed bool) (problems strict.Problems) {
	wrong := func(t strict.Tree, hint, format string, args ...any) {
		problems = append(problems, t.WrongKey(hint, format, args...))
	}
	whole := func(t strict.Tree) bool { _, whole, ok := t.Number(); return ok && whole }
	name := w.Distribution
	if name == "" {
		switch {
		case w.Value.Given():
			name = "constant"
		case w.Values.Given() && w.Probabilities != nil:
			name = "categorical_w_probabilities"
		case w.Values.Given():
			name = "categorical"
		case whole(w.Min) && whole(w.Max):
			name = "int_uniform"
		case w.Min.Given() || w.Max.Given():
			name = "uniform"
		default:
			wrong(p.tree, "write value, values, or min and max", "%s takes no values", p.Path)
			return problems
		}
	}
	given := map[string]strict.Tree{"value": w.Value, "values": w.Values, "min": w.Min, "max": w.Max, "mu": w.Mu, "sigma": w.Sigma, "q": w.Q}
	takes := map[string][]string{"constant": {"value"}, "categorical": {"values"}, "categorical_w_probabilities": {"values"}}[name]
	if takes == nil {
		base, rounds := strings.CutPrefix(name, "q_")
		l, ok := laws[base]
		if !ok || rounds && !slices.Contains(quantized, base) {
			wrong(p.tree, "one of constant, categorical, "+strings.Join(lawNames(), ", "), "%s: there is no distribution %q", p.Path, name)
			return problems
		}
		if takes = l.needs; l.needs == nil {
			takes = []string{"mu", "sigma"}
		}
		if p.law = l; rounds {
			takes, p.q = append(slices.Clone(takes), "q"), 1
		}
		p.whole = base == "int_uniform"
	}
	if w.Probabilities != nil && name != "categorical_w_probabilities" {
		wrong(p.tree, "leave it out, or write values", "%s: probabilities means nothing to %s", p.Path, name)
	}
	for _, key := range []string{"value", "values", "min", "max", "mu", "sigma", "q"} {
		needed := key != "mu" && key != "sigma" && key != "q"
		switch takes := slices.Contains(takes, key); {
		case given[key].Given() && !takes:
			wrong(given[key], "leave it out, or choose another distribution", "%s: %s means nothing to %s", p.Path, key, name)
		case !given[key].Given() && takes && needed:
			wrong(p.tree, "add it", "%s: %s needs %s", p.Path, name, key)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	if p.law.quantile == nil {
		return p.readValues(w, name)
	}
	return p.readLaw(given, name, listed)
}

func lawNames() (names []string) {
	for name := range laws {
		names = append(names, name)
		if slices.Contains(quantized, name) {
			names = append(names, "q_"+name)
		}
	}
	slices.Sort(names)
	return names
}

// readValues reads a list, and the chance of each value.
func (p *Parameter) readValues(w writtenParameter, name string) (problems strict.Problems) {
	if name == "constant" {
		p.values, p.upTo = []strict.Tree{w.Value.Of(p.tree)}, []float64{1}
		return nil
	}
	items, ok := w.Values.Items()
	if !ok || len(items) == 0 {
		return strict.Problems{w.Values.Wrong("write [0.1, 0.5]", "%s: values needs a list of one value or more, not %s", p.Path, w.Values.Text())}
	}
	for _, v := range items {
		p.values = append(p.values, v.Of(p.tree))
	}
	if name == "categorical" {
		for i := range items {
			p.upTo = append(p.upTo, float64(i+1)/float64(len(items)))
		}
		return nil
	}
	if len(w.Probabilities) != len(items) {
		return strict.Problems{p.tree.WrongKey("one for each value", "%s: %d probabilities for %d values", p.Path, len(w.Probabilities), len(items))}
	}
	sum := 0.0
	for _, v := range w.Probabilities {
		if v < 0 {
			return strict.Problems{p.tree.WrongKey("0 or more, 1 together", "%s: a probability is %g", p.Path, v)}
		}
		sum += v
		p.upTo = append(p.upTo, sum)
	}
	if math.Abs(sum-1) > 1e-6 {
		return strict.Problems{p.tree.WrongKey("they must come to 1", "%s: the probabilities come to %g", p.Path, sum)}
	}
	return nil
}

// readLaw reads the numbers that a law is told.
func (p *Parameter) readLaw(given map[string]strict.Tree, name string, listed bool) (problems strict.Problems) {
	p.args = args{sigma: 1}
	into := map[string]*float64{"min": &p.args.min, "max": &p.args.max, "mu": &p.args.mu, "sigma": &p.args.sigma, "q": &p.q}
	for _, key := range []string{"min", "max", "mu", "sigma", "q"} {
		t := given[key]
		if !t.Given() {
			continue
		}
		v, whole, ok := t.Number()
		if !ok || p.whole && !whole {
			what := "a number"
			if p.whole {
				what = "a whole number"
			}
			problems = append(problems, t.Wrong("", "%s: %s needs %s, not %s", p.Path, key, what, t.Text()))
			continue
		}
		*into[key] = v
		if (key == "q" || key == "sigma") && v <= 0 || p.law.positive && v <= 0 {
			problems = append(problems, t.Wrong("", "%s: %s is %s, it must be above 0", p.Path, key, t.Text()))
		}
		if math.Abs(v) > 1e15 {
			problems = append(problems, t.Wrong("", "%s: %s is %s, which is too large", p.Path, key, t.Text()))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	if p.law.needs != nil && p.args.min > p.args.max {
		return strict.Problems{given["max"].Wrong("", "%s: max is %s, below min, %s", p.Path, given["max"].Text(), given["min"].Text())}
	}
	if hi := p.law.quantile(p.args, 1); p.law.needs != nil && math.IsInf(hi, 0) {
		return strict.Problems{given["max"].Wrong("of "+name+", min and max are logarithms", "%s: max is %s, whose exponential is too large", p.Path, given["max"].Text())}
	}
	if !listed {
		return nil
	}
	step := p.q
	if p.whole {
		step = 1
	}
	n := 0.0
	if step > 0 && name != "q_normal" && name != "q_log_normal" {
		n = math.Round(p.law.quantile(p.args, 1)/step) - math.Round(p.law.quantile(p.args, 0)/step) + 1
	}
	if n < 1 || n > MostTrials {
		return strict.Problems{p.tree.WrongKey("write values: [...], or use method: random", "%s: a grid cannot count the values of %s", p.Path, name)}
	}
	from := math.Round(p.law.quantile(p.args, 0) / step)
	for i := range int(n) {
		p.values = append(p.values, p.tree.With(decimal((from+float64(i))*step)))
	}
	return nil
}

// At is the value below which a share u of all lie, 0 <= u < 1: a number of a law
// to six digits, so that a last bit of an exponential changes nothing.
func (p Parameter) At(u float64) strict.Tree {
	if p.upTo != nil {
		return p.values[p.choice(u)]
	}
	v := p.law.quantile(p.args, u)
	switch {
	case p.whole:
		return p.tree.With(strconv.FormatFloat(v, 'f', 0, 64))
	case p.q > 0:
		return p.tree.With(decimal(math.Round(v/p.q) * p.q))
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if p.law.needs != nil {
		rounded = max(p.law.quantile(p.args, 0), min(p.law.quantile(p.args, 1), rounded))
	}
	return p.tree.With(strconv.FormatFloat(rounded, 'g', -1, 64))
}

// choice is the place among the values of a share of chance.
func (p Parameter) choice(u float64) int {
	return min(len(p.values)-1, sort.Search(len(p.upTo), func(i int) bool { return u < p.upTo[i] }))
}

// decimal writes a multiple of q without the noise of its last bits.
func decimal(v float64) string {
	clean, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	return strconv.FormatFloat(clean+0, 'g', -1, 64) // +0: not -0
}

// tries are values that stand for all: each of a list, or ends and middle.
func (p Parameter) tries() []strict.Tree {
	if p.upTo != nil {
		return p.values
	}
	return []strict.Tree{p.At(0.5), p.At(0.01), p.At(0.99)}
}
