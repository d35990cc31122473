package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/embedding"
	"clr/internal/fault"
)

func embedCorpus(t *testing.T, o CorpusOptions, set ...string) {
	t.Helper()
	con, said := silent()
	if err := EmbedCorpus(t.Context(), o, Overrides{Set: set}, con); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if exists(partialPath(o.Out)) {
		t.Errorf("%s is left over", partialPath(o.Out))
	}
}

// embedAnew is embedCorpus where a table may be in the way.
func embedAnew(t *testing.T, o CorpusOptions, set ...string) {
	t.Helper()
	if err := os.Remove(o.Out); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	embedCorpus(t, o, set...)
}

// table reads embeddings.
func tableOf(t *testing.T, path string) *embedding.Table {
	t.Helper()
	table, err := embedding.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A corpus is embedded to the bits that an export has of it, by the run or by what
// it exported, and to the same bytes on any number of threads.
func TestEmbedIsExport(t *testing.T) {
	for name, set := range map[string][]string{
		"whole":   {"embed.pool=mean_max", "embed.hop=0.3", "view.normalize=corpus_band"},
		"windows": {"windows.length=0.1", "windows.hop=0.07"},
		"average": {"update.ema=0.9", "split.by=room"},
		"headed":  {"embed.head_layers=1", "method.projector={hidden: [6], out: 4, norm: true}"},
	} {
		dir := tones(t, 20)
		run := filepath.Join(dir, "run")
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, MaxSteps: 2})
		fold := ""
		if name == "average" {
			fold = "x"
		}
		npz, model := filepath.Join(dir, "e.npz"), filepath.Join(dir, bundleWeights)
		export(t, ExportOptions{Run: run, Fold: fold, Format: "npz", Out: npz})
		export(t, ExportOptions{Run: run, Fold: fold, Format: "safetensors", Out: model})
		want := tableOf(t, npz)
		if err := os.Remove(filepath.Join(dir, "store.clrs")); err != nil {
			t.Fatal(err)
		}
		manifest := filepath.Join(dir, "manifest.csv")
		for by, source := range map[string]Source{"run": {Run: run, Fold: fold}, "model": {Model: model}, "bundle": {Bundle: dir}} {
			for format := range EmbedFormats {
				out := filepath.Join(dir, by+"."+format)
				for _, threads := range []int{1, 2, 5} {
					before := runtime.GOMAXPROCS(threads)
					embedAnew(t, CorpusOptions{source, manifest, format, out})
					runtime.GOMAXPROCS(before)
					if first := out + ".first"; threads == 1 {
						put(t, first, get(t, out))
					} else {
						same(t, filepath.Base(out), dir, filepath.Dir(out))
						if !bytes.Equal(get(t, first), get(t, out)) {
							t.Errorf("%s: %s by %d threads are other bytes", name, out, threads)
						}
					}
				}
				if embedding.Formats[format] == "" {
					continue
				}
				got := tableOf(t, out)
				if !slices.Equal(got.X, want.X) || got.D != want.D {
					t.Errorf("%s: %s as %s: other embeddings than those that clr export writes", name, by, format)
				}
				if format == "npy" {
					continue
				}
				for _, column := range []string{"path", "label", "split", "room"} {
					if !slices.Equal(got.Columns[column], want.Columns[column]) || len(got.Columns) != 6 {
						t.Errorf("%s: %s as %s: column %s differs", name, by, format, column)
					}
				}
				if name == "windows" && !slices.Equal(got.Columns["end"], want.Columns["end"]) || got.Columns["end"][0] == "" {
					t.Errorf("%s: ends are %q", name, got.Columns["end"])
				}
			}
		}
		if exists(filepath.Join(dir, "store.clrs")) {
			t.Error("a store was made")
		}
	}
}

// A folder of recordings is a corpus, whose sub-folders are labels; recordings need
// neither the run's corpus nor a manifest.
func TestEmbedFolder(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	npz := filepath.Join(dir, "e.npz")
	embedCorpus(t, CorpusOptions{Source{Run: run}, "", "npz", npz})
	want := tableOf(t, npz)
	for _, name := range []string{"b/00.wav", "a/01.wav"} {
		if err := os.MkdirAll(filepath.Join(dir, "sounds", filepath.Dir(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "sounds", name), get(t, dir, filepath.Base(name)))
	}
	if err := os.Remove(filepath.Join(dir, "manifest.csv")); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "sounds.parquet")
	embedCorpus(t, CorpusOptions{Source{Run: run}, filepath.Join(dir, "sounds"), "parquet", out})
	got := tableOf(t, out)
	if !slices.Equal(got.Columns["path"], []string{"a/01.wav", "b/00.wav"}) || !slices.Equal(got.Columns["label"], []string{"a", "b"}) {
		t.Errorf("%v", got.Columns)
	}
	if d := want.D; !slices.Equal(got.X, slices.Concat(want.X[d:2*d], want.X[:d])) {
		t.Error("recordings of a folder have other embeddings than as lines of a manifest")
	}
}

