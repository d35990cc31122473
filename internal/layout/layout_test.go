package layout

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
)

// corpus makes a folder of the files given; those that are recordings by their
// names hold a short sound of their own, others the text.
func corpus(t *testing.T, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "corpus")
	plant(t, root, files)
	return root
}

func plant(t testing.TB, root string, files map[string]string) {
	t.Helper()
	if err := os.Mkdir(root, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if audio.NamesRecording(name) {
			text = sound(name)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// sound is a WAV file of 100 samples that begin with a name.
func sound(name string) string {
	le := binary.LittleEndian
	b := []byte("RIFF\xec\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = le.AppendUint32(le.AppendUint32(b, 8000), 16000)
	b = append(b, "\x02\x00\x10\x00data\xc8\x00\x00\x00"...)
	return string(append(b, append([]byte(name), make([]byte, 200)...)[:200]...))
}

// written is the manifest as it would stand beside the corpus' folder.
func written(t *testing.T, m *Manifest) string {
	t.Helper()
	var b strings.Builder
	if err := m.Write(&b, filepath.Dir(m.Root)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// files makes a map of names alone.
func files(names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = ""
	}
	return m
}

// with is the files and one more, with a text.
func with(m map[string]string, name, text string) map[string]string {
	m = maps.Clone(m)
	m[name] = text
	return m
}

func esc() map[string]string {
	return with(files("audio/1-100-A-0.wav", "audio/1-100-B-0.wav", "audio/2-7-A-30.wav", "audio/2-8-A-1.wav"), "meta/esc50.csv",
		"filename,fold,target,category,esc10,src_file,take\n"+
			"2-7-A-30.wav,2,30,door_wood_knock,False,7,A\n"+
			"1-100-A-0.wav,1,0,dog,True,100,A\n1-100-B-0.wav,1,0,dog,True,100,B\n2-8-A-1.wav,2,1,rooster,True,8,A\n")
}

func words() map[string]string {
	m := files("bed/0a1b_nohash_0.wav", "bed/0a1b_nohash_1.wav", "cat/0a1b_nohash_0.wav", "cat/ffff_nohash_0.wav", "bed/1234_nohash_0.wav",
		"_background_noise_/running_tap.wav", "bed/notes.txt", "LICENSE", "bed/._0a1b_nohash_0.wav")
	return with(with(m, "validation_list.txt", "cat/ffff_nohash_0.wav\n"), "testing_list.txt", "bed/1234_nohash_0.wav\r\n\r\n")
}

func hear(metadata string, more map[string]string) map[string]string {
	return with(with(more, "task_metadata.json", metadata), "labelvocabulary.csv", "idx,label\n0,dog\n1,cat\n2,60\n")
}

func TestLayouts(t *testing.T) {
	const sceneTask = `{"task_name": "pets", "embedding_type": "scene", "prediction_type": "multilabel", "split_mode": "trainvaltest", "nfolds": null,
 "evaluation": ["mAP"], "sample_duration": 1.0}`
	scenes := files("16000/train/a.wav", "16000/valid/b.wav", "16000/test/c.wav", "48000/train/a.wav", "48000/valid/b.wav", "48000/test/c.wav", "48000/test/d.wav")
	scenes = with(scenes, "train.json", `{"a.wav": ["dog", "cat"]}`)
	scenes = with(scenes, "valid.json", `{"b.wav": []}`)
	scenes = with(scenes, "test.json", "{\n \"d.wav\": [60],\n \"c.wav\": [\"cat\"]\n}\n")

	folds := files("48000/fold00/a.wav", "48000/fold01/b.wav", "48000/fold01/c.wav")
	folds = with(folds, "fold00.json", `{"a.wav": [{"label": "dog", "start": 250.5, "end": 1000}, {"label": "cat", "start": 0, "end": 12.25}]}`)
	folds = with(folds, "fold01.json", `{"b.wav": [], "c.wav": [{"label": "dog", "start": 0, "end": 1}]}`)

	notes := files("nsynth-train/audio/bass_000-060-100.wav", "nsynth-valid/audio/flute_001-061-025.wav", "nsynth-test/audio/flute_001-062-025.wav")
	for split, note := range map[string]string{"train": "bass_000-060-100", "valid": "flute_001-061-025", "test": "flute_001-062-025"} {
		family, rest, _ := strings.Cut(note, "_")
		notes = with(notes, "nsynth-"+split+"/examples.json", `{"`+note+`": {"instrument_str": "`+family+"_"+rest[:3]+`", "instrument_family_str": "`+family+
			`", "pitch": `+rest[5:7]+`, "velocity": 25, "instrument_source_str": "acoustic", "qualities": [0, 1]}}`)
	}

	for name, c := range map[string]struct {
		layout string
		files  map[string]string
		o      Options
		want   string
		warns  string // in the warnings
	}{
		"esc50": {"esc50", esc(), Options{}, "path,label,fold,group\n" +
			"corpus/audio/2-7-A-30.wav,door_wood_knock,2,7\ncorpus/audio/1-100-A-0.wav,dog,1,100\n" +
			"corpus/audio/1-100-B-0.wav,dog,1,100\ncorpus/audio/2-8-A-1.wav,rooster,2,8\n", ""},
		"esc10, with a recording too many": {"esc50", with(esc(), "audio/more.wav", ""), Options{Only: "esc10"}, "path,label,fold,group\n" +
			"corpus/audio/1-100-A-0.wav,dog,1,100\ncorpus/audio/1-100-B-0.wav,dog,1,100\ncorpus/audio/2-8-A-1.wav,rooster,2,8\n",
			"1 of 5 recordings are left out: no list or name accounts for them; the first is audio/more.wav"},
		"speech-commands": {"speech-commands", words(), Options{}, "path,label,split,group\n" +
			"corpus/bed/0a1b_nohash_0.wav,bed,train,0a1b\ncorpus/bed/0a1b_nohash_1.wav,bed,train,0a1b\ncorpus/bed/1234_nohash_0.wav,bed,test,1234\n" +
			"corpus/cat/0a1b_nohash_0.wav,cat,train,0a1b\ncorpus/cat/ffff_nohash_0.wav,cat,valid,ffff\n", ""},
		"fsdd": {"fsdd", files("recordings/7_jackson_4.wav", "recordings/7_jackson_5.wav", "recordings/0_nic_o_las_10.wav", "recordings/README.wav"), Options{},
			"path,label,split,group,speaker\ncorpus/recordings/0_nic_o_las_10.wav,0,train,nic_o_las,nic_o_las\n" +
				"corpus/recordings/7_jackson_4.wav,7,test,jackson,jackson\ncorpus/recordings/7_jackson_5.wav,7,train,jackson,jackson\n",
			"1 of 4 recordings are left out: no list or name accounts for them; the first is recordings/README.wav"},
		"urbansound8k": {"urbansound8k", with(files("audio/fold1/101415-3-0-2.wav", "audio/fold10/100648-1-0-0.wav"), "metadata/UrbanSound8K.csv",
			"slice_file_name,fsID,start,end,salience,fold,classID,class\n"+
				"101415-3-0-2.wav,101415,1.0,5.0,1,1,3,dog_bark\n100648-1-0-0.wav,100648,4.8,5.4,2,10,1,car_horn\n"), Options{},
			"path,label,fold,group\ncorpus/audio/fold1/101415-3-0-2.wav,dog_bark,1,101415\ncorpus/audio/fold10/100648-1-0-0.wav,car_horn,10,100648\n", ""},
		"nsynth": {"nsynth", notes, Options{}, "path,label,split,group,pitch,velocity,source\n" +
			"corpus/nsynth-train/audio/bass_000-060-100.wav,bass,train,bass_000,60,25,acoustic\n" +
			"corpus/nsynth-valid/audio/flute_001-061-025.wav,flute,valid,flute_001,61,25,acoustic\n" +
			"corpus/nsynth-test/audio/flute_001-062-025.wav,flute,test,flute_001,62,25,acoustic\n", ""},
		"nsynth without train, by pitch": {"nsynth", without(notes, "nsynth-train/"), Options{Label: "pitch"}, "path,label,split,group,pitch,velocity,source\n" +
			"corpus/nsynth-valid/audio/flute_001-061-025.wav,61,valid,flute_001,61,25,acoustic\n" +
			"corpus/nsynth-test/audio/flute_001-062-025.wav,62,test,flute_001,62,25,acoustic\n", "there is no nsynth-train"},
		"hear scenes": {"hear", hear(sceneTask, scenes), Options{}, "path,label,split\n" +
			"corpus/48000/train/a.wav,dog;cat,train\ncorpus/48000/valid/b.wav,,valid\ncorpus/48000/test/d.wav,60,test\ncorpus/48000/test/c.wav,cat,test\n", ""},
		"hear scenes of a rate": {"hear", with(hear(sceneTask, scenes), "test.json", `{"c.wav": ["cat"]}`), Options{Rate: 16000}, "path,label,split\n" +
			"corpus/16000/train/a.wav,dog;cat,train\ncorpus/16000/valid/b.wav,,valid\ncorpus/16000/test/c.wav,cat,test\n", ""},
		"hear events in folds": {"hear", hear(`{"embedding_type": "event", "split_mode": "new_split_kfold", "nfolds": 2}`, folds), Options{},
			"path,label,fold,group,start,end\ncorpus/48000/fold00/a.wav,dog,fold00,48000/fold00/a.wav,0.2505,1\n" +
				"corpus/48000/fold00/a.wav,cat,fold00,48000/fold00/a.wav,0,0.01225\n" +
				"corpus/48000/fold01/c.wav,dog,fold01,48000/fold01/c.wav,0,0.001\n", "1 recordings are left out: there are no events in them"},
		"hear folds by name": {"hear", hear(`{"embedding_type": "scene", "split_mode": "presplit_kfold", "splits": ["fold01"], "nfolds": 2}`,
			with(files("48000/fold01/b.wav"), "fold01.json", `{"b.wav": ["cat"]}`)), Options{}, "path,label,fold\ncorpus/48000/fold01/b.wav,cat,fold01\n", ""},
		"evar": {"evar", with(files("x/a.wav", "x/b, 2.wav", "left.wav"), "us8k.csv", ",file_name,label,fold\n0,x/a.wav,siren,1\n1,\"./x/b, 2.wav\",dog,2\n"), Options{},
			"path,label,fold\ncorpus/x/a.wav,siren,1\n\"corpus/x/b, 2.wav\",dog,2\n", "1 of 3 recordings are left out"},
		"evar, several labels": {"evar", with(files("a.wav", "b.wav"), "list.csv", "file_name,label,split\na.wav,\"Dog,Bark\",train\nb.wav,Cat,test\n"), Options{},
			"path,label,split\ncorpus/a.wav,Dog;Bark,train\ncorpus/b.wav,Cat,test\n", ""},
		"folder of classes": {"folder", files("dog/a.wav", "dog/deeper/b.FLAC", "cat/c.mp3", "cat/notes.txt", "readme.md"), Options{},
			"path,label\ncorpus/cat/c.mp3,cat\ncorpus/dog/a.wav,dog\ncorpus/dog/deeper/b.FLAC,dog\n", ""},
		"bare folder": {"folder", files("b.wav", "a.wav"), Options{}, "path\ncorpus/a.wav\ncorpus/b.wav\n", ""},
		"unlabelled": {"folder", files("b/s1_x.wav", "a.wav"), Options{Unlabelled: true, Group: `^[a-z]`},
			"path,group\ncorpus/a.wav,a\ncorpus/b/s1_x.wav,b\n", ""},
		"folder with sources": {"folder", files("dog/s1_x.wav", "dog/s1_y.wav", "cat/s2/c.wav"), Options{Group: `^(s\d)[_/]`},
			"path,label,group\ncorpus/cat/s2/c.wav,cat,s2\ncorpus/dog/s1_x.wav,dog,s1\ncorpus/dog/s1_y.wav,dog,s1\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := corpus(t, c.files)
			m, err := Read(t.Context(), c.layout, root, c.o)
			if err != nil {
				t.Fatal(err)
			}
			got := written(t, m)
			if got != c.want {
				t.Errorf("it makes\n%s\nnot\n%s", got, c.want)
			}
			warned := strings.Join(m.Warnings, "\n")
			if c.warns == "" && warned != "" || !strings.Contains(warned, c.warns) {
				t.Errorf("it warns %q, not %q", warned, c.warns)
			}
			manifest := filepath.Join(filepath.Dir(root), "manifest.csv")
			if err := os.WriteFile(manifest, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
			if read, err := audio.ReadCorpus(audio.Host(), manifest); err != nil || len(read.Items) != len(m.Clips) {
				t.Errorf("the manifest cannot be read: %v", err)
			}
		})
	}
}

func without(files map[string]string, prefix string) map[string]string {
	left := map[string]string{}
	for name, text := range files {
		if !strings.HasPrefix(name, prefix) {
			left[name] = text
		}
	}
	return left
}

func TestMistakes(t *testing.T) {
	many := "file_name,label\n" + strings.Repeat("gone.wav,x\n", 30)
	const scene = `{"embedding_type": "scene", "split_mode": "trainvaltest"}`
	task := func(train string) map[string]string {
		m := hear(scene, files("16000/train/a.wav", "16000/valid/b.wav", "16000/test/c.wav"))
		m = with(with(m, "valid.json", `{"b.wav": ["cat"]}`), "test.json", `{"c.wav": ["cat"]}`)
		return with(m, "train.json", train)
	}
	event := func(train string) map[string]string {
		return with(task(train), "task_metadata.json", `{"embedding_type": "event", "split_mode": "trainvaltest", "splits": ["train"]}`)
	}
	for name, c := range map[string]struct {
		layout string
		files  map[string]string
		o      Options
		kind   fault.Kind
		want   []string // in the message, in this order
		lines  int
	}{
		"no list":            {"esc50", files("audio/a.wav"), Options{}, fault.Data, []string{"meta/esc50.csv: there is no such file"}, 1},
		"no audio, no list":  {"esc50", files("x.txt"), Options{}, fault.Data, []string{"audio: there is no such file", "meta/esc50.csv"}, 2},
		"no column":          {"esc50", with(files("audio/a.wav"), "meta/esc50.csv", "filename,fold,label\n"), Options{}, fault.Data, []string{"esc50.csv:1: there is no column category among filename,fold,label", "no column src_file"}, 2},
		"missing recordings": {"esc50", without(esc(), "audio/1-"), Options{}, fault.Data, []string{"esc50.csv:3: audio/1-100-A-0.wav is listed, but not there", ":4: audio/1-100-B-0.wav"}, 2},
		"twice":              {"esc50", with(esc(), "meta/esc50.csv", "filename,fold,category,src_file\n1-100-A-0.wav,1,dog,1\n1-100-A-0.wav,2,dog,1\n"), Options{}, fault.Data, []string{":3: audio/1-100-A-0.wav is listed twice"}, 1},
		"no fold":            {"esc50", with(esc(), "meta/esc50.csv", "filename,fold,category,src_file\n1-100-A-0.wav,,dog,1\n"), Options{}, fault.Data, []string{":2: audio/1-100-A-0.wav has no fold"}, 1},
		"bad csv":            {"esc50", with(esc(), "meta/esc50.csv", "filename,fold,category,src_file\n1-100-A-0.wav,1,dog\n2-7-A-30.wav,1,\"dog,1\n"), Options{}, fault.Data, []string{":2: this line has 3 fields, the header 4", ":"}, 2},
		"empty csv":          {"esc50", with(esc(), "meta/esc50.csv", ""), Options{}, fault.Data, []string{"the file is empty"}, 1},
		"only what":          {"esc50", esc(), Options{Only: "esc20"}, fault.Usage, []string{`--only is "esc20"`}, 1},
		"semicolon":          {"folder", files("a;b/x.wav"), Options{}, fault.Data, []string{"a;b/x.wav: the label \"a;b\" holds a semicolon"}, 1},
		"lists":              {"speech-commands", with(without(words(), "testing"), "validation_list.txt", "bed/gone.wav\nbed/1234_nohash_0.wav\nbed/1234_nohash_0.wav\n"), Options{}, fault.Data, []string{"validation_list.txt:1: bed/gone.wav is listed", ":3: bed/1234_nohash_0.wav is listed before, as valid", "testing_list.txt: there is no such file"}, 3},
		"no words":           {"speech-commands", with(with(files("a.wav"), "validation_list.txt", ""), "testing_list.txt", ""), Options{}, fault.Data, []string{"holds no recordings in the layout speech-commands"}, 1},
		"no folds":           {"urbansound8k", with(files("audio/fold1/a.wav"), "metadata/UrbanSound8K.csv", "slice_file_name,fsID,fold,class\na.wav,1,,dog\n"), Options{}, fault.Data, []string{"UrbanSound8K.csv:2: a.wav has no fold"}, 1},
		"not nsynth":         {"nsynth", files("a.wav"), Options{}, fault.Data, []string{"there are no folders nsynth-train"}, 1},
		"no such field": {"nsynth", with(files("nsynth-test/audio/a.wav"), "nsynth-test/examples.json", "{\n \"a\": {\"pitch\": 60, \"note\": 1}\n}"), Options{Label: "colour"}, fault.Data,
			[]string{"examples.json:2: a: there is no field colour", "note, pitch"}, 1},
		"bad json":      {"nsynth", with(files("nsynth-test/audio/a.wav"), "nsynth-test/examples.json", "{\n \"a\": {\"pitch\": 60},\n\n \"b\" 7\n}"), Options{Label: "pitch"}, fault.Data, []string{"examples.json:4: "}, 1},
		"cut json":      {"hear", task("{\n \"a.wav\": [\"dog\"]"), Options{}, fault.Data, []string{"train.json:2: the file is cut"}, 1},
		"list json":     {"hear", task("[]"), Options{}, fault.Data, []string{"train.json:1: it begins with ["}, 1},
		"wrong json":    {"hear", task("{\n \"a.wav\": \"dog\"}"), Options{}, fault.Data, []string{"train.json:2: a.wav: its value is a string, which the layout hear has not there"}, 1},
		"unknown label": {"hear", task("{\n \"a.wav\": [\"cow\"]}"), Options{}, fault.Data, []string{`train.json:2: a.wav: the label "cow" is not in labelvocabulary.csv`}, 1},
		"no recording":  {"hear", task("{\n\n \"z.wav\": [\"cat\"], \"a.wav\": [\"dog\"]}"), Options{}, fault.Data, []string{"train.json:3: 16000/train/z.wav is listed, but not there"}, 1},
		"no rate":       {"hear", hear(scene, files("readme.txt")), Options{}, fault.Data, []string{"there is no folder of recordings"}, 1},
		"another rate":  {"hear", task("{}"), Options{Rate: 44100}, fault.Usage, []string{"--rate is 44100"}, 1},
		"what task":     {"hear", with(task("{}"), "task_metadata.json", `{"embedding_type": "song", "split_mode": "trainvaltest"}`), Options{}, fault.Data, []string{`embedding_type is "song"`}, 1},
		"what split":    {"hear", with(task("{}"), "task_metadata.json", `{"embedding_type": "scene", "split_mode": "new"}`), Options{}, fault.Data, []string{`split_mode is "new"`}, 1},
		"how many":      {"hear", with(task("{}"), "task_metadata.json", `{"embedding_type": "scene", "split_mode": "new_split_kfold", "nfolds": 1}`), Options{}, fault.Data, []string{"nfolds is 1"}, 1},
		"times":         {"hear", event("{\n \"a.wav\": [{\"label\": \"dog\", \"start\": 5, \"end\": 5}]}"), Options{}, fault.Data, []string{"train.json:2: a.wav: an event of dog goes from 5 ms to 5 ms"}, 1},
		"which csv":     {"evar", with(with(files("a.wav"), "x.csv", ""), "y.csv", ""), Options{}, fault.Data, []string{"there are 2 .csv files", "--csv"}, 1},
		"20 at a time":  {"evar", with(files("a.wav"), "x.csv", many), Options{}, fault.Data, []string{"x.csv:2: gone.wav", "x.csv:21: gone.wav", "and 10 more"}, 21},
		"empty label":   {"evar", with(files("a.wav"), "x.csv", "file_name,label\na.wav,\"x,,y\"\n"), Options{}, fault.Data, []string{"x.csv:2: a.wav has an empty label"}, 1},
		"loose":         {"folder", files("dog/a.wav", "b.wav"), Options{}, fault.Data, []string{"b.wav: this recording stands beside the folders", "--unlabelled"}, 1},
		"column twice":  {"evar", with(files("a.wav"), "x.csv", "file_name,label,split,label\na.wav,x,train,y\n"), Options{}, fault.Data, []string{"x.csv:1: the column label is there twice"}, 1},
		"more json":     {"hear", task("{\n \"a.wav\": [\"dog\"]}\n{}"), Options{}, fault.Data, []string{"train.json:3: there is more behind the object"}, 1},
		"odd rate":      {"hear", hear(scene, files("+16000/train/a.wav", "016000/train/a.wav")), Options{}, fault.Data, []string{"there is no folder of recordings"}, 1},
		"odd folds":     {"hear", with(task("{}"), "task_metadata.json", `{"nfolds": 1.5}`), Options{}, fault.Data, []string{"task_metadata.json:1: nfolds: it is 1.5, not a whole number"}, 1},
		"odd event":     {"hear", event("{\n \"a.wav\": [{\"label\": \"dog\", \"start\": \"5\", \"end\": 5}]}"), Options{}, fault.Data, []string{"train.json:2: a.wav: ", "tart is a string, which the layout hear has not there"}, 1},
		"broken name":   {"folder", files("dog/a\nb.wav"), Options{}, fault.Data, []string{`"dog/a\nb.wav" holds a line break`}, 2},
		"drawing name":  {"folder", files("do\x1b[31mg/b.wav"), Options{}, fault.Data, []string{`"do\x1b[31mg/b.wav" holds a line break or another control character`}, 1},
		"no group":      {"folder", files("dog/a.wav", "dog/s1_b.wav"), Options{Group: `^(s\d)`}, fault.Data, []string{`dog/a.wav: --group ^(s\d) finds nothing in "a.wav"`}, 1},
		"bad group":     {"folder", files("a.wav"), Options{Group: "("}, fault.Usage, []string{"--group: error parsing regexp"}, 1},
		"bad shares":    {"folder", files("a.wav"), Options{Split: []float64{0.5, 0.4}}, fault.Usage, []string{"sum up to 0.9"}, 1},
		"one share":     {"folder", files("a.wav"), Options{Split: []float64{1}}, fault.Usage, []string{"--split has 1 shares"}, 1},
		"no share":      {"folder", files("a.wav"), Options{Split: []float64{1, 0}}, fault.Usage, []string{"--split has the share 0"}, 1},
		"nothing":       {"folder", files("a.txt"), Options{}, fault.Data, []string{"holds no recordings"}, 1},
	} {
		_, err := Read(t.Context(), c.layout, corpus(t, c.files), c.o)
		if fault.KindOf(err) != c.kind || fault.Remedy(err) == "" {
			t.Errorf("%s: kind %d, remedy %q: %v", name, fault.KindOf(err), fault.Remedy(err), err)
			continue
		}
		rest := err.Error()
		if n := strings.Count(rest, "\n") + 1; n != c.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", name, n, c.lines, rest)
		}
		for _, want := range c.want {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("%s: %q does not say %q (in order)", name, err, want)
				break
			}
			rest = after
		}
	}
	for _, root := range []string{filepath.Join(t.TempDir(), "none"), filepath.Join(corpus(t, files("a.wav")), "a.wav")} {
		if _, err := Read(t.Context(), "folder", root, Options{}); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), root) {
			t.Errorf("%s: %v", root, err)
		}
	}
}

// A corpus is not read on when nobody waits for it any more.
func TestReadStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, l := range lists {
		if m, err := Read(ctx, l.layout, corpus(t, with(l.files, l.name, l.texts[0])), l.o); m != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v", l.layout, m, err)
		}
	}
}

