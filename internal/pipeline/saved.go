package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/pipeline/strict"
	"clr/internal/rundir"
)

// newestIn is a folder's newest good checkpoint. Where an older one has to do,
// the person is told. A folder without any satisfies errors.Is(err, fs.ErrNotExist).
func newestIn(dir string, con Console) (cp *checkpoint.Checkpoint, older bool, err error) {
	cp, warning, err := checkpoint.LoadNewest(dir, rundir.LastFile)
	if warning != "" {
		con.Warn("%s", warning)
	}
	return cp, warning != "", err
}

// saved is the checkpoint of a fold, for those who need one.
func (d *data) saved(run string, s eval.Split, con Console) (*checkpoint.Checkpoint, error) {
	dir := rundir.FoldDir(run, d.foldName(s))
	cp, err := savedIn(dir, con)
	if err != nil {
		return nil, err
	}
	return cp, d.owns(cp, s, dir)
}

// savedIn is the checkpoint of a fold's folder.
func savedIn(dir string, con Console) (*checkpoint.Checkpoint, error) {
	cp, _, err := newestIn(dir, con)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "let clr pretrain --resume go on until it has saved; where it diverged, start another run", "%s holds no checkpoint yet", dir)
	}
	return cp, err
}

const bringBack = "bring back the run's own checkpoint and config.yaml, or start another run"

// owns refuses a checkpoint that another fold or another config has made: that of
// another fold has heard the clips that this one is tested on.
func (d *data) owns(cp *checkpoint.Checkpoint, s eval.Split, dir string) error {
	if fold := cp.Meta["fold"]; fold != s.Name {
		return fault.New(fault.Data, bringBack, "%s: the checkpoint was trained on fold %s, this is fold %s", dir, fold, s.Name)
	}
	return d.c.trained(cp, dir)
}

// trained refuses a checkpoint that another config has made.
func (c *Config) trained(cp *checkpoint.Checkpoint, dir string) error {
	was := DefaultConfig() // what an older clr did not know has its default
	if _, problems := schema().Decode("the checkpoint's config", []byte(cp.Meta["config"]), strict.Overrides{}, was); len(problems) > 0 {
		return fault.New(fault.Data, bringBack, "%s: %w", dir, problems)
	}
	var differ []string
	for _, f := range Diff(was.pretraining(), c.pretraining()) {
		if f.Key != epochsKey {
			differ = append(differ, fmt.Sprintf("  %s: the checkpoint has %s, the run %s", f.Key, f.Old, f.New))
		}
	}
	if len(differ) > 0 {
		return fault.New(fault.Data, bringBack, "%s: the checkpoint was trained with another config:\n%s", dir, strings.Join(differ, "\n"))
	}
	return nil
}
