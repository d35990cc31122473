package pipeline

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/optim"
	"clr/internal/rundir"
)

// Every method goes the whole way: what it plans fits what it takes, a run that
// is interrupted resumes to the same bytes, and its encoder embeds.
func TestMethodsTrain(t *testing.T) {
	for name := range method.Table {
		set, ok := smallMethods[name]
		if !ok {
			t.Errorf("add a small %s to smallMethods", name)
			continue
		}
		dir := tones(t, 20)
		whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
		pretrain(t, load(t, dir, set), PretrainOptions{Run: whole})
		ctx, cancel := context.WithCancel(t.Context())
		if err := Pretrain(ctx, load(t, dir, set, "workers=5"), PretrainOptions{Run: stopped}, Console{Err: trap{"pretrain 4/9", cancel}}); fault.KindOf(err) != fault.Interrupted {
			t.Fatalf("%s: %v", name, err)
		}
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, Resume: true})
		same(t, rundir.LastFile, whole, stopped)

		_, d, e := trainedOn(t, dir, set)
		if x, _ := embedded(t, d, e); slices.ContainsFunc(x, func(v float64) bool { return v-v != 0 }) {
			t.Errorf("%s: an embedding is not finite", name)
		}
	}
}

// The documents name every method and every optimiser.
func TestDocsNameEveryPart(t *testing.T) {
	for file, names := range map[string][]string{
		"methods.md":  slices.Sorted(maps.Keys(method.Table)),
		"training.md": slices.Sorted(maps.Keys(optim.Table)),
	} {
		text := string(get(t, "../../docs", file))
		for _, name := range names {
			if !strings.Contains(text, "| `"+name+"` |") {
				t.Errorf("docs/%s has no row for %s", file, name)
			}
		}
	}
}
