package pipeline

import (
	"math"
	"testing"

	"clr/internal/fault"
)

func TestTime(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	con, _ := silent()
	r, err := Time(t.Context(), c, 5, con)
	if err != nil {
		t.Fatal(err)
	}
	if r.StepS <= 0 || r.WaitS < 0 || r.WaitS > r.StepS || math.Abs(r.WaitPercent-100*r.WaitS/r.StepS) > 1e-6 {
		t.Errorf("%+v", *r)
	}
	// 9 steps of 5, 5 and 6 clips in turn; the last five hold 27
	if want := 27 / (5 * r.StepS); math.Abs(r.ClipsPerS/want-1) > 1e-6 {
		t.Errorf("%v clips a second, want %v", r.ClipsPerS, want)
	}
	sum := 0.0
	for i, name := range []string{"gain", "mix", "time_mask"} {
		if r.Augmentations[i].Name != name {
			t.Errorf("augmentation %d is %s, want %s", i, r.Augmentations[i].Name, name)
		}
		sum += r.Augmentations[i].ViewUS
	}
	if math.Abs(sum*12e-6-r.AugmentS) > 1e-9 || r.AugmentS > r.ViewsS {
		t.Errorf("%v µs a view, %v s a batch of 12 views, of %v s", sum, r.AugmentS, r.ViewsS)
	}
	if _, err := Time(t.Context(), c, 0, con); fault.KindOf(err) != fault.Usage {
		t.Errorf("no steps: %v", err)
	}
}
