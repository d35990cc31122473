package layout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// readNSynth reads NSynth (Engel et al., arXiv 1704.01279): notes of
// instruments. Instruments in train are in neither of the others; valid and test
// share theirs.
func readNSynth(r *reader) {
	label := cmp.Or(r.o.Label, "instrument_family_str")
	var absent []string
	for _, split := range []string{"train", "valid", "test"} {
		folder := "nsynth-" + split
		if _, err := os.Stat(r.path(folder)); err != nil {
			absent = append(absent, folder)
			continue
		}
		list := folder + "/examples.json"
		r.recordings(folder + "/audio")
		r.object(list, func(note string, line func() int, value func(any) error) error {
			var fields map[string]any
			if err := value(&fields); err != nil {
				return err
			}
			text := func(name string) string {
				switch v := fields[name].(type) {
				case string:
					return v
				case json.Number:
					return v.String()
				}
				return ""
			}
			if text(label) == "" {
				return fmt.Errorf("there is no field %s that is a word or number; the fields are %s", label, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			}
			more := [...]struct{ column, value string }{{"pitch", text("pitch")}, {"velocity", text("velocity")}, {"source", text("instrument_source_str")}}
			for _, m := range more {
				if err := oneLine(m.value); err != nil {
					return err
				}
			}
			file := path.Join(folder, "audio", note+".wav")
			if !r.take(list, line, Clip{File: file, Split: split, Group: text("instrument_str")}, text(label)) {
				return nil
			}
			for _, m := range more {
				r.m.also(m.column, m.value)
			}
			return nil
		})
	}
	switch len(absent) {
	case 0:
	case 3:
		r.fault(".", 0, "there are no folders nsynth-train, nsynth-valid and nsynth-test in it")
	default:
		r.m.warn("%s: there is no %s", r.root, strings.Join(absent, " and no "))
	}
}
