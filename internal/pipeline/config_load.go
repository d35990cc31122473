package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/pipeline/strict"
)

// Overrides are settings from outside the file, strongest last.
type Overrides struct {
	Env []string // the environment, KEY=value; CLR_METHOD_TEMPERATURE sets method.temperature
	Set []string // --set flags, path=value
	Put []strict.Put
}

// envPrefix begins the variables that are settings.
const envPrefix = "CLR_"

// notSettings begin with the prefix but are read elsewhere.
var notSettings = []string{
	"CLR_CPU",    // kernel: which instruction set to use
	"CLR_SHARED", // tests: where reference data lies
	"CLR_SOAK",   // tests: the long forms
}

// layers is o as the decoder takes it.
func (o Overrides) layers() strict.Overrides {
	return strict.Overrides{Env: o.Env, Set: o.Set, Put: o.Put, Prefix: envPrefix, Not: notSettings}
}

// LoadConfig reads a config file and lays the overrides over it. Everything
// that is wrong with either is reported at once, as a Usage error.
func LoadConfig(path string, o Overrides) (*Config, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, fault.New(fault.Usage, "name a YAML file", "%s is a folder, not a config", path)
	}
	if err == nil && info.Size() > strict.MaxSize { // a recording or a store, given by mistake
		return nil, fault.New(fault.Usage, "name a YAML file", "%s has %d bytes, a config at most %d", path, info.Size(), strict.MaxSize)
	}
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "name a YAML file with --config; configs/reference.yaml shows every key", "there is no config %s", path)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "", "config: %w", err)
	}
	return ParseConfig(path, src, o)
}

// ParseConfig is LoadConfig for a text that is already read; name says where
// it stands, for errors and for the paths in it.
func ParseConfig(name string, src []byte, o Overrides) (*Config, error) {
	c, problems := decodeConfig(name, src, o)
	for _, w := range c.checkSections() {
		if !c.doc.Bad(w.path) {
			problems = append(problems, c.doc.Locate(w.path, w.err))
		}
	}
	if len(problems) == 0 {
		for _, w := range c.checkTogether() {
			problems = append(problems, c.doc.Locate(w.path, w.err))
		}
	}
	if err := problems.Refused(name); err != nil {
		return nil, err
	}
	if no := strict.Refuses(c.Resolved()); no != "" { // a run folder could not be read again
		return nil, fault.New(fault.Usage, "shorten its texts and lists", "%s: with every key written out it %s", name, no)
	}
	return c, nil
}

// Varied is the config with other values for some keys. What is written wrongly is
// an error that shows where; whether it can be run, Check says.
func (c *Config) Varied(puts []strict.Put) (*Config, strict.Problems) {
	varied, problems := decodeConfig(filepath.Join(c.dir, "config"), c.Resolved(), Overrides{Put: puts})
	return varied, problems
}

func decodeConfig(name string, src []byte, o Overrides) (*Config, strict.Problems) {
	c := DefaultConfig()
	c.dir = filepath.Dir(name)
	doc, problems := schema().Decode(name, src, o.layers(), c)
	c.doc = doc
	c.rebase(&c.Corpus, "corpus")
	c.rebase(&c.Store, "store")
	c.rebase(&c.Init, "init")
	for i, a := range c.Augment {
		if b, ok := a.(augment.Background); ok {
			c.rebase(&b.Manifest, fmt.Sprintf("augment.%d.manifest", i))
			c.Augment[i] = b
		}
	}
	return c, problems
}

// rebase makes a path from a flag or variable, which is relative to where the
// person stands, relative to the config file like all others.
func (c *Config) rebase(path *string, key string) {
	if *path == "" || isBuiltin(*path) || filepath.IsAbs(*path) || !c.doc.Overridden(key) {
		return
	}
	*path = relative(c.dir, *path)
}

// relative is path as seen from dir: both are relative to where clr runs. It
// is absolute where no relative path leads there.
func relative(dir, path string) string {
	from, err1 := filepath.Abs(dir)
	to, err2 := filepath.Abs(path)
	if err1 != nil || err2 != nil {
		return path
	}
	if rel, err := filepath.Rel(from, to); err == nil {
		return filepath.ToSlash(rel)
	}
	return to
}

