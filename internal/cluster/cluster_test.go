package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clr/internal/fault"
)

var temperatures = Sweep{Command: "clr", File: "configs/sweeps/fsdd-temperature.yaml", Out: "sweeps/temperature", Env: []string{"CLR_BATCH=64", `CLR_METHOD={name: "moco", queue: 64}`}, Trials: 18, Memory: 700<<20 + 1, Disk: 3 << 30, CPUs: 2}

// What is printed is what stands in testdata, where it can be read, and where
// testdata/kubernetes decodes the manifests into Kubernetes' own types.
func TestPrinted(t *testing.T) {
	slurm, err := temperatures.Slurm([]Option{{"--partition", "cpu"}, {"--array", "0-17%4"}, {"--comment", `it's "odd" #1`}, {"--exclusive", ""}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := temperatures.Manifests(Kubernetes{Image: KubernetesImage, Access: KubernetesAccess})
	if err != nil {
		t.Fatal(err)
	}
	given, err := temperatures.Manifests(Kubernetes{Image: "registry.example/a:b", Access: KubernetesAccess, Namespace: "sound", Claim: "corpora", Parallelism: 4})
	if err != nil {
		t.Fatal(err)
	}
	sized, err := Sweep{Command: "clr", File: `o "d": d/ä{}.yaml`, Out: "- $(a)", Env: []string{"CLR_CORPUS=$(a)=b"}, Trials: 1, CPUs: 1}.Manifests(Kubernetes{Image: "clr", Access: "ReadWriteOnce", StorageClass: "fast", Size: "12Gi"})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := temperatures.Parallel(3)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"slurm.sh": slurm, "parallel.sh": lines, "made.yaml": made, "given.yaml": given, "odd.yaml": sized} {
		file := filepath.Join("testdata", name)
		if os.Getenv("CLR_PRINTED") != "" {
			if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != text {
			t.Errorf("%s is not what is printed, which is (CLR_PRINTED=1 writes it anew)\n%s", file, text)
		}
	}
}

// A shell reads back the words that are written for it, whatever is in them.
func TestQuote(t *testing.T) {
	for _, word := range []string{"a", "", "a b", "it's", `"$HOME" \ #`, "~", "*", "-x", "ä", "a;b", "!x"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q is written %s, which a shell reads as %q (%v)", word, quote(word), out, err)
		}
	}
}

func TestNames(t *testing.T) {
	for file, want := range map[string]string{"a/FSDD_temp.2.yaml": "fsdd-temp-2", "ü.yaml": "sweep", ".yaml": "sweep", strings.Repeat("a", 39) + "-b.yaml": strings.Repeat("a", 39)} {
		if got := (Sweep{File: file}).Name(); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// A stand-in for clr and one for scontrol tell what a task makes of each exit code.
func TestSlurmTask(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/bash\n"+text), 0o777); err != nil {
			t.Fatal(err)
		}
		return path
	}
	clr := write("clr's twin", `[ "$*" = "sweep run a b.yaml --out o --retry --index 3" ] || exit 99
trap 'echo warned; trap "exit 143" USR1; [ $END != twice ] || { kill -USR1 $PPID; sleep 0.3; }; exit 75' USR1
trap 'exit 75' TERM
case $END in wait|twice) kill -$WARN $PPID; [ $WARN = USR1 ] || { sleep 0.2; kill -$WARN $$; }; while :; do sleep 0.05; done ;; esac
[ "$END" != killed ] || kill -9 $$
exit $END`)
	write("scontrol", `echo "$@"`)
	script, err := Sweep{Command: clr, File: "a b.yaml", Out: "o", Trials: 6, CPUs: 1}.Slurm(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		end, warn, restarts string
		code                int
		says                string
	}{
		{"0", "", "0", 0, ""},
		{"2", "", "0", 2, ""},
		{"3", "", "0", 3, ""},
		{"4", "", "0", 4, ""},
		{"75", "", "40", 75, "requeue 7_3\n"},
		{"1", "", "0", 1, "requeue 7_3\n"},
		{"6", "", "2", 6, "requeue 7_3\n"},
		{"6", "", "3", 6, ""},
		{"killed", "", "0", 137, "requeue 7_3\n"},
		{"wait", "USR1", "9", 75, "warned\nrequeue 7_3\n"},
		{"twice", "USR1", "0", 75, "warned\nrequeue 7_3\n"},
		{"wait", "TERM", "0", 75, ""},
	} {
		task := exec.Command("bash", "-c", script)
		task.Dir = dir
		task.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "SLURM_ARRAY_JOB_ID=7", "SLURM_ARRAY_TASK_ID=3", "SLURM_RESTART_COUNT="+c.restarts, "END="+c.end, "WARN="+c.warn)
		task.WaitDelay = 10 * time.Second // for what a task should not have left
		out, _ := task.Output()
		if got := task.ProcessState.ExitCode(); got != c.code || string(out) != c.says {
			t.Errorf("%+v: it ends with %d and says %q", c, got, out)
		}
	}
}

func TestRefused(t *testing.T) {
	k := Kubernetes{Image: "clr", Access: KubernetesAccess}
	for what, do := range map[string]func() error{
		"outside":      func() error { _, err := Sweep{File: "../a.yaml", Out: "o"}.Manifests(k); return err },
		"absolute":     func() error { _, err := Sweep{File: "a.yaml", Out: "/o"}.Manifests(k); return err },
		"access":       func() error { return Kubernetes{Image: "clr", Access: "rwx"}.Check() },
		"parallelism":  func() error { return Kubernetes{Image: "clr", Access: "ReadWriteOnce", Parallelism: -1}.Check() },
		"no image":     func() error { return Kubernetes{Access: "ReadWriteOnce"}.Check() },
		"word":         func() error { _, err := Options([]string{"cpu"}); return err },
		"second value": func() error { _, err := Options([]string{"--a=b", "c"}); return err },
		"line":         func() error { _, err := Options([]string{"--comment=a\n#SBATCH --array=0-9"}); return err },
		"line's line":  func() error { _, err := Sweep{File: "a", Out: "b\nc", Trials: 1}.Parallel(1); return err },
		"its place":    func() error { _, err := Sweep{File: "a{}", Out: "b", Trials: 1}.Parallel(1); return err },
		"its variable": func() error {
			_, err := Sweep{File: "a", Env: []string{"CLR_AUGMENT=[\n]"}, Trials: 1}.Slurm(nil)
			return err
		},
		"path's line": func() error { _, err := Sweep{File: "a\nb", Trials: 1}.Slurm(nil); return err },
	} {
		if err := do(); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%s: %v, hint %q", what, err, fault.Remedy(err))
		}
	}
}

func TestOptions(t *testing.T) {
	got, err := Options([]string{"-p", "cpu", "--exclusive", "--time=1:00:00", "--mem", "4G", "-n1"})
	if err != nil {
		t.Fatal(err)
	}
	script, err := Sweep{File: "a.yaml", Out: "50%a", Trials: 1}.Slurm(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-p cpu", "--exclusive", "--time=1:00:00", "--mem=4G", "-n1", "--output=50%%a/slurm-%A_%a.log"} {
		if !strings.Contains(script, "#SBATCH "+want+"\n") {
			t.Errorf("no %s in\n%s", want, script)
		}
	}
	if strings.Contains(script, "--mem=0M") {
		t.Errorf("our memory beside what was given, in\n%s", script)
	}
}
