package pipeline

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// What a power cut could take is never named before it is safe: whatever takes a
// file's name was synced since it was last written, a checkpoint comes after the
// log of its steps, and the folder is synced before a command is done. No kill
// can show this, for what a dead process wrote the system still has.
func TestSyncedBeforeNamed(t *testing.T) {
	dir, run := tones(t, 20), filepath.Join(memory(t), "a", "run")
	c := load(t, dir, "schedule.epochs=1", "schedule.warmup_epochs=0", "checkpoint.steps=1", "store="+filepath.Join(dir, "store.clrs"))
	con, _ := silent()
	commands := []struct {
		name    string
		do      func() error
		renames int // at least
	}{
		{"features", func() error { return Features(t.Context(), c, con) }, 1},
		{"pretrain", func() error { return Pretrain(t.Context(), c, PretrainOptions{Run: run}, con) }, 8},
	}
	for name, r := range results(t, run, "", dir) {
		commands = append(commands, struct {
			name    string
			do      func() error
			renames int
		}{name, func() error { return r.make(con) }, len(r.files)})
	}
	for _, command := range commands {
		trace := &tracer{written: map[string]bool{}, named: map[string]bool{}}
		restore := disk.Intercept(trace.look)
		err := command.do()
		restore()
		if err != nil {
			t.Fatal(err)
		}
		for folder := range trace.named {
			trace.wrong = append(trace.wrong, "not synced at the end: "+folder)
		}
		if len(trace.wrong) > 0 || trace.renames < command.renames {
			t.Errorf("%s: %d renames, %q", command.name, trace.renames, trace.wrong)
		}
	}
}

// A tracer follows what would be lost.
type tracer struct {
	mu      sync.Mutex
	written map[string]bool // files, since they were synced
	named   map[string]bool // folders with names that are not synced
	logged  int             // lines of the log
	safe    int             // of them, synced
	saved   int             // checkpoints
	renames int
	wrong   []string
}

func (r *tracer) look(c disk.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	folder, name := filepath.Split(c.Path)
	folder = filepath.Clean(folder)
	log := name == rundir.MetricsFile
	switch c.Kind {
	case "write", "truncate":
		r.written[c.Path] = true
		if log {
			r.logged++
		}
	case "sync":
		delete(r.written, c.Path)
		delete(r.named, c.Path)
		if log {
			r.safe = r.logged
		}
	case "mkdir":
		r.named[folder] = true
	case "link", "rename":
		r.named[folder] = true
		if c.Kind == "rename" {
			r.rename(folder, name)
		}
	}
	return nil
}

// rename looks at what takes a name: its file aside, or that in part.
func (r *tracer) rename(folder, name string) {
	r.renames++
	for path := range r.written {
		if base := filepath.Base(path); filepath.Dir(path) == folder && (strings.HasPrefix(base, "."+name+".aside-") || base == name+".partial") {
			r.wrong = append(r.wrong, "not synced before it has its name: "+name)
		}
	}
	if name == rundir.LastFile {
		if r.saved++; r.safe < r.saved {
			r.wrong = append(r.wrong, "a checkpoint comes before its log")
		}
	}
}

// A report or an export that cannot be written has its kind of error, and leaves
// what was there or all that should be; the same command makes it then.
func TestEveryChangeOfAResultFails(t *testing.T) {
	dir, run, base := tones(t, 20), filepath.Join(memory(t), "run"), memory(t)
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	con, _ := silent()
	for name, r := range results(t, run, "", base) {
		if err := r.make(con); err != nil {
			t.Fatal(err)
		}
		var whole [][]byte
		for _, f := range r.files {
			whole = append(whole, get(t, f))
		}
		for _, f := range []struct {
			err  error
			kind fault.Kind
		}{{syscall.ENOSPC, fault.Resource}, {syscall.EROFS, fault.Usage}, {syscall.EIO, fault.Run}} {
			for at, most := 0, 1; at < most; at++ {
				old := func(i int) []byte { return whole[i][:len(whole[i])-1] }
				for i, path := range r.files {
					put(t, path, old(i))
				}
				var failed disk.Change
				changes := 0
				restore := disk.Intercept(func(c disk.Change) error {
					if changes++; changes-1 == at {
						failed = c
					}
					if changes > at {
						return f.err
					}
					return nil
				})
				err := r.make(con)
				restore()
				most = max(most, changes)
				if fault.KindOf(err) != f.kind || !errors.Is(err, f.err) || !strings.Contains(err.Error(), filepath.Dir(r.files[0])) {
					t.Errorf("%s, %+v: %v: kind %d, %v", name, failed, f.err, fault.KindOf(err), err)
				}
				for i, path := range r.files {
					if b := get(t, path); !bytes.Equal(b, old(i)) && !bytes.Equal(b, whole[i]) {
						t.Errorf("%s, %+v: %v: %s holds neither the old nor the new", name, failed, f.err, path)
					}
				}
			}
		}
		if err := r.make(con); err != nil {
			t.Errorf("%s, made again: %v", name, err)
		}
		for i, path := range r.files {
			if !bytes.Equal(get(t, path), whole[i]) {
				t.Errorf("%s, made again: %s holds other bytes", name, path)
			}
		}
	}
	for _, folder := range []string{run, base} {
		if left, err := filepath.Glob(filepath.Join(folder, ".*")); err != nil || len(left) > 0 {
			t.Errorf("%v is left over, %v", left, err)
		}
	}
}

// A result is what a command makes of a run, and in which files.
type result struct {
	make  func(Console) error
	files []string
}

// results are what each probe and each export makes of a run; exports, of a
// fold, go to out.
func results(t *testing.T, run, fold, out string) map[string]result {
	all := map[string]result{}
	for _, kind := range []string{"linear", "mlp", "knn"} {
		all[kind+"-probe"] = result{func(con Console) error {
			_, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: kind}, Overrides{}, con)
			return err
		}, []string{filepath.Join(run, kindOf(kind).predictions()), filepath.Join(run, kindOf(kind).report())}}
	}
	for format := range ExportFormats {
		path := filepath.Join(out, "export."+format)
		files := []string{path}
		if format == "bundle" {
			files = nil
			for _, name := range []string{bundleWeights, bundleModel, bundleConfig, bundlePreprocessor, bundleCard} {
				files = append(files, filepath.Join(path, name))
			}
		}
		all[format] = result{func(con Console) error {
			return Export(t.Context(), ExportOptions{Run: run, Fold: fold, Format: format, Out: path, Force: format == "bundle"}, con)
		}, files}
	}
	return all
}
