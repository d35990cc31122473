package audio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"clr/internal/fault"
)

// identify finds every item's key from its file's content.
func (b *builder) identify(ctx context.Context) error {
	items := b.corpus.Items
	sums := map[string]*fileSum{}
	for _, it := range items {
		if sums[it.File] == nil {
			sums[it.File] = new(fileSum)
		}
	}
	b.keys = make([]key, len(items))
	errs := make([]error, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	for range b.workers {
		wg.Go(func() {
			for i := range next {
				b.keys[i], errs[i] = b.key(items[i], sums[items[i].File])
			}
		})
	}
	for i := range items {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	var faults []error
	for _, err := range errs {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return listed(faults, fault.Remedy(faults[0]))
	}
	b.number = map[key]int{}
	for i, k := range b.keys {
		if _, ok := b.number[k]; !ok {
			b.number[k] = len(b.unique)
			b.unique = append(b.unique, i)
		}
	}
	b.stats.Shared = len(items) - len(b.unique)
	return nil
}

// A fileSum is a file's SHA-256, computed once for all clips cut from it.
type fileSum struct {
	once sync.Once
	hex  string
	err  error
}

func (b *builder) key(it Item, sum *fileSum) (key, error) {
	sum.once.Do(func() { sum.hex, sum.err = HashFile(b.corpus.fsys, it.File) })
	if sum.err != nil {
		return key{}, fault.New(fault.Data, "see that the files named may be read", "%s:%d: %w", b.corpus.Path, it.Line, sum.err)
	}
	if it.SHA256 != "" && it.SHA256 != sum.hex {
		return key{}, fault.New(fault.Data, "fetch the recordings named again, or mend the sha256 column",
			"%s:%d: %s has the SHA-256 %s, the manifest says %s", b.corpus.Path, it.Line, it.Path, sum.hex, it.SHA256)
	}
	return sha256.Sum256(fmt.Appendf(nil, "%s %v %v %s", sum.hex, it.Start, it.End, b.settings)), nil
}

// HashFile is the SHA-256 of a file, in hexadecimal.
func HashFile(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