// The folder that a manifest says its paths from may be come to by a link, and
// so may the corpus, and the folder that somebody works in.
func TestManifestBehindLinks(t *testing.T) {
	top := t.TempDir()
	plant(t, filepath.Join(top, "corpus"), files("dog/a.wav"))
	for _, dir := range []string{"deep/er/lists", "work"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"lists": "deep/er/lists", "deep/corpus": "../corpus", "inside": "work"} {
		if err := os.Symlink(to, filepath.Join(top, name)); err != nil {
			t.Skip(err)
		}
	}
	for _, c := range []struct{ work, root, dir, want string }{
		{".", "corpus", ".", "corpus"},
		{".", "corpus", "lists", "../../../corpus"},
		{".", "corpus", "deep/er/lists", "../../../corpus"},
		{".", "deep/corpus", ".", "deep/corpus"}, // a link below stays one
		{".", "deep/corpus", "deep/er", "../../corpus"},
		{"lists", "../../../corpus", ".", "../../../corpus"},
		{"lists", "../../corpus", "..", "../../corpus"},
		{"inside", "../corpus", ".", "../corpus"},
	} {
		t.Chdir(filepath.Join(top, c.work))
		m, err := Read(t.Context(), "folder", c.root, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := m.Write(&b, c.dir); err != nil {
			t.Fatal(err)
		}
		if want := "path,label\n" + c.want + "/dog/a.wav,dog\n"; b.String() != want {
			t.Errorf("%+v: it makes\n%s\nnot\n%s", c, &b, want)
		}
		name := filepath.Join(c.dir, "m.csv")
		if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{name, filepath.Join(top, c.work, name)} {
			if _, err := audio.ReadCorpus(audio.Host(), name); err != nil {
				t.Errorf("%+v: the manifest %s cannot be read: %v", c, name, err)
			}
		}
	}
	m, err := Read(t.Context(), "folder", corpus(t, files("dog/a.wav")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Root = filepath.Join(top, "a\r\nb"); os.Mkdir(m.Root, 0o777) == nil {
		if err := m.Write(io.Discard, top); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), `"a\r\nb" holds a line break`) {
			t.Errorf("a folder whose name has a line break: %v", err)
		}
	}
}

// docs/data.md has a row for each layout, and tells every key of the summary.
func TestLayoutsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/data.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Summary]()) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); !strings.Contains(string(doc), "`"+key+"`") {
			t.Errorf("docs/data.md lacks the key %s", key)
		}
	}
	for name, l := range Table {
		if !strings.Contains(string(doc), "\n| `"+name+"` | ") {
			t.Errorf("docs/data.md lacks %s", name)
		}
		for _, option := range l.Takes {
			if option != "seed" && !strings.Contains(string(doc), "`--"+option) {
				t.Errorf("docs/data.md lacks --%s", option)
			}
		}
	}
}