func isBuiltin(corpus string) bool { return strings.HasPrefix(corpus, builtinPrefix) }

// resolve is where a path in the config leads.
func (c *Config) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.dir, filepath.FromSlash(path))
}

// CorpusPath is where the manifest is; a built-in corpus keeps its name.
func (c *Config) CorpusPath() string {
	if isBuiltin(c.Corpus) {
		return c.Corpus
	}
	return c.resolve(c.Corpus)
}

// StorePath is where extracted features are kept. Left open, it is a file in
// the folder cache where clr is started, named after the corpus and a hash of
// everything that the features depend on.
func (c *Config) StorePath() string {
	if c.Store != "" {
		return c.resolve(c.Store)
	}
	return c.OwnStore()
}

// OwnStore is the StorePath of a config that leaves it open: equal features, equal
// paths.
func (c *Config) OwnStore() string {
	corpus := c.CorpusPath()
	if !isBuiltin(corpus) {
		if abs, err := filepath.Abs(corpus); err == nil {
			corpus = abs
		}
	}
	name := filepath.Base(filepath.Dir(corpus))
	if isBuiltin(corpus) {
		name = strings.TrimPrefix(corpus, builtinPrefix)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", corpus)
	usual := map[string]string{} // not in the name, which is older than the choice
	for _, l := range schema().Leaves(DefaultConfig()) {
		if l.Path == "channels" || l.Path == "resample" || strings.HasPrefix(l.Path, "windows.") {
			usual[l.Path] = l.Text
		}
	}
	for _, l := range schema().Leaves(c) {
		text, chosen := usual[l.Path]
		if l.Path == "sample_rate" || strings.HasPrefix(l.Path, "feature.") || chosen && l.Text != text {
			fmt.Fprintf(h, "%s: %s\n", l.Path, l.Text)
		}
	}
	return filepath.Join("cache", name+"-"+hex.EncodeToString(h.Sum(nil))[:12]+".clrs")
}

// At is the same config as a file in dir would say it: with its paths relative
// to dir. A run folder's config.yaml is written so.
func (c *Config) At(dir string) *Config {
	moved := *c
	moved.dir = dir
	if c.Corpus != "" && !isBuiltin(c.Corpus) && !filepath.IsAbs(c.Corpus) {
		moved.Corpus = relative(dir, c.CorpusPath())
	}
	if c.Store != "" {
		moved.Store = relative(dir, c.StorePath())
	}
	if c.Init != "" && !filepath.IsAbs(c.Init) {
		moved.Init = relative(dir, c.resolve(c.Init))
	}
	moved.Augment = c.withManifests(func(name string) string {
		if isBuiltin(name) || filepath.IsAbs(name) {
			return name
		}
		return relative(dir, c.resolve(name))
	})
	return &moved
}

// WithoutSettings is an environment without the variables that set keys of a config.
func WithoutSettings(env []string) []string { return slices.DeleteFunc(slices.Clone(env), isSetting) }

// Settings are the others, by name.
func Settings(env []string) []string {
	only := slices.DeleteFunc(slices.Clone(env), func(e string) bool { return !isSetting(e) })
	slices.Sort(only)
	return only
}

func isSetting(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.HasPrefix(name, envPrefix) && !slices.Contains(notSettings, name)
}

// Within refuses overrides outside some sections, and says why, for commands that
// take the rest from a run folder or need no more. Variables outside them were
// meant for other commands and are dropped.
func (o Overrides) Within(why string, sections ...string) (Overrides, error) {
	inside := func(path, end string) bool {
		for _, s := range sections {
			if path == s || strings.HasPrefix(path, s+end) {
				return true
			}
		}
		return false
	}
	for _, set := range o.Set {
		if path, _, _ := strings.Cut(set, "="); !inside(strings.TrimSpace(path), ".") {
			return o, fault.New(fault.Usage, "only keys of "+strings.Join(sections, ", ")+" can be set here",
				"%s %s: %s", strict.SetFlag, set, why)
		}
	}
	kept := Overrides{Set: o.Set}
	for _, e := range o.Env {
		if name, _, _ := strings.Cut(e, "="); inside(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "_") {
			kept.Env = append(kept.Env, e)
		}
	}
	return kept, nil
}
