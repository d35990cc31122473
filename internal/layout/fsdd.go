package layout

import (
	"path"
	"regexp"
	"strconv"
)

var digit = regexp.MustCompile(`^(\d)_(.+)_(\d+)\.[^.]+$`)

// readFSDD reads the Free Spoken Digit Dataset. Its own split tests on takes 0
// to 4 of speakers that are also learnt from; the column speaker is there to
// leave one out instead.
func readFSDD(r *reader) {
	for _, file := range r.recordings("recordings") {
		m := digit.FindStringSubmatch(path.Base(file))
		if m == nil {
			continue // left over
		}
		c := Clip{File: file, Split: "train", Group: m[2]}
		if take, err := strconv.Atoi(m[3]); err == nil && take <= 4 {
			c.Split = "test"
		}
		if r.take("", nil, c, m[1]) {
			r.m.also("speaker", m[2])
		}
	}
}
