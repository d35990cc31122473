package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/layout"
	"clr/internal/pipeline/strict"
)

// A Suite is what encoders are asked: tasks, each by some probes.
type Suite struct {
	Tasks  []Task   `yaml:"tasks" doc:"corpora to ask about"`
	Probes []Asking `yaml:"probes" doc:"how each task is asked that does not say so itself"`

	dir string // of the file
}

// A Task is a corpus with labels, and how it is divided.
type Task struct {
	Name     string            `yaml:"name" doc:"of letters, digits and . _ -; results stand under it"`
	Corpus   string            `yaml:"corpus" doc:"manifest, relative to the suite's file; builtin:fsdd is the one in the binary; with a layout the folder that the corpus was unpacked to"`
	Layout   string            `yaml:"layout" doc:"how the makers of a corpus laid it out, as clr data import has them: hear, evar, esc50, ...; empty: corpus is a manifest"`
	Import   Importing         `yaml:"import" doc:"what clr data import would be told beside the layout"`
	Optional bool              `yaml:"optional" doc:"left out, with a warning, where the corpus is not there"`
	Split    eval.SplitOptions `yaml:"split" doc:"which clips are tested on; left out, the manifest's column split, or else fold"`
	Windows  audio.Windows     `yaml:"windows" doc:"each line of the manifest is cut into windows, which are clips of their own"`
	OnError  audio.OnError     `yaml:"on_error" doc:"what a recording that cannot be used does to the rest"`
	Embed    TaskEmbed         `yaml:"embed" doc:"how a clip becomes one embedding"`
	Probes   []Asking          `yaml:"probes" doc:"how this task is asked, instead of the suite's probes"`
}

// Default is what a task is that says nothing.
func (Task) Default() any { return Task{OnError: audio.DefaultReading.OnError} }

// Importing is layout.Options, as far as a task can have them.
type Importing struct {
	Only  string `yaml:"only" doc:"esc50: esc10 for the ten classes of ESC-10"`
	Label string `yaml:"label" doc:"nsynth: the field that is the label; empty is instrument_family_str"`
	Rate  int    `yaml:"rate" doc:"hear: take the recordings of this rate, Hz; 0 is the highest there is"`
	CSV   string `yaml:"csv" doc:"evar: the list, relative to the suite's file; empty is the only .csv file in the folder"`
}

// TaskEmbed is EmbedOptions, as far as a task can have them.
type TaskEmbed struct {
	Hop  float64 `yaml:"hop" doc:"from one window to the next, as a fraction of a view; 0 is the run's"`
	Pool string  `yaml:"pool" doc:"over a clip's windows: mean, max or mean_max; empty is the run's"`
}

// over is a run's, but for what the task says.
func (e TaskEmbed) over(run EmbedOptions) EmbedOptions {
	run.Hop, run.Pool = cmp.Or(e.Hop, run.Hop), cmp.Or(e.Pool, run.Pool)
	return run
}

// An Asking is a way to ask, an entry of Askings with its settings.
type Asking interface {
	Doc() string
	Check() error
	title() string
	kind() string     // of Kinds; empty: it judges
	into(c *Config)   // lays the settings into a config
	settings() string // all of them, in a line
	// unheeded are the keys that are given and that the protocol does not heed.
	unheeded(given func(key string) bool) []string
}

// Askings are the ways to ask that a suite can name: the commands, each with the
// keys of its section of the config.
var Askings = map[string]Asking{
	"linear-probe": asks[eval.LinearProbe]{Of: eval.Table["linear"].(eval.LinearProbe), probe: "linear", at: func(c *Config) *eval.LinearProbe { return &c.LinearProbe }},
	"mlp-probe":    asks[eval.MLPProbe]{Of: eval.Table["mlp"].(eval.MLPProbe), probe: "mlp", at: func(c *Config) *eval.MLPProbe { return &c.MLPProbe }},
	"knn-probe":    asks[eval.KNNProbe]{Of: eval.Table["knn"].(eval.KNNProbe), probe: "knn", at: func(c *Config) *eval.KNNProbe { return &c.KNNProbe }},
	"judge":        asks[eval.Judge]{Of: eval.DefaultJudge, at: func(c *Config) *eval.Judge { return &c.Judge }},
}

