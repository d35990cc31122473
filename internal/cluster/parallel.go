package cluster

import (
	"fmt"
	"strings"

	"clr/internal/fault"
)

// Parallel is a line of GNU parallel, and the same for xargs, which is there where
// parallel is not: so many trials at a time, each on its CPUs. Both go on after a
// trial has failed; the line again does what is left.
func (s Sweep) Parallel(jobs int) (string, error) {
	if err := s.oneLine(); err != nil {
		return "", err
	}
	for _, path := range []string{s.Command, s.File, s.Out} {
		if strings.Contains(path, "{") {
			return "", fault.New(fault.Usage, "rename it", "%q holds a brace, which parallel and xargs take for their own", path)
		}
	}
	env := fmt.Sprintf("GOMAXPROCS=%d%s", s.CPUs, s.settings(" "))
	text := fmt.Sprintf(`# %d trials, %d at a time, each of %d MiB at most
seq 0 %d | env %s parallel --jobs %d --line-buffer --tag %s

# the same, where there is no GNU parallel
seq 0 %d | env %s xargs -P %d -I {} %s
`, s.Trials, jobs, mebibytes(s.Memory), s.Trials-1, env, jobs, quote(s.run("{}")), s.Trials-1, env, jobs, s.run("{}"))
	return text, nil
}
