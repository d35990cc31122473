package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// floors says how high each package stands; ARCHITECTURE.md draws it. Imports
// go down, never up or sideways, so that data flows one way.
var floors = map[string]int{
	"clr/cmd/clr":                  9,
	"clr/internal/bench":           8,
	"clr/internal/sweep":           8,
	"clr/internal/pipeline":        7,
	"clr/internal/pipeline/strict": 1,
	"clr/configs":                  0,
	"clr/internal/method":          6,
	"clr/internal/eval":            6,
	"clr/internal/model":           5,
	"clr/internal/loss":            5,
	"clr/internal/rundir":          3,
	"clr/internal/op":              3,
	"clr/internal/exec":            4,
	"clr/internal/augment":         3,
	"clr/internal/preview":         3,
	"clr/internal/layout":          3,
	"clr/internal/report":          3,
	"clr/internal/survey":          3,
	"clr/internal/health":          2,
	"clr/internal/optim":           2,
	"clr/internal/checkpoint":      2,
	"clr/internal/embedding":       2,
	"clr/internal/audio":           2,
	"clr/internal/project":         1,
	"clr/internal/tfevents":        0,
	"clr/internal/disk":            1,
	"clr/internal/onnx":            1,
	"clr/internal/kernel":          1,
	"clr/internal/host":            1,
	"clr/internal/cluster":         1,
	"clr/internal/fault":           0,
}

// keepers may import a library; nobody else may.
var keepers = map[string][]string{
	"gorgonia.org/":             {"op", "exec", "model", "loss", "method"},
	"github.com/goccy/go-yaml":  {"strict"},
	"github.com/spf13/viper":    {"strict"},
	"github.com/spf13/cobra":    {"clr"},
	"github.com/mewkiz/flac":    {"audio"},
	"github.com/go-audio/":      {"audio"},
	"github.com/hajimehoshi/":   {"audio"},
	"github.com/mjibson/go-dsp": {"audio"},
	"github.com/klauspost/":     {"embedding"},
	"github.com/chromedp/":      nil, // tests look at pages with it
}

func TestFloors(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "clr/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p.ImportPath, "test") { // helpers of tests stand beside the house
			continue
		}
		from, ok := floors[p.ImportPath]
		if !ok {
			t.Errorf("%s stands on no floor: add it to this table and to ARCHITECTURE.md", p.ImportPath)
			continue
		}
		seen++
		for _, imp := range p.Imports {
			if to, ok := floors[imp]; ok && to >= from {
				t.Errorf("%s (floor %d) imports %s (floor %d): imports go down", p.ImportPath, from, imp, to)
			}
			for lib, who := range keepers {
				if strings.HasPrefix(imp, lib) && !mayImport(p.ImportPath, who) {
					t.Errorf("%s imports %s, which only %v may", p.ImportPath, imp, who)
				}
			}
		}
	}
	if seen != len(floors) {
		t.Errorf("go list shows %d of the %d packages in the table", seen, len(floors))
	}
}

func mayImport(path string, who []string) bool {
	for _, w := range who {
		if strings.HasSuffix(path, "/"+w) {
			return true
		}
	}
	return false
}

// The parts that ARCHITECTURE.md shows to whoever adds one are about as long as it says.
func TestPartsAreAsLongAsSaid(t *testing.T) {
	house, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile("`([a-z0-9_]+/[a-z0-9_]+\\.go)`, ([0-9]+)").FindAllStringSubmatch(string(house), -1)
	if len(said) < 8 {
		t.Errorf("it says how long %d files are", len(said))
	}
	for _, m := range said {
		text, err := os.ReadFile("../../internal/" + m[1])
		if err != nil {
			t.Error(err)
			continue
		}
		lines, want := strings.Count(string(text), "\n"), 0
		fmt.Sscan(m[2], &want)
		if 10*max(lines-want, want-lines) > lines {
			t.Errorf("%s has %d lines, ARCHITECTURE.md says %d", m[1], lines, want)
		}
	}
}