// asks is the Asking of a section of the config.
type asks[S interface {
	Doc() string
	Check() error
}] struct {
	Title string `yaml:"title" doc:"what the table calls it; empty is its name, and its protocol"`
	Of    S      `yaml:",inline"`
	probe string
	at    func(*Config) *S
}

func (a asks[S]) Doc() string    { return a.Of.Doc() }
func (a asks[S]) kind() string   { return a.probe }
func (a asks[S]) into(c *Config) { *a.at(c) = a.Of }

// Check refuses settings that cannot work.
func (a asks[S]) Check() error {
	if a.Title != "" && !titles.MatchString(a.Title) {
		return fault.New(fault.Usage, "use letters, digits, spaces and . _ -, first a letter or digit", "title is %q, and files are named after it", a.Title)
	}
	return a.Of.Check()
}

func (a asks[S]) title() string {
	if a.probe == "" {
		return cmp.Or(a.Title, "judge")
	}
	return cmp.Or(a.Title, strings.TrimSpace(a.probe+"-probe "+a.protocol()))
}

func (a asks[S]) protocol() string {
	if p, ok := any(a.Of).(eval.Probe); ok {
		name, _ := eval.ProtocolOf(p)
		return name
	}
	return ""
}

func (a asks[S]) unheeded(given func(key string) bool) (keys []string) {
	for _, l := range schema().Leaves(a.Of) {
		if l.Path != "protocol" && given(l.Path) && !eval.Heeds(a.probe, a.protocol(), l.Path) {
			keys = append(keys, l.Path)
		}
	}
	return keys
}

func (a asks[S]) settings() string {
	var words []string
	for _, l := range schema().Leaves(a.Of) {
		words = append(words, l.Path+": "+l.Text)
	}
	return strings.Join(words, ", ")
}