// errStop ends a test's writing where a process would have died.
var errStop = errors.New("stopped by the test")

// However a process dies, whatever becomes of what it kept, the next one ends in
// the bytes of one that nobody disturbed.
func TestEmbedResumes(t *testing.T) {
	dir := tones(t, 20)
	put(t, filepath.Join(dir, "07.wav"), []byte("RIFF")) // what cannot be used is left out again
	run := filepath.Join(dir, "run")
	skip := []string{"on_error={do: skip, most: 0.2}", "windows.length=0.1", "windows.hop=0.05"}
	pretrain(t, load(t, dir, skip...), PretrainOptions{Run: run, MaxSteps: 1})
	out := filepath.Join(dir, "e.parquet")
	o := CorpusOptions{Source{Run: run}, "", "parquet", out}
	embedCorpus(t, o)
	want, list := get(t, out), get(t, audio.QuarantinePath(out))
	if !bytes.Contains(list, []byte("07.wav")) {
		t.Errorf("the list is\n%s", list)
	}
	partial := partialPath(out)

	// Every change of the disk fails, and all those behind it.
	var whole []byte
	for n := 0; ; n++ {
		for _, path := range []string{out, audio.QuarantinePath(out)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		left := n
		restore := disk.Intercept(func(c disk.Change) error {
			if left--; left < 0 {
				return errStop
			}
			return nil
		})
		con, _ := silent()
		err := EmbedCorpus(t.Context(), o, Overrides{}, con)
		restore()
		if err == nil {
			if n < 6 {
				t.Errorf("it took %d changes of the disk", n)
			}
			break
		}
		if !errors.Is(err, errStop) {
			t.Fatalf("change %d: %v", n, err)
		}
		if b, err := os.ReadFile(partial); err == nil && len(b) > len(whole) {
			whole = b
		}
		embedCorpus(t, o)
		if !bytes.Equal(get(t, out), want) || !bytes.Equal(get(t, audio.QuarantinePath(out)), list) {
			t.Fatalf("after change %d failed it ends in other bytes", n)
		}
	}
	if len(whole) < journalHead+20*4 {
		t.Fatalf("%d bytes are kept", len(whole))
	}

	// What is kept is cut off, or damaged, anywhere.
	for at := journalHead; at < len(whole); at += 1 + len(whole)/25 {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x40
		for _, b := range [][]byte{whole[:at], damaged, append(slices.Clone(whole[:at]), whole[journalHead:]...)} {
			put(t, partial, b)
			embedAnew(t, o)
			if !bytes.Equal(get(t, out), want) {
				t.Fatalf("what was kept is damaged at %d: it ends in other bytes", at)
			}
		}
	}

	// A recording that was replaced since is embedded as it is now, and so is all behind it.
	put(t, partial, whole)
	put(t, filepath.Join(dir, "03.wav"), wav(500, 0.3, 1))
	embedAnew(t, o)
	got := get(t, out)
	if bytes.Equal(got, want) {
		t.Error("a recording's old embedding was taken")
	}
	embedAnew(t, o)
	if !bytes.Equal(got, get(t, out)) {
		t.Error("after a recording was replaced it ends in other bytes than from the beginning")
	}

	// Other settings begin anew; what is no journal stays.
	put(t, partial, whole)
	o.Out = out
	embedAnew(t, o, "embed.pool=max")
	if tableOf(t, out).D != 32 {
		t.Error("an earlier start's embeddings were taken")
	}
	put(t, partial, []byte("mine"))
	con, _ := silent()
	if err := EmbedCorpus(t.Context(), o, Overrides{}, con); fault.KindOf(err) != fault.Usage || string(get(t, partial)) != "mine" {
		t.Errorf("a file in the way: %v", err)
	}
}

// A finished table stays where it was made of the same, in all formats; of anything
// else it is neither kept silently nor written over.
func TestEmbedFinished(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	for format := range EmbedFormats {
		o := CorpusOptions{Source{Run: run}, "", format, filepath.Join(dir, "e."+format)}
		embedCorpus(t, o)
		table := get(t, o.Out)
		again := func(set ...string) (changes int, said string, err error) {
			restore := disk.Intercept(func(disk.Change) error { changes++; return nil })
			defer restore()
			con, b := silent()
			err = EmbedCorpus(t.Context(), o, Overrides{Set: set}, con)
			if !bytes.Equal(get(t, o.Out), table) {
				t.Errorf("%s, %q: the table is another", format, set)
			}
			return changes, b.String(), err
		}
		if n, said, err := again(); n != 0 || err != nil || !strings.Contains(said, "is there, made by the same encoder") || !strings.Contains(said, ": 20 clips of 32 values, 0 made now") {
			t.Errorf("%s: %d changes, %v, %s", format, n, err, said)
		}
		refused := func(why string, set ...string) {
			t.Helper()
			n, _, err := again(set...)
			if says(t, err, o.Out+" is there, and "+why); n != 0 || fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), "remove this one") {
				t.Errorf("%s: %d changes, %v", format, n, err)
			}
		}
		refused("it was made by another encoder or with other settings", "embed.pool=max")
		manifest := get(t, dir, "manifest.csv")
		put(t, filepath.Join(dir, "manifest.csv"), bytes.Replace(manifest, []byte("low"), []byte("lower"), 1))
		refused("the manifest or a recording is not what it was made of")
		put(t, filepath.Join(dir, "manifest.csv"), manifest)
		sound := get(t, dir, "03.wav")
		put(t, filepath.Join(dir, "03.wav"), sound[:len(sound)-2])
		refused("the manifest or a recording is not what it was made of")
		put(t, filepath.Join(dir, "03.wav"), sound)
		embedAnew(t, o) // the recording has another time now
		table = append(get(t, o.Out), "\n"...)
		put(t, o.Out, table)
		refused("it was changed since it was made")
		if err := os.Remove(finishPath(o.Out)); err != nil {
			t.Fatal(err)
		}
		refused("nothing beside it says of what it was made")
	}
}

