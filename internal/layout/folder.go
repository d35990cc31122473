package layout

import (
	"regexp"
	"strings"
)

// readFolder reads recordings whose class is the folder they are in, or without
// a class. Recordings deeper down belong to the folder of the root that they
// are below.
func readFolder(r *reader) {
	var source *regexp.Regexp
	if r.o.Group != "" {
		if source = r.pattern("group", r.o.Group); source == nil {
			return
		}
	}
	parts, err := partsOf(r.o.Split)
	if err != nil {
		r.usage = err
		return
	}
	files := r.recordings(".")
	loose, classes := "", 0
	for _, f := range files {
		if class, _, ok := strings.Cut(f, "/"); ok && class != "" {
			classes++
		} else {
			loose = f
		}
	}
	if classes > 0 && loose != "" && !r.o.Unlabelled {
		r.fault(loose, 0, "this recording stands beside the folders of classes; move it into one, or take all recordings without labels by --unlabelled")
		return
	}
	for _, f := range files {
		c, below, labels := Clip{File: f}, f, []string(nil)
		if classes > 0 && !r.o.Unlabelled {
			class, rest, _ := strings.Cut(f, "/")
			below, labels = rest, []string{class}
		}
		if source != nil {
			m := source.FindStringSubmatch(below)
			if m == nil || m[min(1, len(m)-1)] == "" {
				r.fault(f, 0, "--group %s finds nothing in %q", r.o.Group, below)
				continue
			}
			c.Group = m[min(1, len(m)-1)]
		}
		r.take("", nil, c, labels...)
	}
	if len(parts) > 0 && len(r.faults) == 0 {
		r.m.divide(parts, r.o.Seed)
	}
}
