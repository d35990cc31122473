// Package fuzztest holds what the fuzz tests of all readers share: how a valid
// file is damaged in order, and what is asked of a reader beside not to panic.
package fuzztest

import (
	"bytes"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

// Damaged gives a valid file and, in order, some ways to damage it: cut off,
// with bytes changed, with a stretch left out or said twice, and with numbers
// that stand in it as text made huge, negative, broken or none.
func Damaged(whole []byte) [][]byte {
	all := [][]byte{whole, nil, append(slices.Clone(whole), whole...)}
	n := len(whole)
	if n == 0 {
		return all[:1]
	}
	step := max(1, n/8)
	for at := 0; at < n; at += step {
		all = append(all, whole[:at])
		end := min(n, at+step)
		all = append(all, slices.Concat(whole[:at], whole[end:]), slices.Concat(whole[:end], whole[at:]))
		for _, set := range []func(byte) byte{func(byte) byte { return 0 }, func(byte) byte { return 255 }, func(b byte) byte { return b ^ 1 }} {
			b := slices.Clone(whole)
			b[at] = set(b[at])
			all = append(all, b)
		}
	}
	found := numbers.FindAllIndex(whole, -1)
	for i := 0; i < len(found); i += 1 + len(found)/4 {
		for _, other := range []string{"", "0", "-1", "1e999", "4294967296", "99999999999999999999", "NaN", `"`} {
			all = append(all, slices.Concat(whole[:found[i][0]], []byte(other), whole[found[i][1]:]))
		}
	}
	return all
}

var numbers = regexp.MustCompile(`[0-9]+`)

// Some is a part of Damaged, one in so many: for readers whose every file takes
// its time, since go test reads the seeds too.
func Some(whole []byte, one int) [][]byte {
	var some [][]byte
	for i, b := range Damaged(whole) {
		if i%one == 0 {
			some = append(some, b)
		}
	}
	return some
}

// Bounded fails unless read takes at most fixed bytes of memory and 256 for each
// of the size bytes that it is given: more is what a file merely claims.
func Bounded(t testing.TB, size, fixed int, read func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(fixed+256*size); got > most {
		t.Errorf("reading %d bytes took %d bytes of memory, more than %d", size, got, most)
	}
}

// Refused fails unless an error is of a kind that says the file is at fault, and
// names it. Data errors have a remedy, too.
func Refused(t testing.TB, err error, kind fault.Kind, name string) {
	t.Helper()
	switch {
	case fault.KindOf(err) != kind:
		t.Errorf("kind %d, want %d: %v", fault.KindOf(err), kind, err)
	case kind == fault.Data && fault.Remedy(err) == "":
		t.Errorf("no remedy: %v", err)
	case !strings.Contains(err.Error(), name):
		t.Errorf("it does not name %s: %v", name, err)
	}
	if len(err.Error()) > 1<<20 {
		t.Errorf("the message has %d bytes: %.200s", len(err.Error()), err.Error())
	}
}

// Same fails unless two texts are equal.
func Same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%.2000q\nwant\n%.2000q", what, got, want)
	}
}
