package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// The files of a run folder. With more than one split, checkpoint and metrics
// stand in a folder per fold.
const (
	configFile     = "config.yaml"        // resolved: every key with its value
	provenanceFile = "run.json"           // what the run was made with
	metricsFile    = "metrics.jsonl"      // a line a step
	lastFile       = "last.safetensors"   // the newest checkpoint
	beforeFile     = "last-1.safetensors" // the one before
	foldPrefix     = "fold-"
)

// foldDir is where the checkpoint and metrics of a fold stand: fold-NAME. What
// file names cannot hold is escaped as in a URL, so that two folds never share
// a folder.
func foldDir(run, fold string) string {
	if fold == "" {
		return run
	}
	var name strings.Builder
	for _, b := range []byte(fold) {
		if b <= ' ' || b == 0x7f || strings.IndexByte(`/\:*?"<>|%`, b) >= 0 {
			fmt.Fprintf(&name, "%%%02X", b)
			continue
		}
		name.WriteByte(b)
	}
	return filepath.Join(run, foldPrefix+name.String())
}

// makeDir makes a folder where there is none.
func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return fault.New(fault.Usage, "name a folder that you may write to with --run", "run folder: %w", err)
	}
	return nil
}

// unused refuses a folder that holds a run, or the checkpoint of one, in itself
// or in a fold's folder.
func unused(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Usage, "name a folder that you may write to with --run", "run folder: %w", err)
	}
	if exists(filepath.Join(dir, configFile)) {
		return fault.New(fault.Usage,
			"continue it with --resume, or name another folder with --run",
			"%s already holds a run", dir)
	}
	folders := []string{dir}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), foldPrefix) {
			folders = append(folders, filepath.Join(dir, e.Name()))
		}
	}
	for _, f := range folders {
		if exists(filepath.Join(f, lastFile)) || exists(filepath.Join(f, beforeFile)) {
			return fault.New(fault.Usage,
				"name another folder with --run; --resume needs the run's "+configFile+" beside it",
				"%s already holds a checkpoint", f)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// createRun makes the run folder with its config and provenance.
func createRun(dir string, c *Config, corpus string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	p, err := provenanceOf(c, corpus)
	if err != nil {
		return err
	}
	return describeRun(dir, c, p)
}

// describeRun writes what a run is made with. The config is last: a folder that
// has it is a run.
func describeRun(dir string, c *Config, p provenance) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := writeBytes(filepath.Join(dir, provenanceFile), append(b, '\n')); err != nil {
		return err
	}
	return writeBytes(filepath.Join(dir, configFile), c.At(dir).Resolved())
}

// resumable refuses a config that would not train as the folder's does.
func resumable(dir string, c *Config) error {
	old, err := runConfig(dir, Overrides{})
	if err != nil {
		return err
	}
	var differ []string
	for _, d := range Diff(old.pretraining(), c.pretraining()) {
		differ = append(differ, fmt.Sprintf("  %s: the run has %s, the config %s", d.Key, d.Old, d.New))
	}
	if len(differ) > 0 {
		return fault.New(fault.Usage,
			"resume with the config that the run was started with ("+filepath.Join(dir, configFile)+"), or start another run",
			"%s was started with another config:\n%s", dir, strings.Join(differ, "\n"))
	}
	return nil
}

// resumeRun checks that the corpus is still the run's, and describes the run by
// what it goes on with. It warns where what computes has changed: the run then
// goes on, though not to the same bytes.
func resumeRun(dir string, c *Config, corpus string, con Console) error {
	was, err := readProvenance(dir)
	if err != nil {
		return err
	}
	if was.Corpus != corpus {
		return fault.New(fault.Data,
			"bring back the recordings and the manifest as they were, or start another run",
			"%s was started on another corpus: its hash was %.12s, now it is %.12s", dir, was.Corpus, corpus)
	}
	now, err := provenanceOf(c, corpus)
	if err != nil {
		return err
	}
	if was.Binary != now.Binary || was.CPU != now.CPU {
		con.Warn("%s was started by clr %s (%.12s) on %s, this is %s (%.12s) on %s: it may not end in the bytes of a run without a stop",
			dir, was.Version, was.Binary, was.CPU, now.Version, now.Binary, now.CPU)
	}
	return describeRun(dir, c, now)
}

// portable is the config without paths, and without how many goroutines help:
// what an export holds, so that equal ones are equal bytes wherever they stand.
func (c *Config) portable() *Config {
	same := *c
	same.Corpus, same.Store, same.Workers = "", "", 0
	return &same
}

// pretraining is the config as far as it decides what pretraining computes. The
// rest, emptied here, may differ between a run and its resumption.
func (c *Config) pretraining() *Config {
	same := c.portable()
	same.Embed, same.Checkpoint = EmbedOptions{}, CheckpointOptions{}
	same.LinearProbe, same.MLPProbe = eval.LinearProbe{}, eval.MLPProbe{}
	return same
}

// identity is the text of pretraining. Checkpoints hold it, and run.json its
// hash: equal runs are equal bytes, however they are saved and probed.
func (c *Config) identity() []byte { return c.pretraining().Resolved() }

// over is the config over another corpus: a manifest, or a built-in one.
func (c *Config) over(corpus string) *Config {
	other := *c
	if other.Corpus, other.Store = corpus, ""; !isBuiltin(corpus) {
		other.Corpus = relative(c.dir, corpus)
	}
	return &other
}

// runConfig reads a run folder's resolved config; only how it is probed may be
// set anew.
func runConfig(dir string, o Overrides) (*Config, error) {
	path := filepath.Join(dir, configFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage,
			"give the folder that `clr pretrain --run` wrote",
			"%s is not a run folder: it has no %s", dir, configFile)
	}
	o, err := o.Within("embed", "linear_probe", "mlp_probe", "workers", "store")
	if err != nil {
		return nil, err
	}
	return LoadConfig(path, o)
}

// provenance is what a run was made with. It holds no time and no host, so
// equal runs have equal bytes.
type provenance struct {
	Version string `json:"clr"`
	Binary  string `json:"binary_sha256"`
	Go      string `json:"go"`
	CPU     string `json:"cpu_path"`
	Config  string `json:"config_sha256"`
	Corpus  string `json:"corpus_sha256"`
	Seed    uint64 `json:"seed"`
}

func provenanceOf(c *Config, corpus string) (provenance, error) {
	config := sha256.Sum256(c.identity())
	p := provenance{
		Version: Version(), Go: runtime.Version(), CPU: runtime.GOOS + "/" + runtime.GOARCH + " " + kernel.CPU(),
		Config: hex.EncodeToString(config[:]), Corpus: corpus, Seed: c.Seed,
	}
	var err error
	p.Binary, err = binaryHash()
	return p, err
}

func readProvenance(dir string) (p provenance, err error) {
	path := filepath.Join(dir, provenanceFile)
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return p, fault.New(fault.Data, "bring back the file as clr pretrain wrote it, or start another run", "%s: %w", path, err)
	}
	return p, nil
}

func binaryHash() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	return audio.HashFile(audio.Host(), path)
}

// Version is the program's version: the module's, or the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				version += "-" + s.Value[:12]
			}
		}
	}
	return version
}

func writeBytes(path string, b []byte) error {
	return disk.WriteFile(path, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(b))
		return err
	})
}
