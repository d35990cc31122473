package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// steps are the steps in a folder's log; every line is whole.
func steps(t *testing.T, dir string) []int { return linesOf(t, get(t, dir, metricsFile)) }

func linesOf(t *testing.T, log []byte) (all []int) {
	t.Helper()
	for _, l := range bytes.SplitAfter(log, []byte("\n")) {
		if len(l) == 0 {
			continue
		}
		var s stepLine
		if err := json.Unmarshal(l, &s); err != nil || l[len(l)-1] != '\n' {
			t.Fatalf("metrics: %q is no whole line: %v", l, err)
		}
		all = append(all, s.Step)
	}
	return all
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// stepIn is the step of a folder's checkpoint.
func stepIn(t *testing.T, path ...string) int {
	t.Helper()
	cp, err := checkpoint.Load(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(cp.Meta["step"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A trap calls do when the progress display comes to a line with words.
type trap struct {
	words string
	do    func()
}

func (w trap) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.words)) {
		w.do()
	}
	return len(b), nil
}

// The small config has 9 steps; epochs end after 3, 6 and 9.
func TestInterruptedRunResumesToTheSameBytes(t *testing.T) {
	dir := tones(t, 20)
	straight := filepath.Join(dir, "straight")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	if got := steps(t, straight); !slices.Equal(got, upTo(9)) {
		t.Fatalf("steps %v, want 9", got)
	}
	for _, at := range []int{1, 3, 4, 8} {
		run := filepath.Join(dir, fmt.Sprint("stopped", at))
		ctx, cancel := context.WithCancel(t.Context())
		con := Console{Err: trap{fmt.Sprintf("pretrain %d/9", at), cancel}}
		err := Pretrain(ctx, load(t, dir), PretrainOptions{Run: run}, con)
		if fault.KindOf(err) != fault.Interrupted || !strings.Contains(fault.Remedy(err), "--resume") {
			t.Fatalf("stopped after %d: %v", at, err)
		}
		says(t, err, lastFile, fmt.Sprintf("holds step %d", at))
		if got := stepIn(t, run, lastFile); got != at {
			t.Errorf("stopped after %d: the checkpoint is of step %d", at, got)
		}
		if got := steps(t, run); !slices.Equal(got, upTo(at)) {
			t.Errorf("stopped after %d: metrics of %v", at, got)
		}
		pretrain(t, load(t, dir), PretrainOptions{Run: run, Resume: true})
		same(t, lastFile, straight, run)
		if got := steps(t, run); !slices.Equal(got, upTo(9)) {
			t.Errorf("resumed after %d: metrics of %v", at, got)
		}
	}
}

// A signal during the last step comes too late.
func TestStoppedInTheLastStep(t *testing.T) {
	dir := tones(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	con := Console{Err: trap{"pretrain 9/9", cancel}}
	if err := Pretrain(ctx, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "run")}, con); err != nil {
		t.Error(err)
	}
}

// A signal between two folds: the checkpoint that is promised is there.
func TestStoppedBeforeTheFirstStep(t *testing.T) {
	dir := tones(t, 16)
	run := filepath.Join(dir, "run")
	ctx, cancel := context.WithCancel(t.Context())
	con := Console{Err: trap{"pretrain x 2/2", cancel}}
	set := []string{"split.by=room", "schedule.epochs=1"}
	err := Pretrain(ctx, load(t, dir, set...), PretrainOptions{Run: run}, con)
	if fault.KindOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	says(t, err, "fold y: ", filepath.Join("fold-y", lastFile)+" holds step 0")
	if got := stepIn(t, run, "fold-y", lastFile); got != 0 {
		t.Errorf("the checkpoint is of step %d", got)
	}
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, Resume: true})
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: run + "2"})
	for _, f := range []string{"fold-x", "fold-y"} {
		same(t, filepath.Join(f, lastFile), run, run+"2")
	}
}

// A process that is killed leaves metrics of steps that no checkpoint holds,
// and perhaps half a line.
func TestResumeAfterAKill(t *testing.T) {
	dir := tones(t, 20)
	straight, run := filepath.Join(dir, "straight"), filepath.Join(dir, "killed")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	func() {
		defer func() { recover() }()
		con := Console{Err: trap{"pretrain 5/9", func() { panic("killed") }}}
		Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run}, con)
	}()
	if got := stepIn(t, run, lastFile); got != 3 {
		t.Fatalf("the last checkpoint is of step %d", got)
	}
	log := filepath.Join(run, metricsFile)
	put(t, log, append(get(t, log), `{"step":5,"epo`...))
	pretrain(t, load(t, dir), PretrainOptions{Run: run, Resume: true})
	same(t, lastFile, straight, run)
	if got := steps(t, run); !slices.Equal(got, upTo(9)) {
		t.Errorf("metrics of steps %v", got)
	}
}

