package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"clr": main})
}

// TestScripts runs each of testdata/script/*.txt: commands as a person types
// them, and what they must print. `exits N clr ...` checks the exit code too.
// $REPO is the project's folder.
func TestScripts(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(repo, "testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("REPO", repo)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "tone": tone},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: exits CODE command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// smallConfig trains in seconds on the speech in the binary.
const smallConfig = `corpus: builtin:fsdd
sample_rate: 8000
store: features.clrs
split: {by: speaker, holdout: [theo]}
feature: {name: logmel, n_fft: 256, win_length: 200, hop_length: 160, n_mels: 24, f_max: 3800}
view: {frames: 24}
encoder: {name: resnet, depth: 10, width: 4}
method: {name: simclr, projector: {hidden: [16], out: 8}}
schedule: {epochs: 2, warmup_epochs: 1}
batch: 400
`
