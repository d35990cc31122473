package bench

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"clr/internal/audio"
	"clr/internal/fault"
)

// An ExtractionSpeed is what Extraction found.
type ExtractionSpeed struct {
	Bench      string  `json:"bench"` // features
	Feature    string  `json:"feature"`
	SampleRate int     `json:"sample_rate"`
	From       string  `json:"from"` // memory, or the folder
	Files      int     `json:"files"`
	AudioS     float64 `json:"audio_s"`       // seconds of audio that one pass over the files, or one clip, holds
	Rate       float64 `json:"audio_s_per_s"` // on all threads
	PerThread  float64 `json:"audio_s_per_s_per_thread"`
	Machine
}

// An Extraction is one feature with its defaults over a source of clips.
type Extraction struct {
	Feature string
	Folder  string // of recordings; empty: a clip of one second in memory
	Threads int    // 0: one for each core
}

const (
	extractionClip = 1.0                    // seconds, in memory
	extractionTime = 400 * time.Millisecond // of a round, at least
)

// Run times decoding, resampling where a file has another rate than 16 kHz, and
// the feature, which goes nowhere: the best of three rounds after a pass that
// brings the files into the system's cache. Recordings are all files below the
// folder with the name of a format that is read here, in the order of their names.
func (e Extraction) Run(ctx context.Context, watch func() Machine) (*ExtractionSpeed, error) {
	o, ok := audio.Features[e.Feature]
	if !ok {
		names := slices.Sorted(maps.Keys(audio.Features))
		return nil, fault.New(fault.Usage, "one of "+strings.Join(names, ", "), "there is no feature %q", e.Feature)
	}
	cores := runtime.GOMAXPROCS(0)
	if e.Threads < 0 || e.Threads > cores {
		return nil, fault.New(fault.Usage, "leave it out for all cores", "--threads is %d, it must be 1 to %d, the cores there are", e.Threads, cores)
	}
	if e.Threads == 0 {
		e.Threads = cores
	}
	r := &ExtractionSpeed{Bench: "features", Feature: e.Feature, SampleRate: featureRate, From: "memory"}
	var clips []func() (audio.Clip, error)
	var files []string
	if e.Folder == "" {
		clip := audio.Clip{Rate: featureRate, Samples: sound()[:int(extractionClip*featureRate)]}
		clips = append(clips, func() (audio.Clip, error) { return clip, nil })
	} else {
		var err error
		if files, err = recordings(e.Folder); err != nil {
			return nil, err
		}
		for _, path := range files {
			clips = append(clips, func() (audio.Clip, error) { return audio.ReadClip(path, featureRate, 0, 0) })
		}
		r.From, r.Files = e.Folder, len(files)
	}
	w, err := newExtractor(o, e.Threads, clips...)
	if err != nil {
		return nil, err
	}
	w.names = files
	if r.AudioS, err = w.pass(ctx, 1); err != nil {
		return nil, err
	}
	r.Machine = watch()
	r.Threads = e.Threads
	if r.Rate, err = w.rate(ctx, extractionTime); err != nil {
		return nil, err
	}
	r.PerThread = r.Rate / float64(e.Threads)
	return r, nil
}

// recordings are the files to be decoded.
func recordings(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && audio.NamesRecording(path) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.Data, "see that the path is right and may be read", "%w", err)
	}
	if len(files) == 0 {
		return nil, fault.New(fault.Data, "name a folder with recordings", "there are no recordings below %s", folder)
	}
	return files, nil
}

// An extractor makes features of clips on some threads.
type extractor struct {
	features []audio.Feature // a thread's each
	specs    []audio.Spectrogram
	clips    []func() (audio.Clip, error)
	names    []string // of their files, where they have some
}

func newExtractor(o audio.FeatureOptions, threads int, clips ...func() (audio.Clip, error)) (*extractor, error) {
	w := &extractor{features: make([]audio.Feature, threads), specs: make([]audio.Spectrogram, threads), clips: clips}
	for i := range w.features {
		var err error
		if w.features[i], err = o.New(featureRate); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// rate is in seconds of audio a second, the best of some rounds that take so long
// at least.
func (w *extractor) rate(ctx context.Context, least time.Duration) (float64, error) {
	best, passes := 0.0, 1
	for round := 0; round < featureRounds; {
		began := time.Now()
		seconds, err := w.pass(ctx, passes)
		if err != nil {
			return 0, err
		}
		took := time.Since(began)
		if took < least { // too short to be timed
			passes *= 2
			continue
		}
		best = max(best, seconds/took.Seconds())
		round++
	}
	return best, nil
}

// pass goes so often over all clips, each thread taking the next, and gives the
// seconds of audio that it heard.
func (w *extractor) pass(ctx context.Context, times int) (float64, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	seconds, errs := make([]float64, len(w.features)), make([]error, len(w.features))
	for i, f := range w.features {
		wg.Go(func() {
			errs[i] = fault.Guard(func() error {
				for {
					n := int(next.Add(1)) - 1
					if n >= times*len(w.clips) {
						return nil
					}
					if err := ctx.Err(); err != nil {
						return err
					}
					c, err := w.clips[n%len(w.clips)]()
					if err != nil {
						return err
					}
					if err := f.Extract(&w.specs[i], c); err != nil {
						if w.names != nil {
							err = fmt.Errorf("%s: %w", w.names[n%len(w.clips)], err)
						}
						return err
					}
					seconds[i] += float64(len(c.Samples)) / float64(c.Rate)
				}
			})
		})
	}
	wg.Wait()
	sum := 0.0
	for i, err := range errs {
		if err != nil {
			return 0, err
		}
		sum += seconds[i]
	}
	return sum, nil
}

// Write shows a report for a person.
func (r *ExtractionSpeed) Write(w io.Writer) error {
	from := r.From
	if r.Files > 0 {
		from = fmt.Sprintf("%d files below %s", r.Files, r.From)
	}
	if _, err := fmt.Fprintf(w, "%s from %s: %.0f seconds of audio a second on %d threads, %.0f on each\n", r.Feature, from, r.Rate, r.Threads, r.PerThread); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, r.Machine)
	return err
}