// A damaged last checkpoint costs the steps since the one before.
func TestResumeFromTheCheckpointBefore(t *testing.T) {
	dir := tones(t, 20)
	straight, run := filepath.Join(dir, "straight"), filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 7})
	last := filepath.Join(run, lastFile)
	b := get(t, last)
	b[len(b)-1] ^= 1
	put(t, last, b)
	con, said := silent()
	if err := Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run, Resume: true}, con); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "warning: ") {
		t.Errorf("no warning in %q", said)
	}
	same(t, lastFile, straight, run)
	if got := steps(t, run); !slices.Equal(got, upTo(9)) {
		t.Errorf("metrics of steps %v", got)
	}
}

func TestMaxStepsAndCheckpointEvery(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "checkpoint.every=2")
	at := func(last, before int) {
		t.Helper()
		if got := stepIn(t, run, lastFile); got != last {
			t.Errorf("the last checkpoint is of step %d, want %d", got, last)
		}
		if before < 0 {
			if _, err := os.Stat(filepath.Join(run, "last-1.safetensors")); err == nil {
				t.Error("there is a checkpoint too many")
			}
			return
		}
		if got := stepIn(t, run, "last-1.safetensors"); got != before {
			t.Errorf("the checkpoint before is of step %d, want %d", got, before)
		}
	}
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 4}) // an epoch has 3 steps
	at(4, -1)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 8, Resume: true})
	at(8, 6)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 1000, Resume: true})
	at(9, 8)
}

// A run that is done stays as it is.
func TestFinishedRunResumed(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "schedule.epochs=1")
	pretrain(t, c, PretrainOptions{Run: run})
	read := func() (all string) {
		for _, f := range []string{configFile, provenanceFile, metricsFile, lastFile} {
			all += string(get(t, run, f))
		}
		return all
	}
	before := read()
	for _, max := range []int{0, 2, 100} {
		con, said := silent()
		if err := Pretrain(t.Context(), c, PretrainOptions{Run: run, Resume: true, MaxSteps: max}, con); err != nil {
			t.Fatal(err)
		}
		if read() != before {
			t.Fatalf("with --max-steps %d the run changed", max)
		}
		if !strings.Contains(said.String(), "3 of 3 steps are done") {
			t.Errorf("it says %q", said)
		}
	}
}

func TestDivergedRunStops(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 3})
	saved := get(t, run, lastFile)

	// The same run at a learning rate that no one means, from its checkpoint.
	// Pretrain would refuse: lr may not change on resume.
	c = load(t, dir, "optimizer.lr=1e30")
	d := open(t, c)
	con, _ := silent()
	err := pretrainFold(t.Context(), d, d.splits[0], PretrainOptions{Run: run, Resume: true}, con)
	if fault.KindOf(err) != fault.Diverged || fault.Remedy(err) == "" {
		t.Fatalf("%v", err)
	}
	says(t, err, "at step 4", "e+29", ".wav")
	if !bytes.Equal(get(t, run, lastFile), saved) {
		t.Error("the checkpoint changed")
	}
	if got := steps(t, run); !slices.Equal(got, upTo(4)) {
		t.Errorf("metrics of steps %v", got)
	}
}

func TestFinite(t *testing.T) {
	many := strings.Split(strings.Repeat("a.wav ", 300), " ")
	for _, c := range []struct {
		l    stepLine
		want string
	}{
		{stepLine{Loss: math.NaN()}, "the loss is NaN at step 0"},
		{stepLine{Step: 7, Loss: 1, GradNorm: math.Inf(1)}, "the gradient norm is +Inf at step 7"},
	} {
		err := finite(c.l, many)
		says(t, err, c.want)
		if len(err.Error()) > 300 || fault.KindOf(err) != fault.Diverged {
			t.Errorf("%v", err)
		}
	}
	if err := finite(stepLine{Loss: 1e30, GradNorm: 1e30}, nil); err != nil {
		t.Error(err)
	}
}

