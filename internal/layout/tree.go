package layout

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"clr/internal/audio"
)

// recordings finds the recordings below a folder of the corpus, by their names'
// endings, in the order of their paths. Links are followed; what is hidden is
// not looked at. A folder that is not there is a mistake.
func (r *reader) recordings(folder string) []string {
	var found []string
	if err := r.walk(folder, nil, &found); err != nil {
		r.missing(folder, err)
	}
	slices.Sort(found)
	for _, f := range found {
		r.present[f] = true
	}
	return found
}

// maxWays is by how many ways a folder may be come to. Links that lead from each
// folder to all others make more ways than could ever be walked.
const maxWays = 100

// walk goes down a folder. above are the real paths of those that it is in: a
// link that leads back up is not followed.
func (r *reader) walk(folder string, above []string, found *[]string) error {
	real, err := filepath.EvalSymlinks(r.path(folder))
	if err != nil || slices.Contains(above, real) || r.ctx.Err() != nil {
		return err
	}
	switch r.ways[real]++; {
	case r.lost:
		return nil
	case r.ways[real] > maxWays:
		r.lost = true
		return fmt.Errorf("links lead to this folder, %s, by more than %d ways; remove some", real, maxWays)
	}
	entries, err := os.ReadDir(r.path(folder))
	if err != nil {
		return err
	}
	above = append(slices.Clip(above), real)
	for _, e := range entries {
		name, kind := path.Join(folder, e.Name()), e.Type()
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if kind&os.ModeSymlink != 0 {
			info, err := os.Stat(r.path(name))
			if err != nil {
				if audio.NamesRecording(name) {
					r.fault(name, 0, "this link leads nowhere")
				}
				continue
			}
			kind = info.Mode().Type()
		}
		switch {
		case kind.IsDir():
			if err := r.walk(name, above, found); err != nil {
				r.missing(name, err)
			}
		case kind.IsRegular() && audio.NamesRecording(name):
			*found = append(*found, name)
		}
	}
	return nil
}

// folders are the names of the folders in the root, in order; hidden ones are not.
func (r *reader) folders() []string {
	entries, err := os.ReadDir(r.root)
	if err != nil {
		r.missing(".", err)
	}
	var names []string
	for _, e := range entries {
		if info, err := os.Stat(r.path(e.Name())); err == nil && info.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// take adds a clip with its labels, if its recording is there. list is the file
// that names it and line finds where; the list is empty where the recording's
// own name says all.
func (r *reader) take(list string, line func() int, c Clip, labels ...string) bool {
	r.known[c.File] = true
	if wrong := r.refuse(c, labels); wrong != nil {
		if list == "" {
			r.fault(c.File, 0, "%w", wrong)
		} else {
			r.fault(list, line(), "%w", wrong)
		}
		return false
	}
	r.taken[c.File] = true
	c.Label = strings.Join(labels, ";")
	r.m.Clips = append(r.m.Clips, c)
	return true
}

// refuse says what is wrong with a clip.
func (r *reader) refuse(c Clip, labels []string) error {
	if !filepath.IsLocal(filepath.FromSlash(c.File)) {
		return fmt.Errorf("%s leads out of the corpus", c.File)
	}
	if !r.there(c.File) {
		return fmt.Errorf("%s is listed, but not there", c.File)
	}
	if c.End == "" && r.taken[c.File] {
		return fmt.Errorf("%s is listed twice", c.File)
	}
	for _, v := range append([]string{c.File, c.Split, c.Fold, c.Group}, labels...) {
		if err := oneLine(v); err != nil {
			return err
		}
	}
	for _, l := range labels {
		switch {
		case strings.Contains(l, ";"):
			return fmt.Errorf("the label %q holds a semicolon, which joins several labels in a manifest; rename it", l)
		case strings.TrimSpace(l) == "":
			return fmt.Errorf("%s has an empty label", c.File)
		}
	}
	return nil
}

// oneLine refuses what a manifest cannot hold, for CSV says all line breaks alike,
// and what would draw on a terminal where it is shown.
func oneLine(value string) error {
	if strings.ContainsFunc(value, func(c rune) bool { return c != '\t' && unicode.IsControl(c) }) {
		return fmt.Errorf("%.80q holds a line break or another control character; take it out", value)
	}
	return nil
}

// there says whether a recording of a list can be opened.
func (r *reader) there(file string) bool {
	if r.present[file] {
		return true
	}
	if r.ctx.Err() != nil {
		return false
	}
	info, err := os.Stat(r.path(file))
	return err == nil && info.Mode().IsRegular()
}
