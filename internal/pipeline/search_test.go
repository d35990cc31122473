package pipeline

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"clr/internal/embedding"
	"clr/internal/fault"
)

func search(t *testing.T, o SearchOptions) []Found {
	t.Helper()
	con, b := silent()
	con.JSON, con.Err = true, b
	if err := Search(t.Context(), o, con); err != nil {
		t.Fatal(err)
	}
	var found []Found
	if err := json.Unmarshal(b.Bytes(), &found); err != nil {
		t.Fatalf("%v:\n%s", err, b)
	}
	return found
}

// A clip is nearest to itself, embedded as the index was: cut into the same windows,
// by the encoder that the index names, or any of the same bits.
func TestSearch(t *testing.T) {
	dir, model := exportedTones(t)
	run := Source{Run: filepath.Join(dir, "run")}
	clip := func(name string) string { return filepath.Join(dir, name) }
	whole, cut := filepath.Join(dir, "whole.parquet"), filepath.Join(dir, "cut.npz")
	embedCorpus(t, CorpusOptions{run, "", "parquet", whole}, "embed.pool=max", "embed.hop=0.25")
	embedCorpus(t, CorpusOptions{run, "", "npz", cut}, "windows.length=0.1", "windows.hop=0.05")
	x, err := embedding.OpenIndex(whole)
	if err != nil {
		t.Fatal(err)
	}
	x.Close()
	if got, want := x.About[aboutHow], `{"run":"run","embed":{"head_layers":0,"hop":0.25,"pool":"max","weights":"ema"},"window":0,"hop":0}`; got != want {
		t.Errorf("%s is %s, want %s", aboutHow, got, want)
	}
	for _, s := range []Source{{}, run, {Model: model}, {Bundle: dir}} {
		found := search(t, SearchOptions{s, whole, []string{clip("07.wav"), clip("12.wav")}, 3})
		if len(found) != 2 || found[0].Query != clip("07.wav") || found[0].Windows != 1 || len(found[0].Hits) != 3 {
			t.Fatalf("%+v", found)
		}
		for i, row := range []int{7, 12} {
			h := found[i].Hits[0]
			if h.Row != row || math.Abs(h.Similarity-1) > 1e-6 || h.Path != []string{"07.wav", "12.wav"}[i] || h.Label != []string{"high", "low"}[i] || *h.Start != 0 || *h.End < 0.2 {
				t.Errorf("the nearest to clip %d: %+v", row, h)
			}
			if next := found[i].Hits[1]; next.Similarity > h.Similarity {
				t.Errorf("%+v stands behind %+v", next, h)
			}
		}
		found = search(t, SearchOptions{s, cut, []string{clip("07.wav")}, 100})
		if f := found[0]; f.Windows != 5 || len(f.Hits) != len(tableOf(t, cut).Columns["path"]) {
			t.Fatalf("%d windows, %d hits", f.Windows, len(f.Hits))
		}
		for _, h := range found[0].Hits[:5] {
			if h.Path != "07.wav" || math.Abs(h.Similarity-1) > 1e-6 || h.QueryStart != *h.Start || h.QueryEnd != *h.End {
				t.Errorf("a window of the recording itself: %+v", h)
			}
		}
	}

	// The encoder that the index names may move with it, not alone.
	moved := filepath.Join(dir, "moved.parquet")
	put(t, moved, get(t, whole))
	search(t, SearchOptions{Source{}, moved, []string{clip("07.wav")}, 1})
	if err := os.Rename(run.Run, run.Run+"-away"); err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	err = Search(t.Context(), SearchOptions{Source{}, whole, []string{clip("07.wav")}, 1}, con)
	says(t, err, "the encoder that "+whole+" was embedded by", "is not a run folder")
	if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestSearchRefuses(t *testing.T) {
	dir, model := exportedTones(t)
	_, other := exportedTones(t, "seed=2")
	clip := []string{filepath.Join(dir, "07.wav")}
	parquet, npy := filepath.Join(dir, "e.parquet"), filepath.Join(dir, "e.npy")
	manifest := filepath.Join(dir, "manifest.csv")
	embedCorpus(t, CorpusOptions{Source{Model: model}, manifest, "parquet", parquet})
	embedCorpus(t, CorpusOptions{Source{Model: model}, manifest, "npy", npy}, "embed.pool=mean_max")
	broken := filepath.Join(dir, "broken.wav")
	put(t, broken, []byte("RIFF"))
	for _, c := range []struct {
		o    SearchOptions
		kind fault.Kind
		says string
	}{
		{SearchOptions{Source{Model: other}, parquet, clip, 1}, fault.Usage, other + " is "},
		{SearchOptions{Source{}, npy, clip, 1}, fault.Usage, "does not say by which encoder"},
		{SearchOptions{Source{Model: model}, npy, clip, 1}, fault.Data, "has embeddings of 64 values, " + model + " gives 32"},
		{SearchOptions{Source{}, parquet, clip, 0}, fault.Usage, "--top is 0"},
		{SearchOptions{Source{}, manifest, clip, 1}, fault.Data, manifest},
		{SearchOptions{Source{}, parquet, []string{filepath.Join(dir, "none.wav")}, 1}, fault.Data, "none.wav"},
		{SearchOptions{Source{}, parquet, []string{broken}, 1}, fault.Data, "broken.wav"},
		{SearchOptions{Source{}, parquet, []string{dir}, 1}, fault.Data, "a folder"},
		{SearchOptions{Source{Model: model, Bundle: dir}, parquet, clip, 1}, fault.Usage, "2 are given"},
	} {
		con, _ := silent()
		err := Search(t.Context(), c.o, con)
		if says(t, err, c.says); fault.KindOf(err) != c.kind || fault.Remedy(err) == "" {
			t.Errorf("kind %d, remedy %q: %v", fault.KindOf(err), fault.Remedy(err), err)
		}
	}
}
