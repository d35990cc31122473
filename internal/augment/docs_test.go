package augment

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// docs/augmentations.md has one row for each augmentation, of five cells, with all
// its options and a picture, and marks those that need logarithms of power.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/augmentations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "`"); strings.HasPrefix(line, "| `") && len(cells) > 2 {
			if rows[cells[1]] != "" {
				t.Errorf("%s has two rows", cells[1])
			}
			rows[cells[1]] = line
		}
	}
	for _, name := range names() {
		a, row := Table[name], rows[name]
		cells := strings.Split(row, "|")
		if len(cells) != 7 {
			t.Errorf("%s has no row, or not of five cells: %q", name, row)
			continue
		}
		if strings.HasPrefix(row, "| `"+name+"` †") != NeedsLog(a) {
			t.Errorf("%s: † should be there is %v: %s", name, NeedsLog(a), row)
		}
		for i := range reflect.TypeOf(a).NumField() {
			if option := reflect.TypeOf(a).Field(i).Tag.Get("yaml"); option != "p" && !strings.Contains(cells[3], "`"+option+"`") {
				t.Errorf("%s: option %s is not in its row", name, option)
			}
		}
		if strings.TrimSpace(cells[2]) == "" || strings.TrimSpace(cells[4]) == "" {
			t.Errorf("%s: its row says nothing of what it does, or whose it is", name)
		}
	}
	for name, row := range rows {
		if picture := "img/" + name + ".png"; !strings.HasSuffix(row, "!["+name+"]("+picture+") |\n") {
			t.Errorf("%s: the row ends with no picture %s; make pictures links it", name, picture)
		} else if _, err := os.Stat("../../docs/" + picture); err != nil {
			t.Errorf("%s: make pictures writes it: %v", name, err)
		}
		if Table[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
}