var (
	taskNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	titles    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._ -]*$`)
)

// suiteSchema names the table that a suite's probes choose from.
func suiteSchema() *strict.Schema { return strict.New(strict.Of(Askings)) }

// LoadSuite reads a suite's file.
func LoadSuite(path string) (*Suite, error) {
	text, err := strict.ReadFile(path, "suite", "name a YAML file with --suite; configs/suite.yaml is one", "name a YAML file")
	if err != nil {
		return nil, err
	}
	return ParseSuite(path, text)
}

// ParseSuite is LoadSuite for a text that is already read. Everything that is wrong
// with it is reported at once, as a Usage error, each with its line and column.
func ParseSuite(name string, text []byte) (*Suite, error) {
	s := &Suite{dir: filepath.Dir(name)}
	doc, problems := suiteSchema().Decode(name, text, strict.Overrides{}, s)
	s.check(doc.Given, func(at string, err error) {
		if err != nil && !doc.Bad(at) {
			problems = append(problems, doc.Locate(at, err))
		}
	})
	if err := problems.Refused(name); err != nil {
		return nil, err
	}
	return s, nil
}

// check tells of each path what is wrong with it; given says which the file has.
func (s *Suite) check(given func(at string) bool, tell func(at string, err error)) {
	refuse := func(at, remedy, format string, args ...any) {
		tell(at, fault.New(fault.Usage, remedy, format, args...))
	}
	if len(s.Tasks) == 0 {
		refuse("tasks", "write tasks: [{name: digits, corpus: builtin:fsdd, split: {by: speaker}}]", "there are no tasks")
	}
	checkAskings("probes", s.Probes, given, tell)
	for i, t := range s.Tasks {
		at := fmt.Sprintf("tasks.%d", i)
		switch {
		case !taskNames.MatchString(t.Name):
			refuse(at+".name", "use letters, digits and . _ -, first a letter or digit", "name is %q, and a folder is named after it", t.Name)
		case strings.EqualFold(t.Name, meanTask):
			refuse(at+".name", "give the task another name", "name is %s, which the table calls means over tasks", t.Name)
		case slices.ContainsFunc(s.Tasks[:i], func(o Task) bool { return strings.EqualFold(o.Name, t.Name) }):
			refuse(at+".name", "give each task a name of its own", "name is %s, as of a task before", t.Name)
		}
		if t.Corpus == "" {
			refuse(at+".corpus", "name a manifest, builtin:fsdd, or with layout a folder", "no corpus is given")
		}
		t.checkLayout(func(key, remedy, format string, args ...any) { refuse(at+"."+key, remedy, format, args...) })
		tell(at+".split", t.Split.Check())
		tell(at+".windows", t.Windows.Check())
		tell(at+".on_error", t.OnError.Check())
		tell(at+".embed", t.Embed.over(DefaultConfig().Embed).Check())
		checkAskings(at+".probes", t.Probes, given, tell)
		if len(t.Probes)+len(s.Probes) == 0 {
			refuse(at, "write probes: [{name: linear-probe}] beside tasks", "nothing asks the task %s", t.Name)
		}
	}
}

// checkAskings refuses settings that cannot work or would not be heeded, and titles
// that are not told apart.
func checkAskings(at string, all []Asking, given func(at string) bool, tell func(at string, err error)) {
	seen := map[string]bool{}
	for i, a := range all {
		if a == nil { // it could not be decoded
			continue
		}
		here := fmt.Sprintf("%s.%d", at, i)
		if err := a.Check(); err != nil {
			tell(here, err)
			continue
		}
		for _, key := range a.unheeded(func(key string) bool { return given(here + "." + key) }) {
			tell(here+"."+key, fault.New(fault.Usage, "leave it out, or leave out the protocol", "%s has constants of its own and does not heed %s", a.title(), key))
		}
		if seen[fileTitle(a)] {
			tell(here, fault.New(fault.Usage, "give one of them another title", "two probes are called %s", a.title()))
		}
		seen[fileTitle(a)] = true
	}
}

// fileTitle is an Asking's title as a file is called.
func fileTitle(a Asking) string { return strings.ReplaceAll(strings.ToLower(a.title()), " ", "-") }

// checkLayout refuses layouts that there are not, or that say nothing of what to
// test on, and options that they do not know.
func (t Task) checkLayout(refuse func(key, remedy, format string, args ...any)) {
	given := map[string]bool{"only": t.Import.Only != "", "label": t.Import.Label != "", "rate": t.Import.Rate != 0, "csv": t.Import.CSV != ""}
	l, ok := layout.Table[t.Layout]
	switch {
	case t.Layout != "" && !ok:
		known := slices.Sorted(maps.Keys(layout.Table))
		remedy := "the layouts are " + strings.Join(known, ", ")
		if near := strict.Nearest(t.Layout, known); near != "" {
			remedy = "did you mean " + near + "? " + remedy
		}
		refuse("layout", remedy, "there is no layout %q", t.Layout)
		return
	case t.Layout == "folder":
		refuse("layout", "make a manifest with clr data import folder --split, and name that", "layout is folder, which says nothing of what to test on")
	case t.Layout != "" && isBuiltin(t.Corpus):
		refuse("layout", "leave one of them out", "layout is %s, and the corpus %s is no folder", t.Layout, t.Corpus)
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] && !slices.Contains(l.Takes, key) {
			refuse("import."+key, "leave it out", "%s is given, which the layout %s does not know", key, cmp.Or(t.Layout, "of a manifest"))
		}
	}
}

// askings are the ways in which a task is asked.
func (s *Suite) askings(t Task) []Asking {
	if len(t.Probes) > 0 {
		return t.Probes
	}
	return s.Probes
}

// asks is how many tasks are asked by the probe of a title.
func (s *Suite) asks(title string) (n int) {
	for _, t := range s.Tasks {
		if slices.ContainsFunc(s.askings(t), func(a Asking) bool { return a.title() == title }) {
			n++
		}
	}
	return n
}

// resolve is where a path in the suite leads.
func (s *Suite) resolve(path string) string {
	if path == "" || isBuiltin(path) || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.dir, filepath.FromSlash(path))
}
