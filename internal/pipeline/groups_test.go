package pipeline

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"clr/internal/audio"
	"clr/internal/eval"
)

// Clips of a group stay together where validation clips are taken out of the
// given training part; without a group for every clip there are none.
func TestGroupsComeFromTheManifest(t *testing.T) {
	dir := t.TempDir()
	read := func(manifest string) *data {
		t.Helper()
		path := writeManifest(t, dir, manifest)
		c, err := audio.ReadCorpus(audio.Host(), path)
		if err != nil {
			t.Fatal(err)
		}
		return &data{c: &Config{}, corpus: c}
	}
	split := eval.Split{Train: []int{0, 2}, Test: []int{1}}
	d := read("path,split,group\na.wav,train,x\nb.wav,test,y\nc.wav,train,z\n")
	if got := d.groups(split); !reflect.DeepEqual(got, []string{"x", "z"}) {
		t.Errorf("groups are %q", got)
	}
	d = read("path,split,group\na.wav,train,x\nb.wav,test,y\nc.wav,train,\n")
	if got := d.groups(split); got != nil {
		t.Errorf("with a gap, groups are %q", got)
	}
	d.c.Windows.Length = 1 // of one recording there may be many
	if got := d.groups(split); !reflect.DeepEqual(got, []string{filepath.Join(dir, "a.wav"), filepath.Join(dir, "c.wav")}) {
		t.Errorf("with windows, groups are %q", got)
	}
	split.Groups = []string{"1", "2"}
	if got := d.groups(split); !reflect.DeepEqual(got, split.Groups) {
		t.Errorf("the splits' own groups became %q", got)
	}
}

func writeManifest(t *testing.T, dir, text string) string {
	t.Helper()
	for _, name := range []string{"a.wav", "b.wav", "c.wav"} { // ReadCorpus sees that they are there
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "manifest.csv")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}
