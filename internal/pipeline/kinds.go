package pipeline

import (
	"path/filepath"
	"slices"

	"clr/internal/eval"
)

// A Kind is a kind of probe, as commands, configs and files call it.
type Kind struct {
	Name    string // of eval.Table; the command is NAME-probe
	Title   string // in a sentence
	What    string // asks
	Section string // of the config
	Example string // of a key in it
	of      func(*Config) eval.Probe
}

// Kinds are all kinds of probes, in the order in which they are shown. Whatever
// lists, compares or sums up probes goes by it.
var Kinds = []Kind{
	{"linear", "linear probe", "a linear classifier", "linear_probe", "c_max=1", func(c *Config) eval.Probe { return c.LinearProbe }},
	{"mlp", "MLP probe", "a classifier with a hidden layer", "mlp_probe", "epochs=50", func(c *Config) eval.Probe { return c.MLPProbe }},
	{"knn", "knn probe", "the votes of the nearest training clips", "knn_probe", "k=[1,20]", func(c *Config) eval.Probe { return c.KNNProbe }},
}

// kindOf is the kind of a name; it panics where there is none.
func kindOf(name string) Kind {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		panic("pipeline: no probe " + name)
	}
	return Kinds[i]
}

// report and predictions are the kind's files in a run folder.
func (k Kind) report() string      { return "report-" + k.Name + "-probe.json" }
func (k Kind) predictions() string { return "predictions-" + k.Name + "-probe.csv" }

// again is the command that writes both anew.
func (k Kind) again(run string) string { return "clr " + k.Name + "-probe --run " + run }

// read is the run's report; nil: there is none.
func (k Kind) read(run string) (*eval.Report, error) {
	var r eval.Report
	found, err := readScores(filepath.Join(run, k.report()), k.again(run), &r, func() bool { return len(r.Rows) > 0 })
	if !found {
		return nil, err
	}
	return &r, nil
}

// asking are the sections of the config that say how embeddings are asked.
func asking() []string {
	var all []string
	for _, k := range Kinds {
		all = append(all, k.Section)
	}
	return append(all, "judge")
}
