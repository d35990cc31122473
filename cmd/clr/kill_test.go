//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"clr/internal/rundir"
)

// tiny trains a network that is large beside its views and saves it after every
// step, so that about as much time goes into files as into learning. Each work
// folder holds it as c.yaml, beside a folder corpus that all of them share.
const tiny = `corpus: ../corpus/manifest.csv
sample_rate: 8000
store: store.clrs
split: {by: split}
feature: {name: logmel, n_fft: 1024, win_length: 128, hop_length: 16, n_mels: 16, f_max: 3800}
view: {frames: 16}
augment: [{name: gain}, {name: mix}]
encoder: {name: resnet, depth: 10, width: 16, stem: small}
method: {name: simclr, projector: {hidden: [16], out: 8}}
optimizer: {name: adamw, lr: 0.01}
schedule: {epochs: 4, warmup_epochs: 1}
batch: 8
checkpoint: {steps: 1, keep: 3}
log: {digest: 4}
health: {every: 2, knn: {every: 2}}
linear_probe: {c_steps: 3, inner_folds: 3}
mlp_probe: {hidden: [64], epochs: 20}
`

// tinyCorpus writes 60 tones, high and low by turns, 12 of them test clips, in
// two rooms of 30.
func tinyCorpus(t *testing.T, dir string) {
	t.Helper()
	manifest := "path,label,split,room\n"
	for i := range 60 {
		part := "train"
		if i%5 == 4 {
			part = "test"
		}
		name := fmt.Sprintf("%02d.wav", i)
		manifest += fmt.Sprintf("%s,%s,%s,%c\n", name, []string{"low", "high"}[i%2], part, 'x'+rune(i/2%2))
		put(t, filepath.Join(dir, name), wav(8000, 0.5+0.02*float64(i%4), 300+float64(i%2)*700+7*float64(i)))
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
}

// put writes a file, and the folder that it is in.
func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// A victim is a command line that is killed and started again until it is done.
type victim struct {
	name, args string
	after      string // the victim whose results it needs
	folds      []fold // that it trains, in order
	rarely     bool   // it is killed a quarter as often as others: much of it is theirs
}

// A fold is the folder of one, and how many steps it takes.
type fold struct {
	dir   string
	steps int
}

const tuning = " --set finetune.batch=8 --set finetune.schedule.epochs=2 --set finetune.schedule.warmup_epochs=1"

const moco = " --set split.by=room --set method={name:moco,queue:40,projector:{hidden:[16],out:8}}"

var victims = []victim{
	{name: "features", args: "features --config c.yaml"},
	{name: "pretrain", args: "pretrain --config c.yaml --run run --resume", folds: []fold{{"run", 24}}},
	{name: "two-folds", args: "pretrain --config c.yaml --run run --resume" + moco, folds: []fold{{"run/fold-x", 12}, {"run/fold-y", 12}}},
	{name: "linear-probe", args: "linear-probe --run run", after: "pretrain"},
	{name: "mlp-probe", args: "mlp-probe --run run", after: "two-folds"},
	{name: "finetune", args: "finetune --run run --resume --fractions 0.5,1" + tuning, after: "pretrain", rarely: true,
		folds: []fold{{"run/finetune/labels-1", 12}, {"run/finetune/labels-0.5", 6}}},
	{name: "export", args: "export --run run --out encoder.safetensors", after: "pretrain"},
	{name: "embed", args: "embed --run run --corpus ../corpus/manifest.csv --window 0.1 --hop 0.02 --format parquet --out e.parquet", after: "pretrain"},
	{name: "npy", args: "export --run run --fold x --format npy --out embeddings.npy", after: "two-folds"},
}

// Every command, killed at random moments and started again until it is done,
// leaves what it leaves when nobody kills it: the same files, byte for byte,
// a log without gap, repeat or torn line, and nothing left over.
//
// CLR_KILLS is how often a command is killed; CLR_KILL_SEED draws the
// moments of an earlier test again.
func TestKilled(t *testing.T) {
	kills := setting(t, "CLR_KILLS", 20)
	if testing.Short() {
		kills = min(kills, 4)
	}
	seed := setting(t, "CLR_KILL_SEED", rand.Uint64())
	t.Logf("CLR_KILL_SEED=%d", seed)
	h := &hunt{base: t.TempDir(), references: map[string]*reference{}}
	tinyCorpus(t, filepath.Join(h.base, "corpus"))
	var tolls []*toll
	for i, v := range victims {
		t.Run(v.name, func(t *testing.T) {
			times := int(kills)
			if v.rarely {
				times = (times + 3) / 4
			}
			tolls = append(tolls, h.run(t, v, times, rand.New(rand.NewPCG(seed, uint64(i)))))
		})
	}
	t.Logf("what kills of each command left:\n\n%s", table(tolls))
	for _, o := range tolls {
		if len(o.folds) > 0 && o.kills >= 10 && o.at[halfSaved]+o.at[saved]+o.at[rotating] == 0 {
			t.Errorf("%s: no kill struck while a checkpoint was written", o.name)
		}
	}
}

// setting is a number in the environment.
func setting(t *testing.T, name string, or uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return or
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func (v victim) start(t *testing.T, dir string) *process {
	t.Helper()
	return start(t, dir, append(strings.Fields(v.args), "--quiet")...)
}

// A hunt has its work folders in base.
type hunt struct {
	base       string
	folders    int
	references map[string]*reference // by victim
}

// A reference is what a victim does when nobody kills it.
type reference struct {
	dir  string        // its work folder
	took time.Duration // from start to end
	says string        // on standard error
}

// reference makes a victim's, where it is not made yet.
func (h *hunt) reference(t *testing.T, v victim) *reference {
	t.Helper()
	if r := h.references[v.name]; r != nil {
		return r
	}
	once := func() *reference {
		r := &reference{dir: h.fresh(t, v)}
		began := time.Now()
		p := v.start(t, r.dir)
		p.ends(t, 0)
		r.took, r.says = time.Since(began), p.says.String()
		return r
	}
	r, again := once(), once()
	equal(t, v, r.dir, again.dir, 1)
	r.took = again.took // of a machine that is warm
	h.references[v.name] = r
	return r
}

// fresh is a new work folder, with what the victim needs.
func (h *hunt) fresh(t *testing.T, v victim) string {
	t.Helper()
	h.folders++
	dir := filepath.Join(h.base, fmt.Sprintf("%s-%d", v.name, h.folders))
	if v.after == "" {
		put(t, filepath.Join(dir, "c.yaml"), []byte(tiny))
		return dir
	}
	for _, before := range victims {
		if before.name == v.after {
			if err := os.CopyFS(dir, os.DirFS(h.reference(t, before).dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// run kills a victim so many times, at moments drawn over the time that it
// takes. One in four, of those that write only at their end one in two, waits
// from there on for a file that is being written.
func (h *hunt) run(t *testing.T, v victim, kills int, draw *rand.Rand) *toll {
	t.Helper()
	o := &toll{victim: v}
	ref := h.reference(t, v)
	length, aimed := ref.took, 4
	if v.after != "" {
		aimed = 2
	}
	for o.kills < kills {
		dir := h.fresh(t, v)
		for starts := 1; ; starts++ {
			before, began := look(dir), time.Now()
			p := v.start(t, dir)
			if o.kills < kills {
				strike(p, time.Duration(draw.Int64N(int64(length))), draw.IntN(aimed) == 0, before)
			}
			if p.killed() {
				if s := p.says.String(); !strings.HasPrefix(ref.says, s) {
					t.Fatalf("after %d kills it says:\n%s", starts-1, s)
				}
				o.count(t, ref.dir, dir, before)
				if draw.IntN(3) == 0 {
					o.tear(t, dir, draw)
				}
				continue
			}
			if p.ends(t, 0); p.says.String() != ref.says {
				t.Fatalf("after %d kills it says:\n%s", starts-1, p.says)
			}
			if starts == 1 {
				length = time.Since(began)
			}
			equal(t, v, ref.dir, dir, starts)
			o.runs++
			break
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// strike kills a process after a while, unless it has ended; aimed, it waits
// from there on for a file that is being written.
func strike(p *process, after time.Duration, aimed bool, before files) {
	select {
	case <-p.done:
		return
	case <-time.After(after):
	}
	for aimed && !look(p.Dir).since(before).any("*.aside-*", "*.partial") {
		select {
		case <-p.done:
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
	p.Process.Kill()
	<-p.done
}

// tear cuts the last line of a log in two, as a power cut may: a kill never
// does, for a line is written by one call. Only lines beyond the checkpoint can
// be lost so, for it waits until those before it are on disk.
func (o *toll) tear(t *testing.T, dir string, draw *rand.Rand) {
	t.Helper()
	for _, f := range o.folds {
		saved := stepOf(t, filepath.Join(dir, f.dir))
		for _, name := range []string{rundir.MetricsFile, rundir.HealthFile} {
			path := filepath.Join(dir, f.dir, name)
			log, err := os.ReadFile(path)
			if err != nil || !bytes.HasSuffix(log, []byte("\n")) { // empty, or torn before
				continue
			}
			last := bytes.LastIndexByte(log[:len(log)-1], '\n') + 1
			var line struct{ Step int }
			if err := json.Unmarshal(log[last:], &line); err != nil {
				t.Fatalf("a kill left a line that is not whole: %s: %v", path, err)
			}
			if line.Step < saved {
				continue
			}
			if err := os.Truncate(path, int64(last+1+draw.IntN(len(log)-last-1))); err != nil {
				t.Fatal(err)
			}
			o.torn++
		}
	}
}
