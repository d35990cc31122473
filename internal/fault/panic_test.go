package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	if err := Guard(func() error { return io.EOF }); err != io.EOF {
		t.Errorf("an error became %v", err)
	}
	err := fmt.Errorf("a.wav: %w", Guard(func() error { panic("kernel: odd shape") }))
	var p *Panic
	if !errors.As(err, &p) || !strings.Contains(string(p.Stack), "panic_test.go") {
		t.Fatalf("no stack of where it happened in %v", err)
	}
	if KindOf(err) != Run || Remedy(err) == "" || err.Error() != "a.wav: internal error, a mistake in clr: kernel: odd shape" {
		t.Errorf("kind %d: %v", KindOf(err), err)
	}
}

// What one goroutine's Guard gave, thrown again on another, stays what it is.
func TestGuardPassesOn(t *testing.T) {
	for _, want := range []error{
		Guard(func() error { panic("odd shape") }),
		fmt.Errorf("a.wav: %w", New(Data, "mend it", "cut off")),
	} {
		if got := Guard(func() error { panic(want) }); got != want {
			t.Errorf("%v became %v", want, got)
		}
	}
	var none *Error
	var p *Panic
	if err := Guard(func() error { return New(Data, "", "%s", none.Remedy) }); !errors.As(err, &p) {
		t.Errorf("a nil pointer: %v", err)
	}
	if err := Guard(func() error { panic(io.EOF) }); KindOf(err) != Run || !errors.As(err, &p) {
		t.Errorf("an error that nobody classified: %v", err)
	}
}
