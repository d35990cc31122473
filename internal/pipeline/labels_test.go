package pipeline

import (
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/fault"
)

// relabel writes the manifest of tones anew, each line's label changed.
func relabel(t *testing.T, dir string, label func(i int, was string) string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(get(t, dir, "manifest.csv"))), "\n")
	for i, line := range lines[1:] {
		fields := strings.Split(line, ",")
		fields[1] = label(i, fields[1])
		lines[1+i] = strings.Join(fields, ",")
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.Join(lines, "\n")+"\n"))
}

// A labelling has the training clips' labels as the manifest has them, classes in
// natural order, and nothing of test and validation clips.
func TestLabelling(t *testing.T) {
	dir := tones(t, 20)
	relabel(t, dir, func(i int, was string) string {
		if i%7 == 3 {
			return ""
		}
		return was
	})
	manifest := strings.Replace(string(get(t, dir, "manifest.csv")), "07.wav,high,train", "07.wav,high,valid", 1)
	put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
	d := open(t, load(t, dir))
	l, err := d.labelling(d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(l.classes, " ") != "high low" {
		t.Errorf("classes %q", l.classes)
	}
	seen := 0
	for i, it := range d.corpus.Items {
		label := ""
		if l.of[i] >= 0 {
			label = l.classes[l.of[i]]
			seen++
		}
		want := it.Label
		if it.Value("split") != "train" {
			want = ""
		}
		if label != want {
			t.Errorf("%s of %s has the label %q, want %q", it.Path, it.Value("split"), label, want)
		}
	}
	listed := 0
	for class, clips := range l.clips {
		listed += len(clips)
		for _, i := range clips {
			if l.of[i] != class {
				t.Errorf("clip %d of class %d is listed in %d", i, l.of[i], class)
			}
		}
	}
	if seen != 12 || listed != seen { // of 15 training clips, 3, 10 and 17 have no label
		t.Errorf("%d labels are seen, %d clips listed", seen, listed)
	}
}

// A fraction shows some of each class, the same for the same seed, the smaller
// ones' within the larger ones'.
func TestLabelFraction(t *testing.T) {
	dir := tones(t, 20)
	var before *labelling
	for _, c := range []struct {
		fraction string
		want     int
	}{{"0.001", 2}, {"0.25", 4}, {"0.5", 8}, {"1", 16}} {
		d := open(t, load(t, dir, "labels.fraction="+c.fraction))
		l, err := d.labelling(d.splits[0])
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for i, class := range l.of {
			if class >= 0 {
				seen++
			} else if before != nil && before.of[i] >= 0 {
				t.Errorf("fraction %s does not show clip %d, a smaller one does", c.fraction, i)
			}
		}
		if seen != c.want || len(l.clips[0]) != c.want/2 || len(l.clips[1]) != c.want/2 {
			t.Errorf("fraction %s: %d labels, want %d; by class %v", c.fraction, seen, c.want, l.clips)
		}
		before = l
	}
	for _, bad := range []string{"0", "-0.5", "1.5"} {
		_, err := LoadConfig(filepath.Join(dir, "config.yaml"), Overrides{Set: []string{"labels.fraction=" + bad}})
		says(t, err, "labels: fraction is")
	}
}

// Labels that cannot be learnt from are refused by name.
func TestLabellingRefuses(t *testing.T) {
	for words, label := range map[string]func(int, string) string{
		"no labels to learn from":            func(int, string) string { return "" },
		"02.wav has several labels: low;mid": func(i int, was string) string { return was + strings.Repeat(";mid", i/2%2*(1-i%2)) },
	} {
		dir := tones(t, 20)
		relabel(t, dir, label)
		d := open(t, load(t, dir))
		_, err := d.labelling(d.splits[0])
		says(t, err, words, "manifest.csv")
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%v of kind %v, remedy %q", err, fault.KindOf(err), fault.Remedy(err))
		}
	}
}
