package audio

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
)

// Stats tell what a build did.
type Stats struct {
	Clips  int     // of the corpus, as the store has them
	Left   int     // lines of the manifest that were left out
	Made   int     // computed now
	Reused int     // taken from the store that was there, or from an interrupted build
	Shared int     // clips that equal an earlier one, and share its record
	Bytes  int64   // of the store
	Audio  float64 // seconds of sound that went into those made
}

// BuildOptions are how a build works, and none of what it makes.
type BuildOptions struct {
	Workers  int                              // 0 is GOMAXPROCS
	Progress func(done, total int)            // is told of clips done; may be nil
	Say      func(format string, args ...any) // is told what the person should know; may be nil
}

// Build makes the store at path hold the features of a corpus, and opens it.
// What a store that is there already holds is copied, not computed; a store
// that needs no change is not written; one of an older version is made again.
// The new one grows beside it, in path.partial, where the next build picks it up
// if this one is interrupted or the disk runs full, and takes its place when it
// is whole. The same corpus and settings give the same bytes, whatever was there
// before and for any number of workers.
//
// While another process builds the same store, this one waits, and uses what
// came of it: of many runs that are started at once the first makes the store.
//
// Recordings that make no feature are all looked for and named, up to 20, in
// one data error; then the store stays as it was. Where the corpus skips them,
// the store is that of the other lines, and says which are left out: Corpus has
// the rest, and a list beside the store the reasons (see QuarantinePath). Those
// lines are tried again by each Build.
func Build(ctx context.Context, path string, c *Corpus, feature FeatureOptions, rate int, o BuildOptions) (*Store, Stats, error) {
	if err := feature.Check(rate); err != nil {
		return nil, Stats{}, err
	}
	settings, err := c.reading.settings(feature, rate)
	if err != nil {
		return nil, Stats{}, err
	}
	b := &builder{path: path, corpus: c, feature: feature, rate: rate, workers: o.Workers, settings: settings, progress: o.Progress, say: o.Say}
	if b.workers < 1 {
		b.workers = runtime.GOMAXPROCS(0)
	}
	b.stats.Clips = len(c.Items) // before they are cut
	s, err := b.build(ctx)
	if b.old != s {
		err = errors.Join(err, b.close())
	}
	b.stats.Left = b.left
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fault.New(fault.Interrupted, "run the same command again; it goes on from there", "interrupted; features of %d of %d clips are made", b.stats.Made+b.stats.Reused+b.stats.Shared, b.stats.Clips)
	}
	return s, b.stats, err
}

type builder struct {
	path     string
	corpus   *Corpus
	feature  FeatureOptions
	rate     int
	workers  int
	settings string
	progress func(done, total int)
	say      func(format string, args ...any)
	old      *Store // nil if there is none that can be used
	stats    Stats

	originals *Originals
	lines     []taken       // by line of the manifest
	dead      []atomic.Bool // lines that cannot be used, for the workers to see
	left      int           // of them
	cutAt     int           // left, when these were made:
	items     []Item        // clips
	of        []int         // each one's line
	keys      []key         // by item
	unique    []int         // items whose key none before has, in the order of the records, which they have one each
	number    map[key]int   // of a key among unique
	twins     map[int][]int // by that number, the other items with the key
}

func (b *builder) build(ctx context.Context) (*Store, error) {
	if _, err := b.open(); err != nil {
		return nil, err
	}
	if err := b.identify(ctx); err != nil {
		return nil, err
	}
	if b.unchanged() {
		return b.keep()
	}
	lock, err := b.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	if err := b.close(); err != nil {
		return nil, err
	}
	older, err := b.open() // who had the lock may have made it
	if err != nil {
		return nil, err
	}
	if b.unchanged() {
		return b.keep()
	}
	if older != nil && b.say != nil {
		b.say("%v; it is made again", older)
	}
	w, err := b.resume()
	if err != nil {
		return nil, err
	}
	defer w.file.Close()
	for again := true; again; {
		err := b.fill(ctx, w)
		if again = errors.Is(err, errAgain); err != nil && !again {
			return nil, err
		}
		if b.left > b.cutAt {
			b.cut()
		}
		if err := w.keep(b, len(b.unique)); err != nil {
			return nil, err
		}
	}
	if err := b.refuse(); err != nil {
		return nil, err
	}
	if err := b.quarantine(); err != nil {
		return nil, err
	}
	if b.stats.Bytes, err = w.finish(b); err != nil {
		return nil, err
	}
	b.tell()
	return mapStore(b.path)
}

// open opens the store that is there. One of an older version is as good as
// none; what is damaged or no store at all is the person's to delete.
func (b *builder) open() (older, err error) {
	old, err := OpenStore(b.path)
	switch {
	case errors.Is(err, errOlder):
		return err, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	b.old = old
	return nil, nil
}

// close closes the old store.
func (b *builder) close() error {
	old := b.old
	if b.old = nil; old == nil {
		return nil
	}
	return old.Close()
}

// keep is the old store, which needs no change.
func (b *builder) keep() (*Store, error) {
	if err := b.quarantine(); err != nil {
		return nil, err
	}
	b.tell()
	b.stats.Reused = len(b.unique)
	b.stats.Bytes = b.old.size
	return b.old, nil
}

// lockPath is the file that says who builds a store.
func lockPath(store string) string { return store + ".lock" }

// tidy removes the lock of a builder that was killed when all was done.
func tidy(store string) {
	if _, err := os.Stat(lockPath(store)); err == nil {
		if l, err := disk.TryLock(lockPath(store), store); err == nil {
			l.Release()
		}
	}
}

// patience is how often a waiting build looks whether it may go on.
const patience = 100 * time.Millisecond

// lock waits until no other process builds the store.
func (b *builder) lock(ctx context.Context) (*disk.Lock, error) {
	if _, err := disk.MkdirAll(filepath.Dir(b.path)); err != nil {
		return nil, disk.Failed(b.path, err)
	}
	for told := false; ; told = true {
		l, err := disk.TryLock(lockPath(b.path), "feature store "+b.path)
		if !errors.Is(err, disk.ErrLocked) {
			return l, err
		}
		if !told && b.say != nil {
			b.say("%v; waiting for it", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(patience):
		}
	}
}

// unchanged says whether the old store is what a build would write.
func (b *builder) unchanged() bool {
	if b.old == nil || b.old.settings != b.settings || len(b.old.records) != len(b.unique) {
		return false
	}
	for n, r := range b.old.records {
		if r.key != b.keys[b.unique[n]] {
			return false
		}
	}
	if sha256.Sum256(b.index(b.old.records)) != b.old.digest {
		return false
	}
	for _, r := range b.old.records {
		if !b.intact(r) {
			return false // that record is made again
		}
	}
	return b.old.Unchanged() == nil
}

// intact says whether a record of the old store is whole.
func (b *builder) intact(r record) (ok bool) {
	err := fault.Guard(func() error {
		raw, err := b.old.view.bytes(r.offset-align, r.end()-r.offset+align)
		ok = err == nil && whole(raw, r)
		return err
	})
	return err == nil && ok
}
