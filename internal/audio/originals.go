package audio

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"clr/internal/fault"
)

// Originals are the recordings that features were made from, read again. One
// that was replaced since by other sound would change results without a word:
// so a file's SHA-256 is compared when it is first read, and again where its
// size, its time or the file itself is not the one that was seen. Safe for
// several goroutines.
type Originals struct {
	corpus *Corpus
	files  map[string]*original // by their name in the corpus's file system
}

// An original is a file by its content.
type original struct {
	sum [32]byte // SHA-256

	mu   sync.Mutex
	seen fs.FileInfo // of the file when it last had that content; nil: not seen yet
	err  error       // why there is no sum
}

// Originals are those of the store's clips; c is the corpus that Check was
// asked of.
func (s *Store) Originals(c *Corpus) *Originals {
	o := &Originals{corpus: c, files: map[string]*original{}}
	for i, it := range c.Items {
		o.files[it.File] = &original{sum: s.clips[i].sum}
	}
	return o
}

// Clip reads item i of the corpus as a clip of a rate.
func (o *Originals) Clip(i, rate int) (Clip, error) {
	it := o.corpus.Items[i]
	return o.files[it.File].clip(o.corpus.fsys, it, rate)
}

// attempts is how often a file is read that changes while it is read.
const attempts = 3

func (o *original) clip(fsys fs.FS, it Item, rate int) (Clip, error) {
	r, f, err := seekable(fsys, it.File)
	if err != nil {
		return Clip{}, err
	}
	defer f.Close()
	for range attempts {
		before, err := o.compare(r, f)
		if err != nil {
			return Clip{}, fault.New(fault.Data, fault.Remedy(err), "%s: %w", it.File, err)
		}
		c, failed := readClip(r, it.File, rate, it.Start, it.End)
		after, err := f.Stat()
		if err != nil {
			return Clip{}, fault.New(fault.Data, replace, "%w", err)
		}
		if sameFile(before, after) {
			return c, failed
		}
	}
	return Clip{}, fault.New(fault.Data, "wait until nobody writes the recordings", "%s changes while it is read", it.File)
}

// compare sees that an open file has the content, and gives what the file is.
func (o *original) compare(r io.ReadSeeker, f fs.File) (fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen != nil && sameFile(o.seen, info) {
		return info, nil
	}
	sum, err := sumOf(r)
	if err != nil {
		return nil, err
	}
	if sum != o.sum {
		return nil, fault.New(fault.Data, "bring it back as it was, or run clr features again and start another run",
			"the recording has changed: its SHA-256 was %.6x…, now it is %.6x…", o.sum, sum)
	}
	o.seen = info
	return info, nil
}

// sumOf is the SHA-256 of all of r.
func sumOf(r io.ReadSeeker) (sum [32]byte, err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return sum, err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	return [32]byte(h.Sum(nil)), err
}

// sameFile says whether a file is as it was. Only the machine's own files know
// themselves; others, as those inside the binary, go by size and time.
func sameFile(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && (os.SameFile(a, b) || !os.SameFile(a, a))
}

// identify finds the content of an item's file, once for all clips cut from it,
// and compares it with what the manifest says.
func (o *original) identify(c *Corpus, it Item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil && o.err == nil {
		o.err = fault.Guard(func() error { return o.look(c.fsys, it.File) })
	}
	if o.err != nil {
		return fmt.Errorf("%s:%d: %w", c.Path, it.Line, o.err)
	}
	if sum := hex.EncodeToString(o.sum[:]); it.SHA256 != "" && it.SHA256 != sum {
		return fault.New(fault.Data, "fetch the recordings named again, or mend the sha256 column",
			"%s:%d: %s has the SHA-256 %s, the manifest says %s", c.Path, it.Line, it.Path, sum, it.SHA256)
	}
	return nil
}

func (o *original) look(fsys fs.FS, file string) error {
	r, f, err := seekable(fsys, file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat() // before, so that a change of now shows later
	if err == nil {
		o.sum, err = sumOf(r)
	}
	if err != nil {
		return fault.New(fault.Data, "see that the files named may be read", "%s: %w", file, err)
	}
	o.seen = info
	return nil
}
