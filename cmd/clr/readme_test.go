package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's commands do what it says: each indented line that begins with
// clr is run, in order, in a folder that holds configs/. Variables make the
// networks tiny, so that it takes seconds.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "configs"), os.DirFS("../../configs")); err != nil {
		t.Fatal(err)
	}
	sweep := filepath.Join(dir, "configs", "sweeps", "demo.yaml")
	file, err := os.ReadFile(sweep)
	if err != nil {
		t.Fatal(err)
	}
	once := strings.Replace(string(file), "\nseeds: 2\n", "\nseeds: 1\n", 1) // no variable says so
	if once == string(file) {
		t.Errorf("%s has no two seeds to take one of", sweep)
	}
	if err := os.WriteFile(sweep, []byte(once), 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "clr")); err != nil { // testscript.Main acts by the name it is called
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^    (clr .*)$`).FindAllStringSubmatch(string(readme), -1)
	if len(commands) < 6 {
		t.Fatalf("the README has %d commands", len(commands))
	}
	for _, m := range commands {
		line, _, _ := strings.Cut(m[1], "#")
		c := exec.Command("bash", "-c", line)
		c.Dir = dir
		c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"),
			"CLR_SCHEDULE_EPOCHS=1", "CLR_SCHEDULE_WARMUP_EPOCHS=0", "CLR_ENCODER_WIDTH=4", "CLR_BATCH=256",
			"CLR_FINETUNE_SCHEDULE_EPOCHS=2", "CLR_LINEAR_PROBE_C_STEPS=1", "CLR_MLP_PROBE_EPOCHS=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}

// The README's two commands are the two that CI runs and a stranger types.
func TestReadmeHasTheTwoCommands(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"    go run ./cmd/clr demo\n", "    go test ./...\n"} {
		if !strings.Contains(string(readme), c) {
			t.Errorf("README.md lacks the line %q", c)
		}
	}
	if strings.Contains(string(readme), "@@") {
		t.Error("README.md has a gap to fill in, marked @@")
	}
}
