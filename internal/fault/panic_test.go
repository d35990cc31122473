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
