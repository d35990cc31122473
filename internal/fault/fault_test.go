package fault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// full is what writing to a full disk gives, as the os package wraps it.
var full = &os.PathError{Op: "write", Path: "last.safetensors", Err: syscall.ENOSPC}

func TestKindOf(t *testing.T) {
	data := New(Data, "", "no sound")
	for _, c := range []struct {
		what string
		err  error
		want Kind
	}{
		{"nothing named", io.EOF, Run},
		{"named", data, Data},
		{"wrapped", fmt.Errorf("fold 3: %w", fmt.Errorf("a.wav: %w", data)), Data},
		{"outermost of two", New(Usage, "", "config: %w", data), Usage},
		{"joined", errors.Join(io.EOF, data), Data},
		{"first of two joined", errors.Join(New(Mismatch, "", "differs"), data), Mismatch},
		{"full disk", fmt.Errorf("metrics: %w", full), Resource},
		{"full disk in an error of another kind", New(Usage, "", "writing: %w", full), Resource},
		{"full disk joined", errors.Join(data, full), Resource},
		{"quota", New(Run, "", "x: %w", syscall.EDQUOT), Resource},
		{"another errno", New(Run, "", "x: %w", syscall.EACCES), Run},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%s: kind %d, want %d", c.what, got, c.want)
		}
	}
}

func TestRemedy(t *testing.T) {
	const space = "free some space"
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"none", io.EOF, ""},
		{"named without", New(Run, "", "x"), ""},
		{"wrapped", fmt.Errorf("fold 3: %w", New(Data, "record it again", "no sound")), "record it again"},
		{"outermost of two", New(Usage, "outer", "x: %w", New(Data, "inner", "y")), "outer"},
		{"behind one without", New(Usage, "", "x: %w", New(Data, "inner", "y")), "inner"},
		{"behind one without, joined", New(Data, "", "%w", errors.Join(io.EOF, New(Data, "", "y"), New(Data, "third", "z"))), "third"},
		{"full disk", fmt.Errorf("metrics: %w", full), space},
		{"full disk, and somebody knows better", New(Resource, "move the run", "x: %w", full), "move the run"},
	} {
		got := Remedy(c.err)
		if c.want == space {
			got = got[:min(len(got), len(space))]
		}
		if got != c.want {
			t.Errorf("%s: remedy %q, want %q", c.what, got, c.want)
		}
	}
}

// New is fmt.Errorf with more to it: the cause can still be found.
func TestNewWraps(t *testing.T) {
	err := New(Data, "", "%s: %w", "a.wav", io.ErrUnexpectedEOF)
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "a.wav: unexpected EOF" {
		t.Errorf("%v", err)
	}
}

// The numbers are exit codes on which schedulers act.
func TestKindsKeepTheirNumbers(t *testing.T) {
	for k, want := range map[Kind]int{Run: 1, Usage: 2, Data: 3, Diverged: 4, Mismatch: 5, Resource: 6, Interrupted: 75} {
		if int(k) != want {
			t.Errorf("kind %d, want %d", k, want)
		}
	}
}

func TestList(t *testing.T) {
	var all []error
	for i := range Most + 3 {
		all = append(all, fmt.Errorf("mistake %d", i))
	}
	err := List(Data, "mend them", all)
	lines := strings.Split(err.Error(), "\n")
	if KindOf(err) != Data || Remedy(err) != "mend them" || len(lines) != Most+1 || lines[0] != "mistake 0" || lines[Most] != "and 3 more" {
		t.Errorf("kind %d, remedy %q:\n%v", KindOf(err), Remedy(err), err)
	}
	if err := List(Data, "", all[:Most]); strings.Count(err.Error(), "\n") != Most-1 || len(all) != Most+3 {
		t.Errorf("of %d: %v", Most, err)
	}
}
