package layout

import (
	"path"
	"strings"

	"clr/internal/fault"
)

// readESC50 reads ESC-50 (Piczak, ESC: Dataset for Environmental Sound
// Classification, ACM MM 2015). Clips with one src_file are cut from one
// recording, and always in one fold.
func readESC50(r *reader) {
	if r.o.Only != "" && r.o.Only != "esc10" {
		r.usage = fault.New(fault.Usage, "esc10 is the part that esc50.csv names", "--only is %q, not esc10", r.o.Only)
		return
	}
	const list = "meta/esc50.csv"
	need := []string{"filename", "fold", "category", "src_file"}
	if r.o.Only != "" {
		need = append(need, "esc10")
	}
	r.recordings("audio")
	for _, row := range r.csv(list, need...) {
		file := path.Join("audio", row.get("filename"))
		if r.o.Only != "" && !strings.EqualFold(row.get("esc10"), "true") {
			r.known[file] = true
			continue
		}
		if row.get("fold") == "" {
			r.fault(list, row.number, "%s has no fold", file)
		}
		r.take(list, row.line, Clip{File: file, Fold: row.get("fold"), Group: row.get("src_file")}, row.get("category"))
	}
}
