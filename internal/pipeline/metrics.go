package pipeline

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/rundir"
	"clr/internal/tfevents"
)

// MetricsOptions are what the command line says of what was logged.
type MetricsOptions struct {
	Runs   []string
	Format string // of MetricsFormats
	Out    string // file or folder; empty: the console, where the format is one file
}

// MetricsFormats are the formats that Metrics writes, with what each holds.
var MetricsFormats = map[string]string{
	"csv":      "one file, a line per step: run, fold, step, epoch, what metrics.jsonl has and, where it was looked, what health.jsonl has",
	"mlflow":   "a folder of MLflow's file store, to which each run is added with its config as parameters, and the probes' scores",
	"tfevents": "a folder for TensorBoard, with one in it for each run and fold",
}

// logged are the values of metrics.jsonl that are shown and handed on.
var logged = []struct {
	key, name string
	of        func(rundir.Line) float64
}{
	{"loss", "loss", func(l rundir.Line) float64 { return l.Loss }},
	{"z_std", "deviation of z", func(l rundir.Line) float64 { return l.ZStd }},
	{"grad_norm", "gradient norm", func(l rundir.Line) float64 { return l.GradNorm }},
	{"lr", "learning rate", func(l rundir.Line) float64 { return l.LR }},
	{"clips_per_s", "clips/s", func(l rundir.Line) float64 { return l.ClipsPS }},
	{"wait_s", "seconds of waiting for views", func(l rundir.Line) float64 { return l.Wait }},
}

