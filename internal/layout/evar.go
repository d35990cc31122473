package layout

import (
	"path/filepath"
	"strings"
)

// readEVAR reads a list of EVAR (Niizumi et al.,
// github.com/nttcslab/eval-audio-repr): recordings with labels, and a fold or a
// split each. Where any label holds a comma, all are lists of labels.
func readEVAR(r *reader) {
	list := filepath.ToSlash(r.o.CSV)
	if list == "" {
		var err error
		if list, err = r.only(".csv"); err != nil {
			r.fault(".", 0, "%w; name the list with --csv", err)
			return
		}
	} else if !r.relative(&list) {
		return
	}
	r.recordings(".")
	rows := r.csv(list, "file_name", "label")
	several := false
	for _, row := range rows {
		several = several || strings.Contains(row.get("label"), ",")
	}
	for _, row := range rows {
		labels := []string{row.get("label")}
		if several {
			labels = strings.Split(labels[0], ",")
			for i := range labels {
				labels[i] = strings.TrimSpace(labels[i])
			}
		}
		file := filepath.ToSlash(filepath.Clean(row.get("file_name")))
		r.take(list, row.line, Clip{File: file, Split: row.get("split"), Fold: row.get("fold")}, labels...)
	}
}

// relative makes a path on the machine one below the root, or above it.
func (r *reader) relative(file *string) bool {
	root, err := filepath.Abs(r.root)
	if err == nil {
		var abs, rel string
		if abs, err = filepath.Abs(*file); err == nil {
			if rel, err = filepath.Rel(root, abs); err == nil {
				*file = filepath.ToSlash(rel)
				return true
			}
		}
	}
	r.fault(*file, 0, "%w", err)
	return false
}