// Stopped by a signal, it says that the same command goes on, and how far it came;
// who writes the same meanwhile is refused.
func TestEmbedInterrupted(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	manifest := "path,start,end\n"
	for i := range 400 {
		manifest += fmt.Sprintf("%02d.wav,%v,\n", i%20, float64(i/20)*0.002)
	}
	put(t, filepath.Join(dir, "many.csv"), []byte(manifest))
	o := CorpusOptions{Source{Run: run}, filepath.Join(dir, "many.csv"), "npz", filepath.Join(dir, "straight.npz")}
	embedCorpus(t, o)
	o.Out = filepath.Join(dir, "e.npz")
	ctx, cancel := context.WithCancel(t.Context())
	writes := 0
	restore := disk.Intercept(func(c disk.Change) error {
		if c.Path == partialPath(o.Out) && c.Kind == "write" {
			if writes++; writes == 3 { // the head, two batches
				con, _ := silent()
				if err := EmbedCorpus(t.Context(), o, Overrides{}, con); fault.KindOf(err) != fault.Resource || !errors.Is(err, disk.ErrLocked) {
					t.Errorf("two write the same: %v", err)
				}
				cancel()
			}
		}
		return nil
	})
	con, said := silent()
	err := EmbedCorpus(ctx, o, Overrides{}, con)
	restore()
	says(t, err, "interrupted; ", "of 400 clips are embedded")
	if fault.KindOf(err) != fault.Interrupted || fault.Remedy(err) == "" || exists(o.Out) {
		t.Fatalf("%v\n%s", err, said)
	}
	con, said = silent()
	if err := EmbedCorpus(t.Context(), o, Overrides{}, con); err != nil || !strings.Contains(said.String(), "going on from clip ") {
		t.Errorf("%v\n%s", err, said)
	}
	same(t, "e.npz", dir, filepath.Dir(o.Out))
	if !reflect.DeepEqual(tableOf(t, o.Out), tableOf(t, filepath.Join(dir, "straight.npz"))) {
		t.Error("it ends in other embeddings")
	}
}

