package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
)

func TestBuiltinCorpus(t *testing.T) {
	c, err := builtinCorpus(audio.DefaultReading, "fsdd")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Items) != 1440 || !slices.Equal(c.Columns, []string{"path", "label", "speaker"}) {
		t.Errorf("%d clips, columns %v", len(c.Items), c.Columns)
	}
	if clip, err := c.Read(7, 8000); err != nil || len(clip.Samples) == 0 {
		t.Error(err)
	}
	_, err = builtinCorpus(audio.DefaultReading, "mnist")
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), "builtin:fsdd") {
		t.Errorf("%v", err)
	}
}

// A store that is there and fits is used as it is; what is missing is made.
func TestOpenDataMakesWhatIsMissing(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	said := func(verify bool) string {
		t.Helper()
		con, b := silent()
		d, err := openData(t.Context(), c, con, verify)
		if err != nil {
			t.Fatal(err)
		}
		if d.store.Len() != 20 || d.input.Bins != 24 || len(d.splits) != 1 || d.by != "split" {
			t.Errorf("%d clips, %d bins, %d splits by %s", d.store.Len(), d.input.Bins, len(d.splits), d.by)
		}
		d.Close()
		return b.String()
	}
	if s := said(false); !strings.Contains(s, "features: the store has to be made") || !strings.Contains(s, "20/20") {
		t.Errorf("the first time: %q", s)
	}
	before := get(t, dir, "store.clrs")
	for _, verify := range []bool{false, true} {
		if s := said(verify); s != "" {
			t.Errorf("the second time: %q", s)
		}
	}
	if !bytes.Equal(get(t, dir, "store.clrs"), before) {
		t.Error("the store changed")
	}
	c = load(t, dir, "feature.n_mels=24", "feature.f_max=3700")
	if s := said(false); !strings.Contains(s, "brought up to date") {
		t.Errorf("with another feature: %q", s)
	}
}

// The normalisation is of the clips that are named, and nothing else.
func TestNormalization(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	a, err := d.normalization([]int{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.normalization([]int{0, 1, 3})
	if err != nil || a.mean[0] == b.mean[0] || a.std[0] <= 0 || a.binMean != nil {
		t.Errorf("%v, %v, %v", a, b, err)
	}
	d.c.View.Normalize = "corpus_band"
	c, err := d.normalization([]int{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.store.MeanStd([]int{0, 1, 2}, 1)
	if err != nil || c.mean[0] != a.mean[0] || c.std[0] != a.std[0] || len(c.binMean) != d.input.Bins || len(c.binStd) != d.input.Bins {
		t.Fatalf("%v, %v", c, err)
	}
	for i, mean := range m.BinMean {
		if c.binMean[i] != float32(mean) || c.binStd[i] != float32(m.BinStd[i]) {
			t.Errorf("bin %d: %v, %v; want %v, %v", i, c.binMean[i], c.binStd[i], mean, m.BinStd[i])
		}
	}
}

// A bin that is the same in all clips is divided by the deviation of all values.
func TestNormalizationOfDeadBins(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir, "view.normalize=corpus_band", "feature.n_mels=120")) // more than the FFT has bins for
	n, err := d.normalization([]int{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.store.MeanStd([]int{0, 1, 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	dead := 0
	for b, std := range m.BinStd {
		if std < 1e-9 {
			dead++
			if n.binStd[b] != n.std[0] {
				t.Errorf("bin %d is divided by %v", b, n.binStd[b])
			}
		}
	}
	if dead == 0 {
		t.Error("no bin is dead: the test proves nothing")
	}
}

func TestFeatures(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	var out, log bytes.Buffer
	con := Console{Out: &out, Err: &log}
	if err := Features(t.Context(), c, con); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.HasPrefix(s, c.StorePath()+": 20 clips, 20 made now, 0 kept, ") || strings.Count(s, "\n") != 1 {
		t.Errorf("it says %q", s)
	}
	out.Reset()
	con.JSON = true
	if err := Features(t.Context(), c, con); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Store             string
		Clips, Made, Kept int
		Bytes             int64
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Store != c.StorePath() || r.Clips != 20 || r.Made != 0 || r.Kept != 20 || r.Bytes != int64(len(get(t, dir, "store.clrs"))) {
		t.Errorf("%s: %v", &out, err)
	}

	os.Remove(c.StorePath())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Features(ctx, c, con); fault.KindOf(err) != fault.Interrupted || fault.Remedy(err) == "" {
		t.Errorf("interrupted: %v", err)
	}
	c.Store = filepath.Join(dir, "manifest.csv", "store.clrs")
	if err := Features(t.Context(), c, con); err == nil {
		t.Error("a store inside a file")
	}
}
