// Package rundir is the folder of a run while it is written: who may write in it,
// what it was made with, what each step did, and its checkpoints. It hides how
// all of that stays whole whatever happens, and that saving goes on beside
// training.
package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
)

// The files of a run folder. With more than one split, checkpoints and metrics
// stand in a folder per fold.
const (
	ConfigFile     = "config.yaml"      // resolved: every key with its value
	ProvenanceFile = "run.json"         // what the run was made with, by whom and when
	MetricsFile    = "metrics.jsonl"    // a line a step
	HealthFile     = "health.jsonl"     // a line for each step that was looked at
	LastFile       = "last.safetensors" // the newest checkpoint; see checkpoint.Older for those before
	LockFile       = "run.lock"         // who writes in the folder
	FoldPrefix     = "fold-"
)

// FoldDir is where the checkpoints and metrics of a fold stand: fold-NAME. What
// file names cannot hold is escaped as in a URL, so that two folds never share
// a folder.
func FoldDir(run, fold string) string {
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
	return filepath.Join(run, FoldPrefix+name.String())
}

// Folds are the folds that have a folder in a run, in the folders' order; that of
// a run with one split is "".
func Folds(run string) ([]string, error) {
	entries, err := os.ReadDir(run)
	if err != nil {
		return nil, fault.New(fault.Data, "", "run folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), FoldPrefix); ok && e.IsDir() {
			if fold, err := url.PathUnescape(name); err == nil { // undoes FoldDir
				names = append(names, fold)
			}
		}
	}
	if len(names) == 0 {
		names = []string{""}
	}
	return names, nil
}

// MakeDir makes a folder where there is none.
func MakeDir(path string) error {
	_, err := makeDir(path)
	return err
}

func makeDir(path string) (made []string, err error) {
	if made, err = disk.MkdirAll(path); err != nil {
		err = fault.New(fault.KindOf(disk.Failed(path, err)), "name a folder that you may write to with --run", "run folder: %w", err)
	}
	return made, err
}

// Unused refuses a folder that holds a run, or the checkpoint of one, in itself
// or in a fold's folder.
func Unused(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Usage, "name a folder that you may write to with --run", "run folder: %w", err)
	}
	if Holds(dir) {
		return fault.New(fault.Usage,
			"continue it with --resume, or name another folder with --run",
			"%s already holds a run", dir)
	}
	folders := []string{dir}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), FoldPrefix) {
			folders = append(folders, filepath.Join(dir, e.Name()))
		}
	}
	for _, f := range folders {
		saved, err := filepath.Glob(filepath.Join(escaped(f), "last*.safetensors"))
		if err != nil {
			return err
		}
		if len(saved) > 0 {
			return fault.New(fault.Usage,
				"name another folder with --run; --resume needs the run's "+ConfigFile+" beside it",
				"%s already holds a checkpoint", f)
		}
	}
	return nil
}

// escaped is a path that filepath.Glob takes by the letter.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Holds says whether a folder holds a run.
func Holds(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ConfigFile))
	return err == nil
}

// A Folder is a run folder that this process alone writes in.
type Folder struct {
	Path   string
	lock   *disk.Lock
	made   []string // folders that were not there, the innermost first
	record *record
	clock  Clock
}

// Open takes a folder, which is made where there is none. Another process that
// has it is named in the error, of kind Resource.
func Open(path string, clock Clock) (*Folder, error) {
	f := &Folder{Path: path, clock: clock}
	var err error
	f.made, err = makeDir(path)
	if err == nil {
		f.lock, err = disk.TryLock(filepath.Join(path, LockFile), path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close gives the folder up. A folder that was made for a run which was then
// refused is removed again.
func (f *Folder) Close() {
	f.lock.Release()
	if f.record == nil {
		for _, p := range f.made {
			disk.Remove(p) // one that holds something now stays
		}
	}
}
