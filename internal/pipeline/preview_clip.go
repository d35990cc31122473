package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/pipeline/strict"
)

// A chosen clip has a name to show, and the index by which its draws are
// addressed. A file that is not in the corpus has the one behind its end.
type chosen struct {
	name  string
	index int
}

// choose finds the clip that a person names: by its index, by its path as the
// manifest has it, or by the path of any audio file.
func choose(c *audio.Corpus, name string) (chosen, error) {
	last := len(c.Items) - 1
	i, err := strconv.Atoi(name)
	if err == nil && i >= 0 && i <= last {
		return chosen{c.Items[i].Path, i}, nil
	}
	var paths []string
	for i, it := range c.Items {
		if it.Path == name || it.File == filepath.Clean(name) {
			return chosen{it.Path, i}, nil
		}
		paths = append(paths, it.Path)
	}
	info, failed := os.Stat(name)
	switch {
	case failed == nil && !info.Mode().IsRegular():
		return chosen{}, fault.New(fault.Usage, "name an audio file", "--clip: %s is not a regular file", name)
	case failed == nil:
		return chosen{name, last + 1}, nil
	case err == nil:
		return chosen{}, fault.New(fault.Usage, fmt.Sprintf("the indices are 0 to %d", last), "--clip: %s lists no clip %d", c.Path, i)
	}
	hint := fmt.Sprintf("give an index from 0 to %d, a path as %s has it, such as %s, or an audio file", last, c.Path, c.Items[0].Path)
	if near := strict.Nearest(name, paths); near != "" {
		hint = "did you mean " + near + "? Else " + hint
	}
	return chosen{}, fault.New(fault.Usage, hint, "--clip: there is no clip and no file %s", name)
}
