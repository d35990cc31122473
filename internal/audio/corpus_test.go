package audio

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"clr/internal/fault"
)

// corpusFS is a file system with a manifest m/manifest.csv, two recordings in
// m/ and one beside it.
func corpusFS(manifest string) fstest.MapFS {
	wave := &fstest.MapFile{Data: pcm16(make([]int16, 16000)...).bytes()}
	return fstest.MapFS{"m/manifest.csv": {Data: []byte(manifest)}, "m/a.wav": wave, "m/sub/b, 2.wav": wave, "c.wav": wave}
}

func TestReadCorpus(t *testing.T) {
	c, err := ReadCorpus(corpusFS("\xef\xbb\xbfpath,label,start,end,mic,sha256,fold\r\n"+
		"a.wav,dog;bark,0.25,0.5,left,"+strings.Repeat("0A", 32)+",1\r\n"+
		"\"sub/b, 2.wav\",\"a \"\"cat\"\"\",,,,,2\r\n"+
		"../c.wav,,1,,right,,3\r\n"), "m/manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Items) != 3 || !c.Has("mic") || c.Has("split") || c.Columns[0] != "path" {
		t.Fatalf("%d items, columns %q", len(c.Items), c.Columns)
	}
	a, b, x := c.Items[0], c.Items[1], c.Items[2]
	if a.Start != 0.25 || a.End != 0.5 || a.SHA256 != strings.Repeat("0a", 32) || a.Line != 2 || a.Value("mic") != "left" ||
		a.Value("fold") != "1" || a.Value("nothing") != "" || !slices.Equal(a.Labels(), []string{"dog", "bark"}) {
		t.Errorf("line 2: %+v", a)
	}
	if b.Path != "sub/b, 2.wav" || b.File != "m/sub/b, 2.wav" || b.Label != `a "cat"` || b.End != 0 || b.Line != 3 {
		t.Errorf("line 3: %+v", b)
	}
	if x.File != "c.wav" || x.Start != 1 || x.Labels() != nil {
		t.Errorf("line 4: %+v", x)
	}
	clip, err := c.Read(0, 16000)
	if err != nil || len(clip.Samples) != 4000 {
		t.Errorf("read %d samples, %v", len(clip.Samples), err)
	}
}

func TestReadCorpusOnHost(t *testing.T) {
	dir := t.TempDir()
	wave := pcm16(1, 2, 3).bytes()
	for name, data := range map[string][]byte{
		"m/manifest.csv": []byte("path\na.wav\n../b.wav\n" + filepath.Join(dir, "c.wav") + "\n"), "m/a.wav": wave, "b.wav": wave, "c.wav": wave,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ReadCorpus(Host(), filepath.Join(dir, "m/manifest.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Items {
		if clip, err := c.Read(i, 16000); err != nil || len(clip.Samples) != 3 {
			t.Errorf("%s: %v", c.Items[i].Path, err)
		}
	}
	if c.Items[1].File != filepath.Join(dir, "b.wav") {
		t.Errorf("a path out of the folder is %s", c.Items[1].File)
	}
}

func TestCorpusFaults(t *testing.T) {
	many := "path\n" + strings.Repeat("no.wav\n", 30)
	for name, c := range map[string]struct {
		manifest string
		want     []string // in the message, in this order
		lines    int
	}{
		"empty":          {"", []string{"m/manifest.csv:1:1", "empty"}, 1},
		"only a header":  {"path,label\n", []string{"lists no clips"}, 1},
		"no path":        {"file,label\na.wav,x\n", []string{"m/manifest.csv:1:1", `"path"`, "file,label"}, 1},
		"twice":          {"path,label,label\na.wav,x,y\n", []string{"m/manifest.csv:1:12", `"label"`, "twice"}, 1},
		"no name":        {"path,\na.wav,x\n", []string{":1:6", "column 2 has no name"}, 1},
		"empty path":     {"label,path\nx,\n", []string{":2:3", "path is empty"}, 1},
		"missing":        {"path\na.wav\nz.wav\n", []string{":3:1", "z.wav", "no such file"}, 1},
		"folder":         {"path\nsub\n", []string{":2:1", "sub", "folder"}, 1},
		"outside":        {"path\n../../../x.wav\n", []string{":2:1", "../../../x.wav"}, 1},
		"fields":         {"path,label\na.wav\na.wav,x,y\n", []string{":2:1", "1 fields, the header 2", ":3:1", "3 fields"}, 2},
		"number":         {"path,start,end\na.wav,one,2\na.wav,0,-3\na.wav,NaN,1\n", []string{":2:7", `start is "one"`, ":3:9", `end is "-3"`, ":4:7", `"NaN"`}, 3},
		"order":          {"path,start,end\na.wav,2,1.5\na.wav,,0\n", []string{":2:9", "end is 1.5, not after start 2", ":3:8", "end is 0, not after start 0"}, 2},
		"hash":           {"path,sha256\na.wav,abc\n", []string{":2:7", `"abc"`, "64"}, 1},
		"quotes":         {"path,label\na.wav,x\"y\n", []string{":2:", "quotes"}, 1},
		"open quote":     {"path,label\na.wav,\"x\n", []string{"m/manifest.csv:", "quote"}, 1},
		"20 at a time":   {many, []string{":2:1", ":21:1", "and 10 more"}, 21},
		"all in one row": {"path,start,end,sha256\nz.wav,a,b,c\n", []string{"start", "end", "sha256", "no such file"}, 4},
	} {
		_, err := ReadCorpus(corpusFS(c.manifest), "m/manifest.csv")
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s: error %v, want a data error with a remedy", name, err)
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
	for _, name := range []string{"m/manifest.tsv", "m/none.csv"} {
		if _, err := ReadCorpus(corpusFS("path\na.wav\n"), name); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// A header of many columns takes time by their number, not by its square.
func TestWideHeader(t *testing.T) {
	var header strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&header, "c%d,", i)
	}
	start := time.Now()
	c, err := ReadCorpus(corpusFS(header.String()+"path\n"+strings.Repeat(",", 200_000)+"a.wav\n"), "m/manifest.csv")
	if err != nil || len(c.Items) != 1 {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second { // by its square: a minute
		t.Errorf("it took %v", took)
	}
}
