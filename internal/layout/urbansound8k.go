package layout

import "path"

// readUrbanSound8K reads UrbanSound8K (Salamon, Jacoby and Bello, A Dataset and
// Taxonomy for Urban Sound Research, ACM MM 2014). The list's start and end are
// of the recording that a slice was cut from, not of the file.
func readUrbanSound8K(r *reader) {
	const list = "metadata/UrbanSound8K.csv"
	r.recordings("audio")
	for _, row := range r.csv(list, "slice_file_name", "fsID", "fold", "class") {
		fold := row.get("fold")
		if fold == "" {
			r.fault(list, row.number, "%s has no fold", row.get("slice_file_name"))
			continue
		}
		file := path.Join("audio", "fold"+fold, row.get("slice_file_name"))
		r.take(list, row.line, Clip{File: file, Fold: fold, Group: row.get("fsID")}, row.get("class"))
	}
}
