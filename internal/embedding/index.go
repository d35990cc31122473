package embedding

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"clr/internal/fault"
)

// An Index is a table whose rows are gone through and not held, so that it may be
// larger than the memory.
type Index struct {
	N, D  int
	About About // what the table says of itself; nil where it does not

	path    string
	in      *source
	parts   []func(in *source, f func(first int, x []float32) error) error // of the rows, in order
	columns func(in *source, t *Table, wanted func(column string) bool) error
}

// OpenIndex opens a table of any of the Formats. Errors are as those of Read.
func OpenIndex(path string) (*Index, error) {
	in, format, err := openSource(path)
	if err != nil {
		return nil, unusable(path, err)
	}
	x := &Index{path: path, in: in}
	switch format {
	case "npz":
		err = x.openNPZ()
	case "npy":
		err = x.openPlain()
	case "parquet":
		err = x.openParquet()
	}
	if err == nil && (x.N < 1 || x.D < 1) {
		err = fmt.Errorf("%d embeddings of %d values are no table", x.N, x.D)
	}
	if err != nil {
		in.file.Close()
		return nil, unusable(path, err)
	}
	return x, nil
}

// Close closes the file.
func (x *Index) Close() error { return x.in.file.Close() }

// Scan hands out all rows, whole ones one after the other with the number of the
// first, on several goroutines at once and in no order. f must not keep them. The
// first error ends it. A row may hold what is no finite number.
func (x *Index) Scan(ctx context.Context, f func(first int, rows []float32) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(x.parts), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(x.parts) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := fault.Guard(func() error {
					in := *x.in // with what may be unpacked from it
					return x.parts[i](&in, func(first int, rows []float32) error {
						if err := ctx.Err(); err != nil {
							return err
						}
						return f(first, rows)
					})
				}); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	err := context.Cause(ctx)
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if mistake := (*fault.Panic)(nil); errors.As(err, &mistake) {
		return err
	}
	return unusable(x.path, err)
}

// Columns are the values of some columns, those that the table has, a value a row.
func (x *Index) Columns(names ...string) (Columns, error) {
	t := &Table{N: x.N, D: x.D, Columns: Columns{}}
	in := *x.in
	err := x.columns(&in, t, func(column string) bool { return slices.Contains(names, column) })
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, unusable(x.path, err)
	}
	return t.Columns, nil
}

// shape takes the size of an array of embeddings, and sees that as much is there.
func (x *Index) shape(h header, bytes int64) error {
	if h.kind != 'f' || len(h.shape) != 2 || h.n == 0 {
		return fault.New(fault.Data, "save them as a float32 array of shape (clips, values)", "the embeddings are of shape %v and type %c%d, must be a float array of two dimensions", h.shape, h.kind, h.width)
	}
	if int64(h.n) > bytes/int64(h.width) {
		return fmt.Errorf("it claims %d values of %d bytes, %d bytes are there", h.n, h.width, bytes)
	}
	x.N, x.D = h.shape[0], h.shape[1]
	return nil
}

// some is how many rows are handed out at a time.
func (x *Index) some() int { return max(1, pageBytes/4/x.D) }

// rows hands out n rows of an array, the first of which has a number.
func (x *Index) rows(h header, r io.Reader, first, n int, f func(int, []float32) error) error {
	some := min(n, x.some())
	b, out := make([]byte, some*x.D*h.width), make([]float32, some*x.D)
	for ; n > 0; first, n = first+some, n-some {
		some = min(some, n)
		b, out = b[:some*x.D*h.width], out[:some*x.D]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("reading row %d of %d: %w", first, x.N, err)
		}
		if plain := h.width == 4 && h.order == binary.ByteOrder(binary.LittleEndian); plain {
			for i := range out {
				out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
			}
		} else {
			for i := range out {
				out[i] = float32(h.float(b[i*h.width:]))
			}
		}
		if err := f(first, out); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) openPlain() error {
	r := &counted{r: bufio.NewReaderSize(io.NewSectionReader(x.in, 0, x.in.size), 1<<12)}
	h, err := readHeader(r)
	if err != nil {
		return err
	}
	if err := x.shape(h, x.in.size-r.n); err != nil {
		return err
	}
	const rowsOfPart = 16 // times what is handed out
	for first := 0; first < x.N; first += rowsOfPart * x.some() {
		n := min(rowsOfPart*x.some(), x.N-first)
		x.parts = append(x.parts, func(in *source, f func(int, []float32) error) error {
			width := int64(x.D) * int64(h.width)
			return x.rows(h, io.NewSectionReader(in, r.n+int64(first)*width, int64(n)*width), first, n, f)
		})
	}
	x.columns = func(*source, *Table, func(string) bool) error { return nil }
	return nil
}

