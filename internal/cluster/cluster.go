// Package cluster says in other programs' languages how a sweep's trials are to be
// run: Slurm's batch scripts, Kubernetes' manifests, GNU parallel's and xargs' lines.
//
// It hides these languages, their quoting, and what each does with the exit codes
// of clr. Every trial is the same command with another index, so nothing but the
// index goes from a scheduler to a trial, and nothing but its exit code comes back.
// Variables that set keys of the config are written into what is printed, so that it
// means the same wherever it is submitted.
package cluster

import (
	"fmt"
	"path/filepath"
	"strings"

	"clr/internal/fault"
)

// A Sweep is what a scheduler has to know of one.
type Sweep struct {
	Command   string   // the binary, as it is called where trials run
	File, Out string   // the sweep's file, the folder of its trials
	Env       []string // variables that each trial is to have, NAME=value
	Trials    int
	Memory    int64 // of the largest trial, bytes
	Disk      int64 // of all trials' folders, bytes
	CPUs      int   // that a trial keeps busy
}

// Attempts is how often a scheduler tries a trial anew that ended for a reason which
// may have passed: it was killed, the disk was full. Being interrupted costs none.
const Attempts = 3

// Name is short, and made of what the schedulers allow in names: small letters,
// digits, dashes.
func (s Sweep) Name() string {
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(s.File), filepath.Ext(s.File)))
	name := strings.Join(strings.FieldsFunc(base, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }), "-")
	if len(name) > 40 {
		name = strings.TrimRight(name[:40], "-")
	}
	if name == "" {
		return "sweep"
	}
	return name
}

// mebibytes are a size in whole MiB, rounded up.
func mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// run is the command line of a trial, whose index is said as the shell has it.
func (s Sweep) run(index string) string {
	return fmt.Sprintf("%s sweep run %s --out %s --retry --index %s", quote(s.Command), quote(s.File), quote(s.Out), index)
}

// oneLine refuses what no line of a script can say.
func (s Sweep) oneLine() error {
	for _, word := range append([]string{s.Command, s.File, s.Out}, s.Env...) {
		if strings.ContainsAny(word, "\n\r") {
			return fault.New(fault.Usage, "rename it, or write a variable's value into the config", "%q holds the end of a line, which a script's line cannot say", word)
		}
	}
	return nil
}

// settings are the variables as words of a shell, each with one before it.
func (s Sweep) settings(before string) string {
	var b strings.Builder
	for _, e := range s.Env {
		b.WriteString(before + quote(e))
	}
	return b.String()
}

// quote makes one word of any text, for a POSIX shell.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=@%+,", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
