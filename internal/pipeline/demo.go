package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"clr/configs"
	"clr/internal/audio"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// DemoOptions are what the command line says of the demo.
type DemoOptions struct {
	Run       string    // the run folder; empty: the first free runs/demo, runs/demo-2, ...
	Overrides Overrides // of configs/quickstart.yaml
	Open      bool      // make a report too, and print its path alone
}

// Demo runs the main path on the speech that travels inside the binary, by
// configs/quickstart.yaml, and compares what came out with what needs no
// learning, on clips that were never heard: two speakers, if nothing else is set.
func Demo(ctx context.Context, o DemoOptions, con Console) error {
	if o.Run == "" {
		o.Run = freeRun(filepath.Join("runs", "demo"))
	}
	began := time.Now()
	c, err := o.config()
	if err != nil {
		return err
	}
	quiet := con
	quiet.Out, quiet.JSON = con.Err, false

	con.Say("clr features")
	if err := rundir.MakeDir(o.Run); err != nil {
		return err
	}
	if err := Features(ctx, c, quiet); err != nil {
		return err
	}
	con.Say("clr pretrain --run %s", o.Run)
	if err := Pretrain(ctx, c, PretrainOptions{Run: o.Run}, con); fault.KindOf(err) == fault.Interrupted {
		return fault.New(fault.Interrupted,
			fmt.Sprintf("clr pretrain --config %s --run %s --resume goes on from there; clr linear-probe --run %[2]s comes next", filepath.Join(o.Run, rundir.ConfigFile), o.Run),
			"%w", err)
	} else if err != nil {
		return err
	}
	result := demoResult{Run: o.Run}
	for _, kind := range []string{"linear", "mlp"} {
		con.Say("clr %s-probe --run %s", kind, o.Run)
		r, err := Probe(ctx, ProbeOptions{Asked: Asked{Run: o.Run}, Kind: kind}, Overrides{}, con)
		if err != nil {
			return err
		}
		result.add(kind, r)
	}
	encoder := filepath.Join(o.Run, "encoder.safetensors")
	con.Say("clr export --run %s --out %s", o.Run, encoder)
	if err := Export(ctx, ExportOptions{Run: o.Run, Format: "safetensors", Out: encoder}, quiet); err != nil {
		return err
	}
	if o.Open {
		con.Say("clr report %s", o.Run)
		page, err := Report(ctx, ReportOptions{Runs: []string{o.Run}, Clips: ReportClips, Seed: ReportSeed}, con)
		if err != nil {
			return err
		}
		result.Page = page.Page
	}
	result.Seconds = time.Since(began).Seconds()
	switch {
	case con.JSON:
		return con.Show(result)
	case !o.Open:
		_, err = con.Out.Write([]byte(result.table(c)))
		return err
	}
	con.Say("%s", result.table(c))
	return PrintPath(con, result.Page)
}

// config is the quickstart's with what the command line says of it. Its store
// lies in the run folder where nothing else is said.
func (o DemoOptions) config() (*Config, error) {
	c, err := ParseConfig("configs/quickstart.yaml", configs.Quickstart, o.Overrides)
	if err != nil {
		return nil, err
	}
	if by := c.Split.By; by != "" && by != eval.SplitColumn && len(c.Split.Holdout) == 0 {
		return nil, fault.New(fault.Usage, "name what to test on in split.holdout, or use clr pretrain, which trains them all",
			"the demo trains one encoder, and split.by %s without split.holdout asks for one per %[1]s", by)
	}
	if c.Store == "" {
		c.Store, err = filepath.Abs(filepath.Join(o.Run, "features.clrs"))
	}
	return c, err
}

// freeRun is the first of path, path-2, path-3, ... that is not there.
func freeRun(path string) string {
	name := path
	for i := 2; ; i++ {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, i)
	}
}

// A demoResult is what the demo found: accuracies as fractions.
type demoResult struct {
	Linear  demoScores `json:"linear_probe"`
	MLP     demoScores `json:"mlp_probe"`
	Clips   int        `json:"test_clips"`
	Run     string     `json:"run"`
	Page    string     `json:"report,omitempty"`
	Seconds float64    `json:"seconds"`
}

type demoScores struct {
	Pretrained   float64 `json:"pretrained"`
	RandomInit   float64 `json:"random_init"`
	FeatureStats float64 `json:"feature_stats"`
}

func (d *demoResult) add(kind string, r *eval.Report) {
	into := &d.Linear
	if kind == "mlp" {
		into = &d.MLP
	}
	for _, row := range r.Rows {
		switch row.Name {
		case eval.RowPretrained:
			into.Pretrained, d.Clips = row.Mean.Accuracy, row.Clips
		case eval.RowRandomInit:
			into.RandomInit = row.Mean.Accuracy
		case eval.RowStats:
			into.FeatureStats = row.Mean.Accuracy
		}
	}
}

func (d demoResult) table(c *Config) string {
	heldOut := "the test part"
	if h := c.Split.Holdout; len(h) > 0 {
		heldOut = c.Split.By + " " + strings.Join(h, " and ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nAccuracy on %d clips of %s, never heard in training\n\n", d.Clips, heldOut)
	fmt.Fprintf(&b, "%-42s %12s %12s\n", "", "linear probe", "MLP probe")
	for _, row := range []struct {
		name        string
		linear, mlp float64
	}{
		{"pretrained encoder", d.Linear.Pretrained, d.MLP.Pretrained},
		{"the same encoder with random weights", d.Linear.RandomInit, d.MLP.RandomInit},
		{nameIn(audio.Features, c.Feature) + " mean and deviation, no learning", d.Linear.FeatureStats, d.MLP.FeatureStats},
	} {
		fmt.Fprintf(&b, "%-42s %10.1f %% %10.1f %%\n", row.name, 100*row.linear, 100*row.mlp)
	}
	fmt.Fprintf(&b, "\nrun folder: %s (%.0f s)\n", d.Run, d.Seconds)
	if d.Page == "" {
		fmt.Fprintf(&b, "clr report %s shows it as a page, with sounds\n", d.Run)
	}
	return b.String()
}
