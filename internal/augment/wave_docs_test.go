package augment

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// docs/augmentations.md has one row for each augmentation of the waveform, with
// all its options.
func TestWaveDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/augmentations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "`"); strings.HasPrefix(line, "| `") && len(cells) > 2 {
			rows[cells[1]] += line
		}
	}
	for _, name := range names() {
		if _, ok := Table[name].(Wave); !ok {
			continue
		}
		cells := strings.Split(rows[name], "|")
		if len(cells) != 7 {
			t.Errorf("%s has no row, or not of five cells: %q", name, rows[name])
			continue
		}
		for i := range reflect.TypeOf(Table[name]).NumField() {
			if option := reflect.TypeOf(Table[name]).Field(i).Tag.Get("yaml"); option != "p" && !strings.Contains(cells[3], "`"+option+"`") {
				t.Errorf("%s: option %s is not in its row", name, option)
			}
		}
	}
}
