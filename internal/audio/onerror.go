package audio

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/fault"
)

// OnError is what a corpus does about recordings that cannot be used.
type OnError struct {
	Do   string  `yaml:"do" doc:"fail: there are no features before all is mended; skip: lines that cannot be decoded or make no feature are left out, and listed beside the store"`
	Most float64 `yaml:"most" doc:"skip: share of the manifest's lines that may be left out; more end in an error"`
}

// Check refuses what cannot be done.
func (o OnError) Check() error {
	switch {
	case o.Do != "fail" && o.Do != "skip":
		return fault.New(fault.Usage, "use fail or skip", "do is %q", o.Do)
	case !(o.Most >= 0 && o.Most <= 1):
		return fault.New(fault.Usage, "0.05 is one line of twenty", "most is %v, it must be 0 to 1", o.Most)
	}
	return nil
}

// skips says that what fails is left out.
func (o OnError) skips() bool { return o.Do == "skip" }

// allows says whether so many lines may be left out.
func (o OnError) allows(left, lines int) bool {
	return left == 0 || o.skips() && left < lines && float64(left) <= float64(o.Most*float64(lines))
}

// QuarantinePath is where the lines are listed that a store leaves out.
func QuarantinePath(store string) string { return store + ".quarantine.csv" }

// quarantine brings the list up to date: one that lists nothing is removed.
func (b *builder) quarantine() error {
	path := QuarantinePath(b.path)
	was, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Data, "see that the file may be read, or delete it", "list of what is left out: %w", err)
	}
	missing := err != nil
	if b.left == 0 {
		if missing {
			return nil
		}
		if err := disk.Remove(path); err != nil {
			return disk.Failed(path, err)
		}
		return nil
	}
	var now bytes.Buffer
	out := csv.NewWriter(&now)
	out.Write([]string{"line", "path", "reason"})
	for i, l := range b.lines {
		if l.err != nil {
			it := b.corpus.Items[i]
			out.Write([]string{strconv.Itoa(it.Line), it.Path, reason(it, l.err)})
		}
	}
	out.Flush()
	if !missing && bytes.Equal(was, now.Bytes()) {
		return nil
	}
	return disk.WriteFile(path, func(w io.Writer) error { _, err := w.Write(now.Bytes()); return err })
}

// reason is an error without the name that stands beside it.
func reason(it Item, err error) string {
	s := err.Error()
	for _, name := range []string{it.File, it.Path} {
		s = strings.TrimPrefix(s, name+": ")
	}
	return s
}

// leave marks a line as one that cannot be used; the first reason stays.
func (b *builder) leave(line int, err error) {
	if b.lines[line].err == nil {
		b.lines[line].err = err
		b.dead[line].Store(true)
		b.left++
	}
}

// refuse is the error of a corpus of which more is left out than may be.
func (b *builder) refuse() error {
	o, lines := b.corpus.reading.OnError, len(b.lines)
	if o.allows(b.left, lines) {
		return nil
	}
	var faults []error
	for i, l := range b.lines {
		if l.err != nil {
			it := b.corpus.Items[i]
			faults = append(faults, fault.New(fault.Data, fault.Remedy(l.err), "%s:%d: %s: %s", b.corpus.Path, it.Line, it.Path, reason(it, l.err)))
		}
	}
	remedy := cmp.Or(fault.Remedy(faults[0]), replace)
	if !o.skips() {
		return listed(faults, remedy)
	}
	if err := b.quarantine(); err != nil {
		return err
	}
	return fault.New(fault.Data, "mend what is listed there, or let on_error.most be higher",
		"%s: %d of %d lines cannot be used, on_error.most is %v; %s lists them\n%w", b.corpus.Path, b.left, lines, o.Most, QuarantinePath(b.path), listed(faults, remedy))
}

// tell says what is left out.
func (b *builder) tell() {
	if b.left > 0 && b.say != nil {
		b.say("%s", fmt.Sprintf("%d of %d lines of %s are left out; %s says why", b.left, len(b.lines), b.corpus.Path, QuarantinePath(b.path)))
	}
}
