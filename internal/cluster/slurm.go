package cluster

import (
	"fmt"
	"path/filepath"
	"strings"

	"clr/internal/fault"
)

// Sbatch lists the options of sbatch that clr sweep slurm takes under their own
// names; others go behind a --.
var Sbatch = map[string]string{
	"account":         "whom the time is charged to",
	"array":           "which trials, and with %N how many at a time (default: all)",
	"constraint":      "features that a node must have",
	"cpus-per-task":   "CPUs of a trial (default: what keeps busy by the plan)",
	"dependency":      "jobs that must have ended",
	"exclude":         "nodes not to use",
	"gres":            "other resources",
	"job-name":        "(default: the file's name)",
	"mem":             "memory of a trial (default: the largest trial's, by the plan)",
	"mem-per-cpu":     "memory for each CPU, instead of --mem",
	"nice":            "how much to step back",
	"nodelist":        "nodes to use",
	"output":          "log of a task (default: slurm-%A_%a.log in the sweep's folder)",
	"partition":       "queue",
	"qos":             "quality of service",
	"reservation":     "resources that are set aside",
	"time":            "limit of a task; a trial that reaches it saves, waits again and goes on",
	"tmp":             "disk that a node must have",
	"mail-type":       "events to send mail of",
	"mail-user":       "who gets it",
	"comment":         "any text",
	"licenses":        "licences that are needed",
	"ntasks-per-core": "1 leaves hyper-threads alone",
}

// An Option is one of sbatch's, with its dashes. Some have no value.
type Option struct{ Name, Value string }

func (o Option) String() string {
	if o.Value == "" {
		return o.Name
	}
	if strings.HasPrefix(o.Name, "--") {
		return o.Name + "=" + o.Value
	}
	return o.Name + " " + o.Value
}

// Options reads the words that stand behind a --.
func Options(words []string) ([]Option, error) {
	var all []Option
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "--") && len(w) > 2:
			all = append(all, Option{name, value})
		case strings.HasPrefix(w, "-") && len(w) > 1:
			all = append(all, Option{Name: w})
		case len(all) > 0 && all[len(all)-1].Value == "":
			all[len(all)-1].Value = w
		default:
			return nil, fault.New(fault.Usage, "such as clr sweep slurm sweep.yaml --out sweeps/a -- --exclusive", "%q stands where an option of sbatch should", w)
		}
	}
	for _, o := range all {
		if strings.ContainsAny(o.Name+o.Value, "\n\r") {
			return nil, fault.New(fault.Usage, "leave it out", "the value of %s holds the end of a line, which a batch script cannot say", o.Name)
		}
	}
	return all, nil
}

// Slurm is a batch script that runs each trial as a task of an array, with these
// options of sbatch beside its own or in their place.
//
// Slurm warns the script, not the trial, two minutes before a limit or a preemption,
// so that the script can wait for what clr makes of the warning. A task that is
// cancelled is told, as is clr, by SIGTERM, and stays cancelled.
func (s Sweep) Slurm(options []Option) (string, error) {
	if err := s.oneLine(); err != nil {
		return "", err
	}
	ours := []Option{
		{"--job-name", s.Name()},
		{"--array", fmt.Sprintf("0-%d", s.Trials-1)},
		{"--cpus-per-task", fmt.Sprint(s.CPUs)},
		{"--mem", fmt.Sprintf("%dM", mebibytes(s.Memory))},
		{"--output", filepath.Join(strings.ReplaceAll(s.Out, "%", "%%"), "slurm-%A_%a.log")},
		{"--open-mode", "append"},
		{"--requeue", ""},
		{"--signal", "B:USR1@120"},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/bash\n# Trials of %s, %d in all, one a task.\n", s.File, s.Trials)
	for _, o := range ours {
		if !given(options, o.Name) {
			fmt.Fprintf(&b, "#SBATCH %s\n", sbatchWord(o))
		}
	}
	for _, o := range options {
		fmt.Fprintf(&b, "#SBATCH %s\n", sbatchWord(o))
	}
	fmt.Fprintf(&b, slurmBody, s.settings("\nexport "), s.run(`"$SLURM_ARRAY_TASK_ID"`), Attempts)
	return b.String(), nil
}

// sbatchWord writes an option as sbatch reads it in a script: quoted where it holds
// what would end it.
func sbatchWord(o Option) string {
	if strings.ContainsAny(o.Value, " \t'\"#\\") {
		o.Value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o.Value) + `"`
	}
	return o.String()
}

// instead are options that say the same as one of ours.
var instead = map[string][]string{
	"--job-name":      {"-J"},
	"--array":         {"-a"},
	"--cpus-per-task": {"-c"},
	"--mem":           {"--mem-per-cpu", "--mem-per-gpu"},
	"--output":        {"-o"},
	"--requeue":       {"--no-requeue"},
}

func given(options []Option, name string) bool {
	for _, o := range options {
		if o.Name == name {
			return true
		}
		for _, other := range instead[name] {
			if o.Name == other || len(other) == 2 && strings.HasPrefix(o.Name, other) && !strings.HasPrefix(o.Name, "--") {
				return true
			}
		}
	}
	return false
}

// slurmBody is what a task does. A trap that runs makes wait return early. Of a
// process that ends just then bash 5.2 loses the code and says 255, which has the
// trial begin once more and find that it is finished.
const slurmBody = `
export GOMAXPROCS="${SLURM_CPUS_PER_TASK:-1}"%s
trial= warned= cancelled=
warn() { # once, for a second signal would not let it save
	[ -z "$trial" ] || [ "$warned" != yes ] || { warned=told && kill -USR1 "$trial"; }
}
trap 'warned=${warned:-yes}; warn' USR1
trap cancelled=yes TERM # which Slurm sends to clr, too
%s &
trial=$!
warn
while kill -0 "$trial" 2>/dev/null; do wait "$trial"; done
wait "$trial" # once more, for its code
code=$?

# 75: stopped by a signal with a good checkpoint. 2, 3 and 4 would fail again. The rest
# may have passed: a process that was killed, a full disk.
case "$code" in
0 | 2 | 3 | 4) ;;
75) [ -n "$cancelled" ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
*) [ -n "$cancelled" ] || [ "${SLURM_RESTART_COUNT:-0}" -ge %d ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
esac
exit "$code"
`
