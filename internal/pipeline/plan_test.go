package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"clr/internal/fault"
	"clr/internal/host"
)

// What a trainer really holds is what was planned.
func TestPlanIsWhatTrainingTakes(t *testing.T) {
	dir := tones(t, 20)
	for _, method := range []string{"simclr", "moco"} {
		c := load(t, dir, "method.name="+method, "method.bn_groups=1", "method.projector.out=4")
		p, err := Plan(c)
		if err != nil {
			t.Fatal(err)
		}
		d := open(t, c)
		tr, err := newTrainer(d, d.splits[0])
		if err != nil {
			t.Fatal(err)
		}
		if p.Bins != d.input.Bins {
			t.Errorf("%s: %d bins planned, %d there", method, p.Bins, d.input.Bins)
		}
		kept, opt := 0, 0
		for _, a := range tr.method.State() {
			kept += 4 * len(a.Data)
		}
		for _, a := range tr.opt.State() {
			opt += 4 * len(a.Data)
		}
		if p.Optimizer != opt || p.Weights+p.Arrays < kept-4 {
			t.Errorf("%s: planned %+v; there are %d bytes of optimiser, %d of state", method, *p, opt, kept)
		}
		if p.Train != p.Graph+p.Weights+p.Optimizer+p.Arrays+p.Views+p.Health+p.Copy || p.Health == 0 || p.Copy < kept+opt-4 || p.Graph == 0 || p.Embed <= p.EmbeddingGraph.Bytes {
			t.Errorf("%s: %+v", method, *p)
		}
	}
}

// A run that does not fit is refused before anything is written; one that just
// fits is not.
func TestPretrainNeedsMemory(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	p, err := Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	run := filepath.Join(dir, "run")
	err = Pretrain(t.Context(), c, PretrainOptions{Run: run, memory: &host.Limit{Bytes: int64(p.Train) - 1, Name: "MemAvailable"}}, con)
	says(t, err, "training needs", "MemAvailable", "graph", "optimizer", "views")
	if fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" {
		t.Errorf("kind %d, remedy %q", fault.KindOf(err), fault.Remedy(err))
	}
	for _, f := range []string{run, c.StorePath()} {
		if _, err := os.Stat(f); err == nil {
			t.Errorf("%s was made", f)
		}
	}
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 1, memory: &host.Limit{Bytes: int64(p.Train), Name: "MemAvailable"}})
}

func TestPlanWrites(t *testing.T) {
	p := &MemoryPlan{TrainingGraphs: []GraphPlan{{"training", 3 << 20, 5 << 20, 7}}, Train: 4 << 30, LimitBytes: 1 << 31, Limit: "GOMEMLIMIT"}
	var b bytes.Buffer
	if err := (&Forecast{MemoryPlan: *p}).Write(Console{Out: &b}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"training graph        3.0 MiB  7 steps; 5.0 MiB if every value had its own memory\n",
		"to pretrain           4.0 GiB\n",
		"there are             2.0 GiB  GOMEMLIMIT\n",
	} {
		if !bytes.Contains(b.Bytes(), []byte(want)) {
			t.Errorf("no %q in\n%s", want, b.Bytes())
		}
	}
}
