package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// An embedCache keeps the embeddings of clips' windows on disk, so that no clip goes
// through an encoder twice, whoever asks: in dir/ADDRESS/NAME.safetensors, where the
// address is of all that makes embeddings of features, an array stands under the
// hash of its clip's sound, stretch and feature settings, and the name is of those
// hashes. Files are written whole and never changed, so several processes may share
// a cache.
type embedCache struct {
	dir   string
	con   Console
	holds map[string][]string // what files hold, by path, as far as their headers were read
}

func newEmbedCache(dir string, con Console) *embedCache {
	return &embedCache{dir, con, map[string][]string{}}
}

// cachedClips of a file: what a killed process loses at most.
const cachedClips = 256

// address names what embeds: weights, normalisation, windows, and how it is computed.
func (d *data) address(e encoderState) string {
	arrays := map[string]kernel.Array{}
	e.params.State("", arrays)
	h := sha256.New()
	fmt.Fprintf(h, "embeddings 1\n%s\n%s\n%s\n", kernel.CPU(), checkpoint.Digest(arrays), d.store.Settings())
	norm := e.norm.meta()
	for _, k := range slices.Sorted(maps.Keys(norm)) {
		fmt.Fprintf(h, "%s: %s\n", k, norm[k])
	}
	decide := []string{"view.", "encoder.", "engine.", "embed.hop", "embed.head_layers"}
	if d.c.Embed.HeadLayers > 0 {
		decide = append(decide, "method.")
	}
	for _, l := range schema().Leaves(d.c) {
		if slices.ContainsFunc(decide, func(p string) bool { return strings.HasPrefix(l.Path, p) }) {
			fmt.Fprintf(h, "%s: %s\n", l.Path, l.Text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// embedEach is data.embedEach, of embeddings that are there, as far as they are.
func (k *embedCache) embedEach(ctx context.Context, d *data, e encoderState, show *Progress, each func(clip int, h []float32)) (x []float64, dim int, err error) { // (N, D)
	dir := filepath.Join(k.dir, d.address(e))
	clips := map[string][]int{} // by what they sound like
	for i := range d.store.Len() {
		clips[d.store.Key(i)] = append(clips[d.store.Key(i)], i)
	}
	net, err := d.embedder(e, 1)
	if err != nil {
		return nil, 0, err
	}
	found, err := k.read(dir, clips, net.Dim())
	if err != nil {
		return nil, 0, err
	}
	var missing []int // the first clip of each sound that nobody has embedded, in the corpus's order
	for i := range d.store.Len() {
		if key := d.store.Key(i); clips[key][0] == i && found[key].Data == nil {
			missing = append(missing, i)
		}
	}
	silent := Console{Quiet: true}.Progress("", 0, 0)
	k.con.Say("embeddings: %d of %d clips are in %s", len(clips)-len(missing), len(clips), dir)
	for at := 0; at < len(missing); at += cachedClips {
		some := missing[at:min(at+cachedClips, len(missing))]
		made := map[string]kernel.Array{}
		err := d.reading(func() error {
			_, _, err := d.pooled(ctx, e, some, silent, func(row int, h []float32) {
				key := d.store.Key(some[row])
				a := made[key]
				a.Data = append(a.Data, h...)
				a.Shape = []int{len(a.Data) / len(h), len(h)}
				made[key] = a
			})
			return err
		})
		if err == nil {
			err = k.write(dir, made)
		}
		if err != nil {
			return nil, 0, err
		}
		maps.Copy(found, made)
		show.Of(at+len(some), len(missing), "")
	}
	var p *pool
	for i := range d.store.Len() {
		a := found[d.store.Key(i)]
		if p == nil {
			p = newPool(d.c.Embed.Pool, d.store.Len(), a.Shape[1])
		}
		for ; len(a.Data) > 0; a.Data = a.Data[p.h:] {
			p.add(i, a.Data[:p.h])
			if each != nil {
				each(i, a.Data[:p.h])
			}
		}
	}
	return p.finish(), p.dim, nil
}

// read finds what there is of some sounds, in windows of so many values. A file that
// is damaged is removed, with a warning, and what it held is embedded anew; one that
// somebody else has just removed was never there. Of a file that holds none of the
// sounds the header alone is read, once for all tasks: other tasks' files are many.
func (k *embedCache) read(dir string, sounds map[string][]int, dim int) (map[string]kernel.Array, error) {
	found := map[string]kernel.Array{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "name another folder with --cache", "embeddings: %w", err)
	}
	for _, f := range entries {
		path := filepath.Join(dir, f.Name())
		if filepath.Ext(path) != ".safetensors" || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		some, err := k.of(path, sounds, dim)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			k.con.Warn("%v; its clips are embedded anew", err)
			if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, disk.Failed(path, err)
			}
			continue
		}
		maps.Copy(found, some)
	}
	return found, nil
}

// of is what a file holds of some sounds.
func (k *embedCache) of(path string, sounds map[string][]int, dim int) (map[string]kernel.Array, error) {
	names, ok := k.holds[path]
	if !ok {
		var err error
		if names, err = checkpoint.Names(path); err != nil {
			return nil, err
		}
		k.holds[path] = names // a file is named after them, so another one under this name holds the same
	}
	if !slices.ContainsFunc(names, func(key string) bool { return sounds[key] != nil }) {
		return nil, nil
	}
	cp, err := checkpoint.Load(path)
	if err != nil {
		return nil, err
	}
	for _, a := range cp.Arrays {
		if len(a.Shape) != 2 || a.Shape[1] != dim || len(a.Data) == 0 {
			return nil, fmt.Errorf("%s: an array of shape %v is no clip's, of windows of %d values", path, a.Shape, dim)
		}
	}
	maps.DeleteFunc(cp.Arrays, func(key string, _ kernel.Array) bool { return sounds[key] == nil })
	return cp.Arrays, nil
}

// write keeps the embeddings of some sounds.
func (k *embedCache) write(dir string, made map[string]kernel.Array) error {
	name := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(made)) {
		io.WriteString(name, key)
	}
	if _, err := disk.MkdirAll(dir); err != nil {
		return disk.Failed(dir, err)
	}
	return checkpoint.Save(filepath.Join(dir, hex.EncodeToString(name.Sum(nil))[:16]+".safetensors"), &checkpoint.Checkpoint{Arrays: made})
}