// Weights that are no longer numbers do not take the place of good ones.
func TestSaveRefusesWhatIsNotFinite(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	log, err := openMetrics(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	if err := tr.save(dir, 0, log); err != nil {
		t.Fatal(err)
	}
	good := get(t, dir, lastFile)
	tr.state()["encoder.bn1.running_var"].Data[1] = float32(math.Inf(1))
	err = tr.save(dir, 1, log)
	says(t, err, "encoder.bn1.running_var", "+Inf", "1 steps")
	if fault.KindOf(err) != fault.Diverged || !bytes.Equal(get(t, dir, lastFile), good) {
		t.Errorf("%v", err)
	}
}

// What is in the state is live: restoring it restores the trainer.
func TestRestore(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	con, _ := silent()
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	if step, saved, err := tr.restore(dir, con); step != 0 || saved || err != nil {
		t.Errorf("from nothing: step %d, saved %v, %v", step, saved, err)
	}
	cp := &checkpoint.Checkpoint{Meta: map[string]string{"step": "5", "fold": d.splits[0].Name, "corpus": d.hash}, Arrays: map[string]kernel.Array{}}
	for name, a := range tr.state() {
		b := kernel.New(a.Shape...)
		for i := range b.Data {
			b.Data[i] = float32(len(name)) + float32(i)
		}
		cp.Arrays[name] = b
	}
	write := func(key, value string) {
		t.Helper()
		old := cp.Meta[key]
		cp.Meta[key] = value
		if err := checkpoint.Save(filepath.Join(dir, lastFile), cp); err != nil {
			t.Fatal(err)
		}
		cp.Meta[key] = old
	}
	write("step", "5")
	if step, saved, err := tr.restore(dir, con); step != 5 || !saved || err != nil {
		t.Errorf("step %d, saved %v, %v", step, saved, err)
	}
	for name, a := range tr.state() {
		if !slices.Equal(a.Data, cp.Arrays[name].Data) {
			t.Errorf("%s is not what the checkpoint holds", name)
		}
	}
	for _, m := range [][2]string{{"fold", "other"}, {"corpus", "other"}, {"step", "x"}, {"step", "-1"}} {
		write(m[0], m[1])
		if _, _, err := tr.restore(dir, con); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s %s: %v", m[0], m[1], err)
		}
	}
}

// No test clip is drawn, not even to be mixed in, and what they hold does not
// move the normalisation: test clips of other sounds give the same bytes, once
// the corpus's own hash is set aside.
func TestTestClipsAreNeverHeard(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	s := d.splits[0]
	tr, err := newTrainer(d, s)
	if err != nil {
		t.Fatal(err)
	}
	test := map[string]bool{}
	for _, i := range s.Test {
		test[d.corpus.Items[i].Path] = true
	}
	if len(test) != 4 {
		t.Fatalf("%d test clips", len(test))
	}
	l, err := startLoader(t.Context(), d, tr.loaderOptions(0, 9))
	if err != nil {
		t.Fatal(err)
	}
	defer l.stop()
	for range 9 {
		v, err := l.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range v.names {
			if test[name] {
				t.Errorf("step %d draws the test clip %s", v.Step, name)
			}
		}
	}
	pretrain(t, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "a")})
	for name := range test {
		put(t, filepath.Join(dir, name), wav(3000, 0.5, 0.01))
	}
	os.Remove(filepath.Join(dir, "store.clrs"))
	pretrain(t, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "b")})
	a, err := checkpoint.Load(filepath.Join(dir, "a", lastFile))
	if err != nil {
		t.Fatal(err)
	}
	b, err := checkpoint.Load(filepath.Join(dir, "b", lastFile))
	if err != nil {
		t.Fatal(err)
	}
	if a.Meta["corpus"] == b.Meta["corpus"] {
		t.Error("the corpus's hash is the same: the recordings were not read again")
	}
	for name, x := range a.Arrays {
		if !slices.Equal(x.Data, b.Arrays[name].Data) {
			t.Errorf("%s depends on the test clips", name)
		}
	}
}

func TestSpread(t *testing.T) {
	z := kernel.New(4, 2)
	copy(z.Data, []float32{1, 0, -1, 0, 0, 1, 0, -1})
	if got := spread(z); math.Abs(got-math.Sqrt(0.5)) > 1e-12 { // 1/√P: evenly spread
		t.Errorf("evenly spread: %v", got)
	}
	copy(z.Data, []float32{.6, .8, .6, .8, .6, .8, .6, .8})
	if got := spread(z); got > 1e-7 {
		t.Errorf("collapsed: %v", got)
	}
}

func TestBatchLargerThanTheCorpus(t *testing.T) {
	dir := tones(t, 20)
	con, _ := silent()
	err := Pretrain(t.Context(), load(t, dir, "batch=17"), PretrainOptions{Run: filepath.Join(dir, "run")}, con)
	if fault.KindOf(err) != fault.Usage || fault.Remedy(err) != "set batch to at most 16" {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
}

// Silence has no deviation to divide by.
func TestSilentCorpus(t *testing.T) {
	dir := tones(t, 20)
	for i := range 20 {
		put(t, filepath.Join(dir, fmt.Sprintf("%02d.wav", i)), wav(100, 0.2, 0))
	}
	con, _ := silent()
	err := Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: filepath.Join(dir, "run")}, con)
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
}