// A counted reader knows how much was read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (x *Index) openNPZ() error {
	arrays, err := arraysOf(x.in)
	if err != nil {
		return err
	}
	if err := inArray(arrays["x"], func(r io.Reader) error {
		h, err := readHeader(r)
		if err != nil {
			return err
		}
		if err := x.shape(h, x.in.left); err != nil {
			return err
		}
		x.parts = append(x.parts, func(_ *source, f func(int, []float32) error) error { // one: its checksum is that of the whole
			return inArray(arrays["x"], func(r io.Reader) error {
				if _, err := readHeader(r); err != nil {
					return err
				}
				return x.rows(h, r, 0, x.N, f)
			})
		})
		return errPassed
	}); err != nil {
		return fmt.Errorf("x: %w", err)
	}
	x.columns = func(in *source, t *Table, wanted func(string) bool) error { return t.arrays(in, arrays, wanted) }
	if arrays[aboutArray] == nil {
		return nil
	}
	return inArray(arrays[aboutArray], x.readAbout)
}

// mostAbout is how many letters an About may have.
const mostAbout = 1 << 20

func (x *Index) readAbout(r io.Reader) error {
	h, err := readHeader(r)
	if err != nil || h.kind != 'U' || len(h.shape) != 0 || h.width > 4*mostAbout {
		return errPassed // another program's
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(h.width)))
	if err != nil {
		return err
	}
	if len(b) < h.width {
		return errors.New("about: it ends early")
	}
	if json.Unmarshal([]byte(h.text(b)), &x.About) != nil {
		x.About = nil
		return errPassed
	}
	return nil
}

func (x *Index) openParquet() error {
	foot, err := readFooter(x.in)
	if err != nil {
		return err
	}
	list, err := foot.embeddings()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, g := range foot.groups {
		if total += g[list.place].values; total > x.in.left/4 || total < 0 {
			return fmt.Errorf("it claims to unpack to more than 64 times its %d bytes", x.in.size)
		}
	}
	if foot.rows < 1 || total%foot.rows != 0 {
		return fmt.Errorf("column %s has %d values in %d rows, which cannot all be of one length", list.name(), total, foot.rows)
	}
	x.N, x.D, x.About = int(foot.rows), int(total/foot.rows), foot.about
	if x.D == 0 {
		return fmt.Errorf("column %s is empty", list.name())
	}
	at := 0
	for _, g := range foot.groups {
		s, first := g[list.place], at
		if s.values%int64(x.D) != 0 {
			return fmt.Errorf("column %s has %d values in a group of rows, which are not all of %d", list.name(), s.values, x.D)
		}
		at += int(s.values) / x.D
		x.parts = append(x.parts, func(in *source, f func(int, []float32) error) error { return x.group(in, list, s, first, f) })
	}
	x.columns = func(in *source, t *Table, wanted func(string) bool) error { return t.leaves(in, foot, wanted) }
	return nil
}

// group hands out the rows of a group, the first of which has a number.
func (x *Index) group(in *source, l leaf, s stretch, first int, f func(int, []float32) error) error {
	at := 0            // values of the group that are read
	var part []float32 // of a row that goes on in the next page
	return pages(in, l, s, plainSingles, func(rep, def []byte, values []float32) error {
		if bytes.Count(def, []byte{byte(l.def)}) != len(def) {
			return fault.New(fault.Data, "leave the row out", "a row near %d is empty, or a value in it is missing", first+at/x.D)
		}
		if len(rep) > int(s.values)-at {
			return fmt.Errorf("a group of rows has more than the %d values that it claims", s.values)
		}
		begins := 0
		for i := (x.D - at%x.D) % x.D; i < len(rep); i += x.D {
			if rep[i] != 0 {
				return fmt.Errorf("row %d is not where rows of %d values put it", first+(at+i)/x.D, x.D)
			}
			begins++
		}
		if bytes.Count(rep, []byte{0}) != begins {
			return fault.New(fault.Data, "leave out what is not of the others' length", "a row near %d is shorter than %d values", first+at/x.D, x.D)
		}
		row := first + at/x.D
		at += len(values)
		if len(part) > 0 || len(values)%x.D != 0 {
			part = append(part, values...)
			values = part[:len(part)/x.D*x.D]
		}
		if len(values) > 0 {
			if err := f(row, values); err != nil {
				return err
			}
		}
		if len(part) > 0 {
			part = append(part[:0], part[len(values):]...)
		}
		return nil
	})
}

// plainSingles reads floats of both widths.
func plainSingles(l leaf, b []byte, n int) ([]float32, error) {
	if l.kind == physDouble {
		wide, err := plainFloats(l, b, n)
		out := make([]float32, len(wide))
		for i, v := range wide {
			out[i] = float32(v)
		}
		return out, err
	}
	if n > len(b)/4 {
		return nil, errors.New("a page is shorter than its values")
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, nil
}
