package layout

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/fuzztest"
)

// A list is a file of a layout that is not sound, and the corpus around it.
type list struct {
	layout string
	name   string
	o      Options
	files  map[string]string // without it
	texts  []string          // that it may hold
}

var lists = []list{
	{"esc50", "meta/esc50.csv", Options{Only: "esc10"}, files("audio/1-100-A-0.wav", "audio/1-100-B-0.wav", "audio/2-7-A-30.wav", "audio/2-8-A-1.wav", "out.wav"),
		[]string{esc()["meta/esc50.csv"], "filename,fold,category,src_file,esc10\n../out.wav,1,dog,1,True\n../../beside.wav,1,dog,1,true\n"}},
	{"urbansound8k", "metadata/UrbanSound8K.csv", Options{}, files("audio/fold1/101415-3-0-2.wav", "audio/fold10/100648-1-0-0.wav"),
		[]string{"slice_file_name,fsID,start,end,salience,fold,classID,class\n101415-3-0-2.wav,101415,0.5,4.5,1,1,3,dog_bark\n100648-1-0-0.wav,100648,4,5.1,2,10,1,car_horn\n",
			"slice_file_name,fsID,fold,class\nbeside.wav,1,1/../../..,x\n\"101415-3-0-2.wav\",\"a\rb\",1,\" a\n\"\n"}},
	{"nsynth", "nsynth-train/examples.json", Options{}, files("nsynth-train/audio/bass_000-060-100.wav", "nsynth-train/audio/flute_001-061-025.wav"),
		[]string{`{"bass_000-060-100": {"instrument_str": "bass_000", "instrument_family_str": "bass", "pitch": 60, "velocity": 100, "instrument_source_str": "acoustic", "qualities": [0, 1]},
 "flute_001-061-025": {"instrument_str": "flute\r\n001", "instrument_family_str": 1e3, "pitch": null}}`,
			`{"../../../beside": {"instrument_family_str": "bass"}}`, "{\"a\":" + strings.Repeat("[", 20000)}},
	{"hear", "task_metadata.json", Options{}, hearFiles(), []string{
		`{"task_name": "pets", "embedding_type": "event", "split_mode": "presplit_kfold", "nfolds": 2, "evaluation": ["mAP"], "sample_duration": 1.0}`,
		`{"embedding_type": "scene", "split_mode": "trainvaltest", "splits": ["../16000", "", "fold00", "fold00", "/", ".."]}`,
		`{"embedding_type": "event", "split_mode": "new_split_kfold", "nfolds": 1e3, "splits": null}`}},
	{"hear", "fold00.json", Options{}, hearFiles(), []string{
		`{"a.wav": [{"label": "dog", "start": 250.5, "end": 1000}, {"label": 60, "start": 0, "end": 12.25}]}`,
		`{"a.wav": [{"label": "dog", "start": 1e-323, "end": 5e-323}, {"Label": "cat", "start": -0, "end": 1e308}], "../../../beside.wav": [{"label": "dog", "end": 1}]}`}},
	{"hear", "labelvocabulary.csv", Options{}, hearFiles(), []string{"idx,label\n0,dog\n1,cat\n2,60\n", "label\n\"dog\"\n\" cat\"\n60\n"}},
	{"evar", "list.csv", Options{}, files("a.wav", "b/c.wav"), []string{"file_name,label,split\na.wav,\"dog, cat\",train\nb/c.wav,cat,test\n",
		"file_name,label,fold\n../beside.wav,x,0\n./b/../a.wav,x,1\n,,\n"}},
	{"speech-commands", "testing_list.txt", Options{}, with(files("bed/0a1b_nohash_0.wav", "cat/ffff_nohash_0.wav"), "validation_list.txt", "cat/ffff_nohash_0.wav\n"),
		[]string{"bed/0a1b_nohash_0.wav\r\n\r\n", "../../beside.wav\n\n"}},
}

// hearFiles is a whole task of two folds.
func hearFiles() map[string]string {
	m := files("48000/fold00/a.wav", "48000/fold01/b.wav", "48000/fold01/c.wav")
	m["fold00.json"] = `{"a.wav": [{"label": "dog", "start": 0, "end": 1}]}`
	m["fold01.json"] = `{"b.wav": [], "c.wav": [{"label": "cat", "start": 0, "end": 1}]}`
	return hear(`{"embedding_type": "event", "split_mode": "presplit_kfold", "nfolds": 2}`, m)
}

// Whatever a layout's list says, its clips are recordings of the corpus, and the
// manifest that is written is read by the rest of clr as it was meant.
func FuzzLists(f *testing.F) {
	roots := make([]string, len(lists))
	for i, l := range lists {
		roots[i] = filepath.Join(f.TempDir(), "corpus")
		all := maps.Clone(l.files)
		all["../beside.wav"] = ""
		plant(f, roots[i], all)
		for _, text := range l.texts {
			if len(text) > 1000 { // one is enough
				f.Add(uint8(i), []byte(text))
				continue
			}
			for _, b := range fuzztest.Some([]byte(text), 5) {
				f.Add(uint8(i), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		i := int(which) % len(lists)
		l, root := lists[i], roots[i]
		path := filepath.Join(root, filepath.FromSlash(l.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		var m *Manifest
		var err error
		fuzztest.Bounded(t, len(b), 4<<20, func() { m, err = Read(t.Context(), l.layout, root, l.o) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, root)
			return
		}
		m.Summary()
		const name = "manifest.csv"
		var written bytes.Buffer
		if err := m.Write(&written, root); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Clips {
			if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(c.File))); !filepath.IsLocal(c.File) || err != nil || !info.Mode().IsRegular() {
				t.Fatalf("%q is no recording of the corpus: %v", c.File, err)
			}
		}
		if err := os.WriteFile(filepath.Join(root, name), written.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(filepath.Join(root, name))
		c, err := audio.ReadCorpus(os.DirFS(root), name)
		if err != nil {
			t.Fatalf("%v\n%q", err, written.Bytes())
		}
		if len(c.Items) != len(m.Clips) {
			t.Fatalf("%d clips came back as %d:\n%q", len(m.Clips), len(c.Items), written.Bytes())
		}
		for i, it := range c.Items {
			w := m.Clips[i]
			if it.File != w.File || it.Label != w.Label || it.Value("split") != w.Split || it.Value("fold") != w.Fold || it.Value("group") != w.Group ||
				it.Value("start") != w.Start || it.Value("end") != w.End {
				t.Fatalf("%+v came back as %+v", w, it)
			}
			for column, value := range w.More {
				if it.Value(column) != value {
					t.Fatalf("%s %q came back as %q", column, value, it.Value(column))
				}
			}
		}
	})
}
