package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"clr/internal/audio"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/optim"
	"clr/internal/rundir"
)

// resumable refuses a config that would not train as the folder's does. More
// epochs are what a run may be given later.
func resumable(dir string, c *Config) error {
	old, err := runConfig(dir, Overrides{})
	if err != nil {
		return err
	}
	var differ []string
	for _, d := range Diff(old.pretraining(), c.pretraining()) {
		if d.Key == epochsKey && c.Schedule.Epochs > old.Schedule.Epochs {
			continue
		}
		only := ""
		if d.Key == epochsKey {
			only = "; it may only grow"
		}
		differ = append(differ, fmt.Sprintf("  %s: the run has %s, the config %s%s", d.Key, d.Old, d.New, only))
	}
	if len(differ) > 0 {
		return fault.New(fault.Usage,
			"resume with the run's own config ("+filepath.Join(dir, rundir.ConfigFile)+"), or start another run",
			"%s is a run of another config:\n%s", dir, strings.Join(differ, "\n"))
	}
	return nil
}

const epochsKey = "schedule.epochs"

// described writes into a run's folder what it is made with from here on. It
// warns where an earlier session's environment was another: the run then goes on,
// though not to the same bytes.
func described(f *rundir.Folder, c *Config, d *data, resume bool, con Console) error {
	here, err := rundir.Here()
	if err != nil {
		return err
	}
	first, err := d.initHash()
	if err != nil {
		return err
	}
	if resume {
		was, sessions, err := rundir.Read(f.Path)
		if err != nil {
			return err
		}
		if was.Corpus != d.hash {
			return fault.New(fault.Data,
				"bring back the recordings and the manifest as they were, or start another run",
				"%s was started on another corpus: its hash was %.12s, now it is %.12s", f.Path, was.Corpus, d.hash)
		}
		if was.Background != d.heard {
			return fault.New(fault.Data, "bring back the background recordings and their manifests as they were, or start another run",
				"%s was started with other background recordings: their hash was %.12s, now it is %.12s", f.Path, was.Background, d.heard)
		}
		if err := otherInit(f.Path, was.Init, first); err != nil {
			return err
		}
		if was.Store != d.store.Digest() {
			con.Warn("the features are not those that %s was started on (%.12s then, %.12s now): it may not end in the bytes of a run without a stop", f.Path, was.Store, d.store.Digest())
		}
		for _, s := range sessions {
			if differs := s.Environment.Decides().Differs(here.Decides()); len(differs) > 0 {
				con.Warn("%s was worked on in another environment (%s): it may not end in the bytes of a run without a stop", f.Path, strings.Join(differs, "; "))
				break
			}
		}
	}
	config := sha256.Sum256(c.identity())
	return f.Describe(rundir.Provenance{Environment: here, Config: hex.EncodeToString(config[:]), Corpus: d.hash, Background: d.heard, Init: first, Store: d.store.Digest(), Seed: c.Seed},
		c.At(f.Path).Resolved())
}

// portable is the config without paths, and without how many goroutines help:
// what an export holds, so that equal ones are equal bytes wherever they stand.
func (c *Config) portable() *Config {
	same := *c
	same.Corpus, same.Store, same.Init, same.Workers = "", "", "", 0
	same.Augment = c.withManifests(func(string) string { return "none" })
	return &same
}

// pretraining is the config as far as it decides what pretraining computes. The
// rest, emptied here, may differ between a run and its resumption.
func (c *Config) pretraining() *Config {
	same := c.portable()
	same.Embed, same.Checkpoint, same.Log, same.Health = EmbedOptions{}, rundir.CheckpointOptions{}, rundir.LogOptions{}, HealthOptions{}
	same.LinearProbe, same.MLPProbe, same.KNNProbe, same.Judge, same.Finetune = eval.LinearProbe{}, eval.MLPProbe{}, eval.KNNProbe{}, eval.Judge{}, FinetuneOptions{Optimizer: optim.SGD{}}
	if !method.NeedsOf(c.Method).Labels && c.View.Pair != "label" {
		same.Labels = LabelOptions{}
	}
	same.OnError = audio.OnError{} // what is left out, the corpus's hash knows
	return same
}

// identity is the text of pretraining. Checkpoints hold it, and run.json its
// hash: equal runs are equal bytes, however they are saved and probed.
func (c *Config) identity() []byte { return c.pretraining().Resolved() }

// learnt is identity without the epochs, which may grow: what a checkpoint holds.
func (c *Config) learnt() []byte {
	same := c.pretraining()
	same.Schedule.Epochs = 0
	return same.Resolved()
}

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
	return runConfigBut(dir, o, append([]string{"embed", "finetune", "workers", "store"}, asking()...)...)
}

// openRunData opens the data of a run; the caller closes it.
func openRunData(ctx context.Context, dir string, o Overrides, con Console) (*data, error) {
	c, err := runConfig(dir, o)
	if err != nil {
		return nil, err
	}
	return openData(ctx, c, con, false)
}

// runConfigBut is a run folder's config, of which some sections may be set anew.
func runConfigBut(dir string, o Overrides, sections ...string) (*Config, error) {
	path := filepath.Join(dir, rundir.ConfigFile)
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage,
			"give the folder that `clr pretrain --run` wrote",
			"%s is not a run folder: it has no %s", dir, rundir.ConfigFile)
	} else if err == nil && !info.Mode().IsRegular() { // a pipe may never end
		return nil, fault.New(fault.Usage, "bring back the file as clr pretrain wrote it", "%s is not a regular file", path)
	}
	o, err := o.Within("the run folder's config says what the run was made with; pretrain another run to change others", sections...)
	if err != nil {
		return nil, err
	}
	return LoadConfig(path, o)
}
