package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/kernel"
)

// resealed is a file with the checksum of its header put right, so that what
// stands in it is put to the test.
func resealed(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < 8 {
		return b
	}
	if n := uint64(len(b)); sealAt(b) > 0 {
		var length uint64
		for i := range 8 {
			length |= uint64(b[i]) << (8 * i)
		}
		if length <= n-8 && sealAt(b[:8+length]) > 0 {
			head := b[:8+length]
			copy(head[sealAt(head):], noSum)
			seal(head)
		}
	}
	return b
}

// What loads can be saved, and is then the same; a header costs no more memory
// than the file that bears it out.
func FuzzLoad(f *testing.F) {
	small := &Checkpoint{Meta: map[string]string{"step": "17"}, Arrays: map[string]kernel.Array{"a": kernel.New(2, 1), "b": kernel.New(3, 0)}}
	for _, whole := range [][]byte{read(f, save(f, example())), read(f, save(f, small)),
		file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
		file(`{"__metadata__":{"k":"v"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`, 8),
		file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},"c":{"dtype":"BF16","shape":[1,1],"data_offsets":[12,14]}}`, 14)} {
		for _, b := range fuzztest.Some(whole, 4) {
			f.Add(b, true)
		}
		f.Add(whole, false)
	}
	path, copied := filepath.Join(f.TempDir(), "a.safetensors"), filepath.Join(f.TempDir(), "b.safetensors")
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = resealed(b)
		}
		put(t, path, b)
		var tensors []Tensor
		var meta map[string]string
		var err error
		fuzztest.Bounded(t, len(b), 1<<20, func() { tensors, meta, err = LoadTensors(path) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
		} else {
			var out bytes.Buffer
			if err := WriteSafetensors(&out, tensors, meta); err != nil {
				t.Fatalf("a file that loads cannot be written: %v", err)
			}
			put(t, copied, out.Bytes())
			if again, m, err := LoadTensors(copied); err == nil {
				if len(again) != len(tensors) || len(m) != len(meta) || len(meta) > 0 && !reflect.DeepEqual(m, meta) {
					t.Errorf("%d tensors, %q came back as %d, %q", len(tensors), meta, len(again), m)
				}
			} else if _, ok := meta[sumPrefix]; !ok { // that is of the header as it was
				t.Errorf("written again: %v", err)
			}
		}
		var c *Checkpoint
		fuzztest.Bounded(t, len(b), 1<<20, func() { c, err = Load(path) })
		if wrong := verify(path); (wrong == nil) != (err == nil) && !errors.Is(err, errDamaged) {
			t.Errorf("verify says %v, Load %v", wrong, err)
		}
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		if names, err := Names(path); err != nil || len(names) != len(c.Arrays) || slices.ContainsFunc(names, func(n string) bool { _, ok := c.Arrays[n]; return !ok }) {
			t.Errorf("its names are %q, %v", names, err)
		}
		if err := Save(copied, c); err != nil {
			t.Fatal(err)
		}
		if again, err := Load(copied); err != nil || !equal(again, c) {
			t.Errorf("saved again, it is another: %v", err)
		}
		if err := c.Restore(c.Arrays); err != nil {
			t.Error(err)
		}
	})
}

// Whatever stands in the newest and in the one before, what is loaded is one of
// the two, whole; and where the newest is good it is that.
func FuzzLoadNewest(f *testing.F) {
	good, bad := read(f, save(f, numbered(7))), read(f, save(f, numbered(6)))
	for _, b := range fuzztest.Damaged(good) {
		f.Add(b, bad)
	}
	f.Add(good[:9], bad[:9])
	f.Add([]byte{}, []byte{})
	dir := f.TempDir()
	last := filepath.Join(dir, "last.safetensors")
	f.Fuzz(func(t *testing.T, newest, before []byte) {
		put(t, last, newest)
		put(t, Older(last, 1), before)
		want, first := Load(last)
		second := error(nil)
		if first != nil {
			want, second = Load(Older(last, 1))
		}
		var c *Checkpoint
		var warning string
		var err error
		fuzztest.Bounded(t, len(newest)+len(before), 1<<20, func() { c, warning, err = LoadNewest(dir, "last.safetensors") })
		switch {
		case first == nil:
			if err != nil || warning != "" || !equal(c, want) {
				t.Errorf("%q, %v", warning, err)
			}
		case second == nil:
			if err != nil || warning == "" || !equal(c, want) {
				t.Errorf("%q, %v", warning, err)
			}
		default:
			fuzztest.Refused(t, err, fault.Data, last)
			if errors.Is(err, os.ErrNotExist) {
				t.Errorf("they are there: %v", err)
			}
		}
	})
}
