package sweep

import (
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/pipeline"
)

// Any text is a sweep, of which every point can be drawn, or is refused with its name.
func FuzzFile(f *testing.F) {
	base, err := pipeline.ParseConfig("small.yaml", []byte(small), pipeline.Overrides{})
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{bayesSweep, stopSweep, bestSweep, drawnSweep + "  optimizer.lr: {distribution: q_log_normal, q: 0.001}\n  optimizer: {parameters: {weight_decay: {values: [0, 0.1], probabilities: [0.5, 0.5]}}}\n"} {
		for _, b := range fuzztest.Some([]byte("config: small.yaml\n"+text), 9) {
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s *File
		var err error
		fuzztest.Bounded(t, len(text), 64<<20, func() {
			s, err = parse("fuzzed.yaml", []byte(text), func(string) (*pipeline.Config, error) { return base, nil })
		})
		if err != nil {
			fuzztest.Refused(t, err, fault.Usage, "fuzzed.yaml")
			return
		}
		if s.Trials < 1 || s.Trials > MostTrials || s.Trials%s.Seeds != 0 && s.Method != grid {
			t.Fatalf("%d trials of %d seeds", s.Trials, s.Seeds)
		}
		for _, i := range []int{0, s.Points() / 2, s.Points() - 1} {
			p := point{}
			if s.Method == grid {
				p = s.gridPoint(i)
			} else {
				p = s.randomPoint(i)
			}
			tr := s.trial(i*s.Seeds, p)
			if len(tr.Params) != len(s.Parameters) {
				t.Fatalf("%+v", tr)
			}
			if b, err := tr.Params.MarshalJSON(); err != nil || !strings.HasPrefix(string(b), "{") {
				t.Fatalf("%s, %v", b, err)
			}
			s.config(tr, p) // may be refused, and does not panic
		}
	})
}
