package layout

import (
	"path"
	"regexp"
	"strings"
)

// backgroundNoise is the folder of long recordings that are no words.
const backgroundNoise = "_background_noise_"

var spoken = regexp.MustCompile(`^(.+)_nohash_\d+\.[^.]+$`)

// readSpeechCommands reads Speech Commands v1 and v2 (Warden, arXiv 1804.03209):
// what stands in neither list is for training. Lists go by speaker, whose hash
// the names begin with.
func readSpeechCommands(r *reader) {
	split := map[string]string{}
	for _, l := range []struct{ file, split string }{{"validation_list.txt", "valid"}, {"testing_list.txt", "test"}} {
		for i, name := range r.lines(l.file) {
			name = strings.TrimSpace(name)
			switch {
			case name == "":
			case split[name] != "":
				r.fault(l.file, i+1, "%s is listed before, as %s", name, split[name])
			case !r.there(name):
				r.fault(l.file, i+1, "%s is listed, but not there", name)
			default:
				split[name] = l.split
			}
		}
	}
	for _, word := range r.folders() {
		if word == backgroundNoise {
			continue
		}
		for _, file := range r.recordings(word) {
			m := spoken.FindStringSubmatch(path.Base(file))
			if m == nil || path.Dir(file) != word {
				continue // left over
			}
			part := split[file]
			if part == "" {
				part = "train"
			}
			r.take("", nil, Clip{File: file, Split: part, Group: m[1]}, word)
		}
	}
}
