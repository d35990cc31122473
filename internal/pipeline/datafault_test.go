package pipeline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// must fails on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// onWaves has the recordings read again in training.
var onWaves = []string{"augment=[{name: wave_gain}, {name: gain}]"}

// Something happens to the data in mid-epoch, of 9 steps after the fourth. The
// error is of data and names what is wrong, the checkpoint of the epoch before
// is whole, and when the fault is gone the run ends in the bytes of one that
// nothing happened to.
func TestDataFaultInMidEpoch(t *testing.T) {
	dir := tones(t, 20)
	store, wave := filepath.Join(dir, "store.clrs"), filepath.Join(dir, "07.wav")
	straight := map[bool]string{false: filepath.Join(dir, "straight"), true: filepath.Join(dir, "straight-waves")}
	pretrain(t, load(t, dir), PretrainOptions{Run: straight[false]})
	pretrain(t, load(t, dir, onWaves...), PretrainOptions{Run: straight[true]})
	sound, features := get(t, wave), get(t, store)
	other := wav(1234, 0.26, 0.5)
	for name, f := range map[string]struct {
		waves bool
		do    func()
		says  string // beside the name of the store or the recording; empty: no error
	}{
		"store cut off":           {false, func() { must(t, os.Truncate(store, 5000)) }, "store.clrs"},
		"store cut within a page": {false, func() { must(t, os.Truncate(store, int64(len(features)-1))) }, "store.clrs is damaged: it has"},
		"store emptied":           {false, func() { must(t, os.Truncate(store, 0)) }, "store.clrs"},
		"store written over": {false, func() {
			f, err := os.OpenFile(store, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt(make([]byte, 20000), 2000)
			must(t, errors.Join(err, f.Close()))
		}, "have the checksum"},
		"store deleted": {false, func() { must(t, os.Remove(store)) }, ""},
		"store replaced": {false, func() {
			con, _ := silent()
			must(t, Features(t.Context(), load(t, dir, "feature.n_mels=20"), con))
		}, ""},
		"store touched":      {false, func() { must(t, os.Chtimes(store, time.Time{}, time.Now().Add(time.Hour))) }, ""},
		"recording gone":     {true, func() { must(t, os.Remove(wave)) }, "07.wav"},
		"recording cut off":  {true, func() { must(t, os.Truncate(wave, 1000)) }, "07.wav"},
		"recording replaced": {true, func() { put(t, wave, other) }, "07.wav: the recording has changed"},
		"recording brought anew": {true, func() {
			put(t, wave+"x", sound)
			must(t, os.Rename(wave+"x", wave))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var set []string
			if f.waves {
				set = onWaves
			}
			run := filepath.Join(dir, name)
			con := Console{Err: trap{"pretrain 4/9", f.do}}
			err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run}, con)
			if f.says == "" {
				must(t, err)
			} else {
				says(t, err, f.says)
				if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
					t.Errorf("kind %d: %v", fault.KindOf(err), err)
				}
				if at := stepIn(t, run, rundir.LastFile); at != 3 && at != 6 {
					t.Errorf("the checkpoint is of step %d", at)
				}
			}
			put(t, wave, sound)
			put(t, store, features)
			if f.says != "" {
				pretrain(t, load(t, dir, set...), PretrainOptions{Run: run, Resume: true})
			}
			same(t, rundir.LastFile, straight[f.waves], run)
			if got := steps(t, run); !slices.Equal(got, upTo(9)) {
				t.Errorf("steps %v", got)
			}
		})
	}
}

