package pipeline

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"clr/internal/disk"
	"clr/internal/embedding"
)

// A recording of 48 minutes takes little more memory than one of twelve, all of which
// are more than the workers may have ahead: what is known of a window, not its sound.
// (How far the workers are ahead is another number each time.)
func TestEmbedLong(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	most := func(minutes int) (peak uint64, clips int) {
		name := filepath.Join(dir, "long.wav")
		put(t, name, nil)
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		whole := wav(700, 60, 1)
		head := slices.Clone(whole[:44])
		size := uint32(minutes * (len(whole) - 44))
		for i := range 4 {
			head[4+i], head[40+i] = byte((size+36)>>(8*i)), byte(size>>(8*i))
		}
		f.Write(head)
		for range minutes {
			f.Write(whole[44:])
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "long.csv"), []byte("path\nlong.wav\n"))
		out := filepath.Join(dir, "long.parquet")
		runtime.GC()
		restore := disk.Intercept(func(c disk.Change) error {
			if c.Kind == "write" {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			return nil
		})
		defer restore()
		embedAnew(t, CorpusOptions{Source{Run: run}, filepath.Join(dir, "long.csv"), "parquet", out}, "windows.length=1", "embed.hop=1")
		x, err := embedding.OpenIndex(out)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		return peak, x.N
	}
	short, few := most(12)
	long, many := most(48)
	t.Logf("%d windows: %.1f MB; %d windows: %.1f MB; their samples: %.1f MB", few, float64(short)/1e6, many, float64(long)/1e6, 48*60*rate*4/1e6)
	if many != 48*60 || few != 12*60 {
		t.Errorf("%d and %d windows", few, many)
	}
	if grown := math.Max(0, float64(long)-float64(short)); grown > float64(many-few)*1000+16e6 {
		t.Errorf("four times the recording takes %.1f MB more", grown/1e6)
	}
}
