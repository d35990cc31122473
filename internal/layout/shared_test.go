package layout

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"clr/internal/disk"
)

// sharedFolder finds a folder beside the project that holds more test data.
func sharedFolder(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("CLR_SHARED")
	if root == "" {
		root = "../../../shared"
	}
	dir, err := filepath.Abs(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; set CLR_SHARED to the folder that holds data/", err)
		}
		t.Skipf("%v; set CLR_SHARED to the folder that holds data/", err)
	}
	return dir
}

// manifestOf reads the manifest that was made by hand, by path.
func manifestOf(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "manifest.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, row := range rows[1:] {
		fields := map[string]string{}
		for i, column := range rows[0] {
			fields[column] = row[i]
		}
		all[fields["path"]] = fields
	}
	return all
}

// The real FSDD gives the split and the speakers of the manifest that stands
// beside it.
func TestSharedFSDD(t *testing.T) {
	dir := sharedFolder(t, "data/fsdd")
	m, err := Read(t.Context(), "fsdd", dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := manifestOf(t, dir)
	if len(m.Clips) != len(want) || len(m.Warnings) > 0 {
		t.Errorf("%d clips, want %d; warnings %q", len(m.Clips), len(want), m.Warnings)
	}
	for _, c := range m.Clips {
		if w := want[c.File]; c.Label != w["label"] || c.Split != w["split"] || c.Group != w["speaker"] || c.More["speaker"] != w["speaker"] {
			t.Fatalf("%+v, want %v", c, w)
		}
	}
}

// ESC-10 as ESC-50 would list it: labels and folds are those of the manifest
// beside it, and the groups never leave their folds.
func TestSharedESC10(t *testing.T) {
	dir := sharedFolder(t, "data/esc10")
	want := manifestOf(t, dir)
	root := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "audio"), filepath.Join(root, "audio")); err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^audio/(\d)-(\d+)-([A-Z])-(\d+)\.flac$`)
	var list strings.Builder
	list.WriteString("filename,fold,target,category,esc10,src_file,take\n")
	for path, w := range want {
		m := name.FindStringSubmatch(path)
		if m == nil {
			t.Fatalf("%s has no name of ESC-50's", path)
		}
		fmt.Fprintf(&list, "%s,%s,%s,%s,True,%s,%s\n", filepath.Base(path), m[1], m[4], w["label"], m[2], m[3])
	}
	if err := os.Mkdir(filepath.Join(root, "meta"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "meta/esc50.csv"), []byte(list.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := Read(t.Context(), "esc50", root, Options{Only: "esc10"})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Clips) != 400 || len(m.Warnings) > 0 {
		t.Errorf("%d clips, warnings %q", len(m.Clips), m.Warnings)
	}
	fold := map[string]string{}
	for _, c := range m.Clips {
		if w := want[c.File]; c.Label != w["label"] || c.Fold != w["fold"] || c.Group != name.FindStringSubmatch(c.File)[2] {
			t.Fatalf("%+v, want %v", c, w)
		}
		if was := fold[c.Group]; was != "" && was != c.Fold {
			t.Errorf("source %s is in folds %s and %s", c.Group, was, c.Fold)
		}
		fold[c.Group] = c.Fold
	}
}

func TestHash(t *testing.T) {
	root := corpus(t, files("a.wav", "b.wav", "c.wav", "d/e.wav"))
	m, err := Read(t.Context(), "folder", root, Options{Unlabelled: true})
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	if err := m.Hash(context.Background(), func(done, total int) {
		if last++; done != last || total != 4 {
			t.Errorf("told of %d of %d", done, total)
		}
	}); err != nil || last != 4 {
		t.Fatalf("%d told, %v", last, err)
	}
	for _, c := range m.Clips {
		if want, err := disk.Hash(os.DirFS(root), c.File); err != nil || c.SHA256 != want {
			t.Errorf("%s: %s, want %s, %v", c.File, c.SHA256, want, err)
		}
	}
	if got := written(t, m); !strings.HasPrefix(got, "path,sha256\ncorpus/a.wav,"+m.Clips[0].SHA256+"\n") {
		t.Error(got)
	}
	os.Remove(filepath.Join(root, "b.wav"))
	if err := m.Hash(context.Background(), func(int, int) {}); err == nil || !strings.Contains(err.Error(), "b.wav") {
		t.Errorf("without b.wav: %v", err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := m.Hash(stopped, func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// A folder may be a link, and links may lead in circles or nowhere.
func TestLinks(t *testing.T) {
	root := corpus(t, files("real/a.wav", "real/b.wav"))
	for from, to := range map[string]string{"linked": "real", "real/up": "..", "real/gone.txt": "nowhere", "real/c.wav": "a.wav"} {
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Skip(err)
		}
	}
	m, err := Read(t.Context(), "folder", root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "path,label\n"
	for _, f := range []string{"linked/a", "linked/b", "linked/c", "real/a", "real/b", "real/c"} {
		want += "corpus/" + f + ".wav," + strings.Split(f, "/")[0] + "\n"
	}
	if got := written(t, m); got != want {
		t.Errorf("it makes\n%s\nnot\n%s", got, want)
	}
	maze := corpus(t, files("0/a.wav"))
	for i := range 6 {
		from := filepath.Join(maze, fmt.Sprint(i))
		if err := os.MkdirAll(from, 0o777); err != nil {
			t.Fatal(err)
		}
		for j := range 6 {
			if err := os.Symlink(fmt.Sprintf("../%d", j), filepath.Join(from, fmt.Sprintf("to%d", j))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Read(t.Context(), "folder", maze, Options{}); err == nil || !strings.Contains(err.Error(), "by more than 100 ways") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a maze: %v", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(root, "real/d.wav")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), "folder", root, Options{}); err == nil || !strings.Contains(err.Error(), "real/d.wav: this link leads nowhere") {
		t.Errorf("a dead link: %v", err)
	}
}