// key is a gauge's name as other tools want one.
func (g gauge) key() string {
	words := strings.FieldsFunc(strings.ToLower(g.name), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	return strings.Join(words, "_")
}

// A foldLog is what was logged of a fold.
type foldLog struct {
	run, fold string
	lines     []rundir.Line
	looks     map[int]rundir.Health // by step
	clock     float64               // when its first step began, in seconds since 1970, nearly
	batch     int
}

// Metrics writes what runs have logged for other tools. They may be going on.
func Metrics(o MetricsOptions, con Console) error {
	if _, ok := MetricsFormats[o.Format]; !ok {
		return fault.New(fault.Usage, "use csv, mlflow or tfevents", "there is no format %q", o.Format)
	}
	if len(o.Runs) == 0 {
		return fault.New(fault.Usage, "such as clr metrics runs/first", "clr metrics takes one run folder or more")
	}
	if o.Out == "" && o.Format != "csv" {
		return fault.New(fault.Usage, "name a folder with --out", "no output is given, and %s is no single file", o.Format)
	}
	var all []foldLog
	for _, run := range o.Runs {
		logs, err := foldLogs(run)
		if err != nil {
			return err
		}
		all = append(all, logs...)
	}
	switch {
	case o.Format == "tfevents":
		return writeEvents(o.Out, all, con)
	case o.Format == "mlflow":
		return writeMLflow(o.Out, all, con)
	case o.Out == "":
		return writeMetrics(con.Out, all)
	}
	if err := Replaceable(o.Out, "metrics", func(head []byte) bool { return strings.HasPrefix(string(head), metricsHead) }); err != nil {
		return err
	}
	if err := disk.WriteFile(o.Out, func(w io.Writer) error { return writeMetrics(w, all) }); err != nil {
		return err
	}
	con.Say("wrote %s", o.Out)
	return nil
}

// foldLogs reads a run's logs; a fold that has not begun has none.
func foldLogs(run string) (all []foldLog, err error) {
	c, err := runConfig(run, Overrides{})
	if err != nil {
		return nil, err
	}
	_, sessions, err := rundir.Read(run)
	if err != nil {
		return nil, err
	}
	folds, err := rundir.Folds(run)
	if err != nil {
		return nil, err
	}
	for _, fold := range folds {
		l := foldLog{run: run, fold: fold, batch: c.Batch, looks: map[int]rundir.Health{}}
		if len(sessions) > 0 {
			l.clock = float64(sessions[0].Start.UnixMilli()) / 1000
		}
		dir := rundir.FoldDir(run, fold)
		if l.lines, err = rundir.ReadLog(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		looks, err := rundir.ReadHealth(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, h := range looks {
			l.looks[h.Step] = h
		}
		all = append(all, l)
	}
	return all, nil
}

// metricsHead begins the CSV.
const metricsHead = "run,fold,step,epoch,"

func writeMetrics(w io.Writer, all []foldLog) error {
	b := bufio.NewWriter(w)
	out := csv.NewWriter(b)
	head := strings.Split(strings.TrimSuffix(metricsHead, ","), ",")
	for _, v := range logged {
		head = append(head, v.key)
	}
	for _, g := range gauges[1:] { // the loss is there already
		head = append(head, g.key())
	}
	out.Write(head)
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for _, l := range all {
		for _, line := range l.lines {
			row := []string{l.run, l.fold, strconv.Itoa(line.Step), strconv.Itoa(line.Epoch)}
			for _, v := range logged {
				row = append(row, number(v.of(line)))
			}
			look, there := l.looks[line.Step]
			for _, g := range gauges[1:] {
				field := ""
				if v, ok := g.of(look.Sample); there && ok {
					field = number(v)
				}
				row = append(row, field)
			}
			out.Write(row)
		}
	}
	out.Flush()
	return errors.Join(out.Error(), b.Flush())
}

// eventsFile has the word by which TensorBoard finds its files.
const eventsFile = "events.out.tfevents.clr"

// writeEvents writes a folder for each fold that has logged something. One that an
// earlier call has written is written anew.
func writeEvents(out string, all []foldLog, con Console) error {
	var dirs []string
	for _, l := range all {
		dir := rundir.FoldDir(filepath.Join(out, folderName(l.run)), l.fold)
		for i, d := range dirs {
			if d == dir {
				return fault.New(fault.Usage, "write them to two folders", "%s and %s would both be written to %s", all[i].run, l.run, dir)
			}
		}
		dirs = append(dirs, dir)
	}
	for i, l := range all {
		if len(l.lines) == 0 {
			con.Warn("%s has logged no step yet", rundir.FoldDir(l.run, l.fold))
			continue
		}
		if _, err := disk.MkdirAll(dirs[i]); err != nil {
			return disk.Failed(dirs[i], err)
		}
		path := filepath.Join(dirs[i], eventsFile)
		if err := disk.WriteFile(path, l.writeEvents); err != nil {
			return err
		}
		con.Say("wrote %s", path)
	}
	return nil
}

// writeEvents writes a fold's scalars, those of a step as one event.
func (l foldLog) writeEvents(out io.Writer) error {
	b := bufio.NewWriter(out)
	w, err := tfevents.NewWriter(b, l.clock)
	if err != nil {
		return err
	}
	for _, s := range l.steps() {
		if err := w.Write(s.wall, s.step, s.scalars...); err != nil {
			return err
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("%s: %w", eventsFile, err)
	}
	return nil
}

// A loggedStep is what was logged of a step.
type loggedStep struct {
	wall    float64 // seconds since 1970
	step    int
	scalars []tfevents.Scalar
}

// steps are a fold's. The log has no time of day: it is what the steps before took,
// from the first session's start, at the config's batch.
func (l foldLog) steps() (all []loggedStep) {
	wall := l.clock
	for _, line := range l.lines {
		if line.ClipsPS > 0 {
			wall += float64(l.batch) / line.ClipsPS
		}
		s := loggedStep{wall, line.Step, []tfevents.Scalar{{Tag: "train/epoch", Value: float64(line.Epoch)}}}
		for _, v := range logged {
			s.scalars = append(s.scalars, tfevents.Scalar{Tag: "train/" + v.key, Value: v.of(line)})
		}
		if look, ok := l.looks[line.Step]; ok {
			for _, g := range gauges[1:] {
				if v, ok := g.of(look.Sample); ok {
					s.scalars = append(s.scalars, tfevents.Scalar{Tag: "health/" + g.key(), Value: v})
				}
			}
		}
		all = append(all, s)
	}
	return all
}
