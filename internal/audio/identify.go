package audio

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"clr/internal/fault"
)

// identify finds every item's key from its file's content.
func (b *builder) identify(ctx context.Context) error {
	items := b.corpus.Items
	b.originals = &Originals{corpus: b.corpus, files: map[string]*original{}}
	for _, it := range items {
		if b.originals.files[it.File] == nil {
			b.originals.files[it.File] = new(original)
		}
	}
	b.keys = make([]key, len(items))
	errs := make([]error, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	for range b.workers {
		wg.Go(func() {
			for i := range next {
				errs[i] = fault.Guard(func() (err error) { b.keys[i], err = b.key(items[i]); return err })
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
		if mistake := (*fault.Panic)(nil); errors.As(err, &mistake) {
			return err
		}
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

func (b *builder) key(it Item) (key, error) {
	o := b.originals.files[it.File]
	if err := o.identify(b.corpus, it); err != nil {
		return key{}, err
	}
	return sha256.Sum256(fmt.Appendf(nil, "%x %v %v %s", o.sum, it.Start, it.End, b.settings)), nil
}
