package rundir

import (
	"maps"
	"slices"
	"time"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// CheckpointOptions say how often a run is saved, and how many checkpoints are
// kept.
type CheckpointOptions struct {
	Every int `yaml:"every" doc:"epochs between checkpoints; 0: as often as takes 1 % of the time, at most every 10 s; the last step always has one"`
	Steps int `yaml:"steps" doc:"steps between checkpoints, whatever every says; 0: as it says"`
	Keep  int `yaml:"keep" doc:"checkpoints to keep: the newest, and those before it for the day when that is damaged"`
}

// Check refuses what cannot be done.
func (o CheckpointOptions) Check() error {
	for _, v := range []struct {
		what        string
		value, from int
	}{{"every", o.Every, 0}, {"steps", o.Steps, 0}, {"keep", o.Keep, 1}} {
		if v.value < v.from || v.value > 1e6 {
			return fault.New(fault.Usage, "the default is every: 0, steps: 0, keep: 2", "%s is %d: it must be %d to 1000000", v.what, v.value, v.from)
		}
	}
	return nil
}

// What Every 0 means: share of the time that saving may take, and the least
// time between two checkpoints.
const (
	saveShare = 100
	saveLeast = 10 * time.Second
)

// A Saver writes a fold's checkpoints beside its training, which waits only
// while its arrays are copied. One is written at a time: the next one waits.
type Saver struct {
	dir   string
	o     CheckpointOptions
	log   *Log
	clock Clock

	copy    map[string]kernel.Array // what is being written
	writing chan result             // nil if nothing is
	began   time.Time               // of the last save
	cost    time.Duration           // of the last one done
	step    int                     // of the newest checkpoint, -1 if there is none
}

// A result is how a save ended.
type result struct {
	step int
	took time.Duration
	err  error
}

// NewSaver saves to dir after log. step is that of the newest checkpoint there,
// or -1.
func NewSaver(dir string, o CheckpointOptions, log *Log, step int, clock Clock) *Saver {
	return &Saver{dir: dir, o: o, log: log, clock: clock, began: clock.Now(), step: step}
}

// Due says whether a checkpoint should follow the step that makes done steps.
func (s *Saver) Due(done, perEpoch int) bool {
	switch {
	case s.o.Steps > 0:
		return done%s.o.Steps == 0
	case s.o.Every > 0:
		return done%(perEpoch*s.o.Every) == 0
	}
	since := s.clock.Now().Sub(s.began)
	if since < 0 { // the clock was set back
		s.began, since = s.clock.Now(), 0
	}
	return s.writing == nil && since >= max(saveLeast, saveShare*s.cost)
}

// Save begins to write the checkpoint of a step, and returns when the arrays,
// which are live, may move again. Values that are not finite are refused, with
// an error of kind Diverged.
func (s *Saver) Save(step int, meta map[string]string, arrays map[string]kernel.Array) error {
	if err := s.Wait(); err != nil {
		return err
	}
	s.began = s.clock.Now()
	if s.copy == nil {
		s.copy = map[string]kernel.Array{}
	}
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		a := arrays[name]
		to, ok := s.copy[name]
		if !ok || len(to.Data) != len(a.Data) {
			to = kernel.New(a.Shape...)
			s.copy[name] = to
		}
		if sum := kernel.SumSquares(a.Data); sum-sum != 0 { // no finite values add up to that, in float64
			i := slices.IndexFunc(a.Data, func(v float32) bool { return v-v != 0 })
			return fault.New(fault.Diverged, RemedyDiverged, "%s holds %v after %d steps; it is not saved", name, a.Data[i], step)
		}
		copy(to.Data, a.Data)
	}
	writing, began := make(chan result, 1), s.began
	go func() {
		err := fault.Guard(func() error { return s.write(step, meta) })
		writing <- result{step, s.clock.Now().Sub(began), err}
	}()
	s.writing = writing
	return nil
}

// write keeps the order: the log never lacks a step that a checkpoint holds.
func (s *Saver) write(step int, meta map[string]string) error {
	if err := s.log.Sync(); err != nil {
		return err
	}
	return checkpoint.Rotate(s.dir, LastFile, s.o.Keep, &checkpoint.Checkpoint{Meta: meta, Arrays: s.copy})
}

// RemedyDiverged is what to do about a run whose numbers are none any more.
const RemedyDiverged = "lower optimizer.lr or lengthen schedule.warmup_epochs; checkpoints of the steps before are as they were"

// Check tells, without waiting, whether the last save went wrong.
func (s *Saver) Check() error {
	select {
	case r := <-s.writing:
		return s.done(r)
	default:
		return nil
	}
}

// Wait waits until what was to be saved is on disk.
func (s *Saver) Wait() error {
	if s.writing == nil {
		return nil
	}
	return s.done(<-s.writing)
}

func (s *Saver) done(r result) error {
	s.writing, s.cost = nil, r.took
	if r.err == nil {
		s.step = r.step
	}
	return r.err
}

// Newest is the step of the newest checkpoint that is on disk, -1 if there is none.
func (s *Saver) Newest() int { return s.step }
