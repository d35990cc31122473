package pipeline

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/fuzztest"
)

// Every option of every feature at values that nobody means: it is refused as the
// person's mistake, or what is made of it has its bounds. With CLR_SOAK=1 at
// values, too, that are only unwise, and take their time.
func TestExtremeFeatures(t *testing.T) {
	values := []string{"-1", "2147483647", "1e300"}
	if os.Getenv("CLR_SOAK") != "" {
		values = append(values, "0", "1", "1e-300", "65536", "1000000")
	}
	tried, refused := 0, 0
	for _, name := range slices.Sorted(maps.Keys(audio.Features)) {
		pick := "feature={name: " + name + "}"
		c := DefaultConfig()
		c.Feature = audio.Features[name]
		unit := "view.unit=ln"
		if u := c.Feature.Unit(); u == "db" || u == "log10" {
			unit = "view.unit=" + u
		}
		for _, l := range schema().Leaves(c) {
			if !strings.HasPrefix(l.Path, "feature.") || l.Path == "feature.name" {
				continue
			}
			for _, value := range values {
				tried++
				what := name + ", " + l.Path + "=" + value
				fuzztest.Bounded(t, 0, 2<<30, func() {
					c, err := ParseConfig("run.yaml", []byte("corpus: a.csv\n"), Overrides{Set: []string{pick, unit, l.Path + "=" + value}})
					if err == nil {
						_, err = c.Input()
					}
					if err != nil {
						refused++
						if fault.KindOf(err) != fault.Usage {
							t.Errorf("%s: kind %d: %v", what, fault.KindOf(err), err)
						}
					}
				})
				if t.Failed() {
					t.Fatal(what)
				}
			}
		}
	}
	t.Logf("%d of %d were refused", refused, tried)
	if refused < tried/2 {
		t.Errorf("only %d of %d were refused", refused, tried)
	}
}
