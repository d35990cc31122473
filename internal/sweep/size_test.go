package sweep

import (
	"strings"
	"testing"

	"clr/internal/fault"
)

// A scheduler is asked for what the largest point takes, and for no more trials'
// memory than one.
func TestSize(t *testing.T) {
	size := func(text string) *Size {
		t.Helper()
		s, err := good(t, "method: grid\n"+text).Size(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	small := size("parameters: {encoder.width: {values: [4]}}\n")
	large := size("parameters: {encoder.width: {values: [64]}}\n")
	both := size("parameters: {encoder.width: {values: [4, 64]}}\n")
	seeds := size("parameters: {encoder.width: {values: [4]}}\nseeds: 3\n")
	if small.CPUs != 1 || large.CPUs <= 1 || small.Memory <= room || large.Memory <= small.Memory {
		t.Errorf("small %+v, large %+v", small, large)
	}
	if both.Memory != large.Memory || both.CPUs != large.CPUs || both.Disk <= large.Disk {
		t.Errorf("both %+v, large %+v", both, large)
	}
	if seeds.Memory != small.Memory || seeds.Disk-1<<30 != 3*(small.Disk-1<<30) {
		t.Errorf("three seeds %+v, one %+v", seeds, small)
	}
	_, err := good(t, "method: grid\nparameters: {batch: {values: [100000]}}\n").Size(t.Context(), t.TempDir())
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "batch") {
		t.Errorf("%v", err)
	}
}