// What cannot be read obeys on_error: all of it is named, or left out and listed.
func TestEmbedOnError(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	put(t, filepath.Join(dir, "04.wav"), []byte("RIFF"))
	put(t, filepath.Join(dir, "11.wav"), []byte("no sound"))
	out := filepath.Join(dir, "e.csv")
	o := CorpusOptions{Source{Run: run}, "", "csv", out}
	con, _ := silent()
	err := EmbedCorpus(t.Context(), o, Overrides{}, con)
	says(t, err, "manifest.csv:6: 04.wav", "manifest.csv:13: 11.wav")
	if fault.KindOf(err) != fault.Data || exists(out) {
		t.Errorf("%v", err)
	}
	err = EmbedCorpus(t.Context(), o, Overrides{Set: []string{"on_error={do: skip, most: 0.05}"}}, con)
	says(t, err, "2 of 20 lines cannot be used, on_error.most is 0.05")
	embedCorpus(t, o, "on_error={do: skip, most: 0.1}")
	if rows := readCSV(t, out); len(rows) != 19 || rows[5][0] != "05.wav" {
		t.Errorf("%d lines", len(rows))
	}
	if list := string(get(t, audio.QuarantinePath(out))); strings.Count(list, "\n") != 3 {
		t.Errorf("the list is\n%s", list)
	}
	put(t, filepath.Join(dir, "04.wav"), wav(440, 0.3, 1))
	put(t, filepath.Join(dir, "11.wav"), wav(440, 0.3, 1))
	con, _ = silent()
	says(t, EmbedCorpus(t.Context(), o, Overrides{}, con), "e.csv is there, and it was made by another encoder or with other settings")
	if embedAnew(t, o); exists(audio.QuarantinePath(out)) {
		t.Error("a list of nothing")
	}
}

func TestEmbedRefuses(t *testing.T) {
	dir := tones(t, 20)
	run, out := filepath.Join(dir, "run"), filepath.Join(dir, "e.npz")
	pretrain(t, load(t, dir, "split.by=room"), PretrainOptions{Run: run, MaxSteps: 1})
	for _, c := range []struct {
		o    CorpusOptions
		set  string
		kind fault.Kind
		says string
	}{
		{CorpusOptions{Source{Run: run}, "", "npz", out}, "", fault.Usage, "the run has 2 encoders, one per fold"},
		{CorpusOptions{Source{Run: run, Fold: "z"}, "", "npz", out}, "", fault.Usage, `there is no fold "z"`},
		{CorpusOptions{Source{Run: run, Fold: "x"}, "", "pickle", out}, "", fault.Usage, `there is no format "pickle"`},
		{CorpusOptions{Source{Run: run, Fold: "x"}, "", "npz", filepath.Join(dir, "manifest.csv")}, "", fault.Usage, "no earlier table of embeddings"},
		{CorpusOptions{Source{Run: run, Fold: "x"}, "", "npz", out}, "batch=3", fault.Usage, "pretrain another run"},
		{CorpusOptions{Source{Run: run, Fold: "x"}, "", "npz", out}, "windows.length=-1", fault.Usage, "length is -1"},
		{CorpusOptions{Source{Run: run, Fold: "x"}, filepath.Join(dir, "none.csv"), "npz", out}, "", fault.Data, "none.csv"},
		{CorpusOptions{Source{Run: t.TempDir()}, "", "npz", out}, "", fault.Usage, "is not a run folder"},
		{CorpusOptions{Source{}, "", "npz", out}, "", fault.Usage, "no encoder is given"},
		{CorpusOptions{Source{Run: run, Bundle: dir}, "", "npz", out}, "", fault.Usage, "2 are given"},
		{CorpusOptions{Source{Fold: "x", Bundle: dir}, "", "npz", out}, "", fault.Usage, "--fold x is of a run"},
		{CorpusOptions{Source{Bundle: dir}, filepath.Join(dir, "manifest.csv"), "npz", out}, "", fault.Data, "no such file"},
	} {
		con, _ := silent()
		var set []string
		if c.set != "" {
			set = append(set, c.set)
		}
		err := EmbedCorpus(t.Context(), c.o, Overrides{Set: set}, con)
		if says(t, err, c.says); fault.KindOf(err) != c.kind || fault.Remedy(err) == "" && !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("kind %d, remedy %q: %v", fault.KindOf(err), fault.Remedy(err), err)
		}
	}
	if exists(partialPath(out)) || exists(out) {
		t.Error("what is refused has written something")
	}
}
