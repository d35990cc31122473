package audio

import (
	"crypto/sha256"
	"encoding/hex"
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

	seconds    float64 // that it plays; 0: not known
	unmeasured error   // why that cannot be known
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
	l, err := o.open(it)
	if err != nil {
		return Clip{}, err
	}
	defer l.Close()
	return l.clip(it, rate)
}

// compare sees that an open file has the content, or, where there is no sum, that
// it is the file that was seen first.
func (o *original) compare(in *input) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen != nil && sameFile(o.seen, in.info) {
		return nil
	}
	if o.sum == [32]byte{} { // nobody said what it should hold
		if o.seen != nil {
			return fault.New(fault.Data, "wait until nobody writes the recordings, and start again", "the recording changes while it is read")
		}
		o.seen = in.info
		return nil
	}
	sum, err := sumOf(in)
	if err != nil {
		return err
	}
	if sum != o.sum {
		return fault.New(fault.Data, "bring it back as it was, or run clr features again and start another run",
			"the recording has changed: its SHA-256 was %.6x…, now it is %.6x…", o.sum, sum)
	}
	o.seen = in.info
	return nil
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
	if it.lost != nil {
		return fault.New(fault.Data, "bring the file back, or take its line out of the manifest", "%w", it.lost)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil && o.err == nil {
		o.err = fault.Guard(func() error { return o.look(c.fsys, it.File) })
	}
	if o.err != nil {
		return o.err
	}
	if sum := hex.EncodeToString(o.sum[:]); it.SHA256 != "" && it.SHA256 != sum {
		return fault.New(fault.Data, "fetch the recordings named again, or mend the sha256 column",
			"its SHA-256 is %s, the manifest says %s", sum, it.SHA256)
	}
	return nil
}

// length is how many seconds a recording has, looked for once.
func (o *original) length(fsys fs.FS, file string) (float64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seconds == 0 && o.unmeasured == nil {
		o.unmeasured = fault.Guard(func() error {
			in, err := openInput(fsys, file)
			if err != nil {
				return err
			}
			defer in.Close()
			o.seconds, err = secondsOf(in, file)
			return err
		})
	}
	return o.seconds, o.unmeasured
}

func (o *original) look(fsys fs.FS, file string) error {
	in, err := openInput(fsys, file)
	if err != nil {
		return err
	}
	defer in.Close()
	if o.sum, err = sumOf(in); err != nil {
		return fault.New(fault.Data, "see that the files named may be read", "%s: %w", file, err)
	}
	o.seen = in.info // from before, so that a change of now shows later
	return nil
}
