package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// mlflowExperiment is the folder of MLflow's experiment that is there from the
// start, which is called Default.
const mlflowExperiment = "0"

// mlflowNames are what MLflow takes no name with (mlflow/utils/validation.py).
var mlflowNames = regexp.MustCompile(`[^\w.\-/]`)

// writeMLflow adds runs to a folder of MLflow's file store
// (mlflow/store/tracking/file_store.py): a folder per run with a file for each
// parameter and metric. A run that an earlier call has added is written anew.
func writeMLflow(out string, all []foldLog, con Console) error {
	root, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	meta := filepath.Join(root, mlflowExperiment, "meta.yaml")
	if _, err := os.Stat(meta); errors.Is(err, fs.ErrNotExist) {
		err = writeTree(filepath.Dir(meta), map[string]string{"meta.yaml": fmt.Sprintf("artifact_location: %q\nexperiment_id: '%s'\nlifecycle_stage: active\nname: Default\n", "file://"+filepath.ToSlash(filepath.Dir(meta)), mlflowExperiment)})
		if err != nil {
			return err
		}
	} else if err != nil {
		return fault.New(fault.Usage, "name a folder with --out", "%w", err)
	}
	for len(all) > 0 {
		run := all[0].run
		n := 0
		for n < len(all) && all[n].run == run {
			n++
		}
		files, id, err := mlflowRun(root, run, all[:n])
		if err != nil {
			return err
		}
		dir := filepath.Join(root, mlflowExperiment, id)
		if err := writeTree(dir, files); err != nil {
			return err
		}
		con.Say("wrote %s", dir)
		all = all[n:]
	}
	return nil
}

// mlflowRun is a run's files.
func mlflowRun(root, run string, folds []foldLog) (files map[string]string, id string, err error) {
	whole, err := filepath.Abs(run)
	if err != nil {
		return nil, "", err
	}
	c, err := runConfig(run, Overrides{})
	if err != nil {
		return nil, "", err
	}
	came, err := resultOf(run)
	if err != nil {
		return nil, "", err
	}
	_, sessions, err := rundir.Read(run)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(whole)) // the same run has the same place whenever it is handed on
	id = hex.EncodeToString(sum[:16])
	files = map[string]string{"tags/mlflow.runName": folderName(run)}
	const unfinished, finished, broken = 1, 3, 4
	start, end, status := int64(0), "null", unfinished
	if len(sessions) > 0 {
		start = sessions[0].Start.UnixMilli()
		if last := sessions[len(sessions)-1]; last.End != nil {
			end, status = fmt.Sprint(last.End.UnixMilli()), broken
			if last.Outcome == done {
				status = finished
			}
		}
	}
	files["meta.yaml"] = fmt.Sprintf("artifact_uri: %q\nend_time: %s\nentry_point_name: ''\nexperiment_id: '%s'\nlifecycle_stage: active\nrun_id: %s\nrun_name: %q\nrun_uuid: %[4]s\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: %[6]d\nstatus: %d\ntags: []\nuser_id: ''\n",
		"file://"+filepath.ToSlash(filepath.Join(root, mlflowExperiment, id, "artifacts")), end, mlflowExperiment, id, folderName(run), start, status)
	for _, l := range schema().Leaves(c) {
		files["params/"+mlflowNames.ReplaceAllString(l.Path, "_")] = l.Text
	}
	texts := map[string]*strings.Builder{}
	put := func(name string, wall float64, value float64, step int) {
		name = "metrics/" + mlflowNames.ReplaceAllString(name, "_")
		if texts[name] == nil {
			texts[name] = &strings.Builder{}
		}
		fmt.Fprintf(texts[name], "%d %v %d\n", int64(1000*wall), value, step)
	}
	last := float64(start) / 1000
	for _, l := range folds {
		prefix := ""
		if l.fold != "" {
			prefix = filepath.Base(rundir.FoldDir(run, l.fold)) + "/"
		}
		for _, s := range l.steps() {
			for _, v := range s.scalars {
				put(prefix+v.Tag, s.wall, v.Value, s.step)
			}
			last = s.wall
		}
	}
	for kind, p := range came.Probes {
		for name, v := range map[string]float64{"accuracy": p.Accuracy, "map": float64(p.MAP), "macro_f1": p.MacroF1, "log_loss": p.LogLoss, "random_init": p.RandomInit, "feature_stats": p.FeatureStats, "majority": p.Majority} {
			if v == v {
				put(kind+"_probe/"+name, last, v, 0)
			}
		}
	}
	for name, b := range texts {
		files[name] = b.String()
	}
	return files, id, nil
}

// writeTree writes files by their paths in a folder.
func writeTree(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := disk.MkdirAll(filepath.Dir(path)); err != nil {
			return disk.Failed(path, err)
		}
		if err := disk.WriteBytes(path, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}