// The store is damaged before anything opens it. Each command says so, by the
// clip's name where it is one clip's features; made again, the same bytes.
func TestDamagedStoreIsNamed(t *testing.T) {
	dir := tones(t, 20)
	run, _, _ := trainedOn(t, dir)
	store := filepath.Join(dir, "store.clrs")
	features := get(t, store)
	commands := map[string]func() error{
		"pretrain": func() error {
			con, _ := silent()
			defer os.RemoveAll(run + "2")
			return Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run + "2"}, con)
		},
		"probe": func() error {
			con, _ := silent()
			_, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
			return err
		},
		"export": func() error {
			con, _ := silent()
			return Export(t.Context(), ExportOptions{Run: run, Format: "npy", Out: filepath.Join(dir, "x.npy")}, con)
		},
	}
	flipped := slices.Clone(features)
	flipped[bytes.Index(features, []byte("clip"))+64+5] ^= 0x10 // behind the first record's head
	for name, f := range map[string]struct {
		b    []byte
		says string
		mend func() error // what the remedy asks for
	}{
		"cut off": {features[:len(features)-100], "is damaged", func() error { return os.Remove(store) }},
		"empty":   {nil, "is damaged", func() error { return os.Remove(store) }},
		"flipped": {flipped, "the features of clip 00.wav have the checksum", func() error { return nil }},
	} {
		for command, do := range commands {
			put(t, store, f.b)
			err := do()
			says(t, err, store, f.says)
			if fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), "clr features again") {
				t.Errorf("%s, %s: kind %d, remedy %q: %v", name, command, fault.KindOf(err), fault.Remedy(err), err)
			}
			must(t, f.mend())
			con, _ := silent()
			must(t, Features(t.Context(), load(t, dir), con))
			if !slices.Equal(get(t, store), features) {
				t.Errorf("%s: made again, the store differs", name)
			}
			if err := do(); err != nil {
				t.Errorf("%s, %s: after mending: %v", name, command, err)
			}
		}
	}
}

// A store of the version before is made again, with a word about it.
func TestOlderStoreIsMadeAgain(t *testing.T) {
	dir := tones(t, 20)
	open(t, load(t, dir))
	store := filepath.Join(dir, "store.clrs")
	features := get(t, store)
	old := slices.Clone(features)
	binary.LittleEndian.PutUint32(old[8:], 1)
	put(t, store, old)
	con, said := silent()
	d, err := openData(t.Context(), load(t, dir), con, false)
	must(t, err)
	must(t, d.Close())
	if !slices.Equal(get(t, store), features) || !strings.Contains(said.String(), "an older clr made it; it is made again") {
		t.Errorf("it says %q; or other bytes", said)
	}
}

// The disk runs full while a run makes its store: the error is of resources,
// and the same command goes on when there is room.
func TestFullDiskWhileFeaturesAreMade(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	writes := 0
	restore := disk.Intercept(func(c disk.Change) error {
		if strings.HasSuffix(c.Path, ".partial") && c.Kind == "write" {
			if writes++; writes > 8 {
				return syscall.ENOSPC
			}
		}
		return nil
	})
	con, _ := silent()
	err := Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run}, con)
	restore()
	says(t, err, "store.clrs.partial")
	if fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" {
		t.Errorf("kind %d: %v", fault.KindOf(err), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "store.clrs")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a store has the name: %v", err)
	}
	must(t, Features(t.Context(), load(t, dir), con))
	again := tones(t, 20)
	open(t, load(t, again))
	same(t, "store.clrs", dir, again)
	pretrain(t, load(t, dir), PretrainOptions{Run: run})
}

// The hash of the corpus says what is heard and how it is divided, and nothing
// of the features.
func TestCorpusHashOfData(t *testing.T) {
	dir := tones(t, 20)
	hash := func(set ...string) string { t.Helper(); return open(t, load(t, dir, set...)).hash }
	want := hash()
	if len(want) != 64 || hash("feature.n_mels=20") != want || hash("workers=1") != want {
		t.Error("the hash is not of the corpus alone")
	}
	if hash("split.by=room") == want {
		t.Error("another division, the same hash")
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.Replace(string(get(t, dir, "manifest.csv")), "00.wav,low", "00.wav,high", 1)))
	if hash() == want {
		t.Error("another label, the same hash")
	}
}
