package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"clr/internal/embedding"
)

// randomTable writes n embeddings of d values, drawn by a seed, and gives them.
func randomTable(t testing.TB, format string, n, d int) (path string, x []float32) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "index."+format)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	columns := embedding.Columns{"path": make([]string, n)}
	for i := range n {
		columns["path"][i] = fmt.Sprint(i)
	}
	w, err := embedding.NewWriter(f, format, n, d, columns, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	row := make([]float32, d)
	for i := range n {
		for k := range row {
			row[k] = float32(r.NormFloat64())
		}
		if i%7 == 3 && len(x) >= d { // as the row before: equal similarities
			copy(row, x[len(x)-d:])
		}
		if i == 5 {
			clear(row)
		}
		if n <= 10_000 {
			x = append(x, row...)
		}
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path, x
}

// randomQueries are queries of unit length, of some windows each.
func randomQueries(d int, windows ...int) *queries {
	r := rand.New(rand.NewPCG(3, 4))
	q := &queries{dim: d, first: []int{0}}
	for _, n := range windows {
		for range n {
			x, sum := make([]float64, d), 0.0
			for k := range x {
				x[k] = r.NormFloat64()
				sum += x[k] * x[k]
			}
			for _, v := range x {
				q.x = append(q.x, float32(v/math.Sqrt(sum)))
			}
		}
		q.first = append(q.first, q.first[len(q.first)-1]+n)
	}
	return q
}

// The rows that are found are those of the greatest cosine, told by loops, in every
// format and on any number of threads; of equal ones the first.
func TestNearest(t *testing.T) {
	const n, d, most = 3000, 40, 25
	q := randomQueries(d, 1, 300, 3)
	for format := range embedding.Formats {
		path, x := randomTable(t, format, n, d)
		var first [][]near
		for _, threads := range []int{1, 2, 5} {
			before := runtime.GOMAXPROCS(threads)
			index, err := embedding.OpenIndex(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.nearest(t.Context(), index, most)
			runtime.GOMAXPROCS(before)
			if err := errors.Join(err, index.Close()); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = got
			} else if !reflect.DeepEqual(got, first) {
				t.Errorf("%s: %d threads find other rows", format, threads)
			}
		}
		for k := range q.first[1:] {
			var want []near
			for row := range n {
				best := near{row, math.Inf(-1), 0}
				for w := q.first[k]; w < q.first[k+1]; w++ {
					dot, sum := 0.0, 0.0
					for i := range d {
						v := float64(x[row*d+i])
						dot += v * float64(q.x[w*d+i])
						sum += v * v
					}
					if s := dot / math.Sqrt(max(sum, 1e-30)); s > best.similarity {
						best.similarity, best.window = s, w
					}
				}
				want = append(want, best)
			}
			slices.SortFunc(want, func(a, b near) int {
				return cmp.Or(cmp.Compare(b.similarity, a.similarity), cmp.Compare(a.row, b.row))
			})
			for i, g := range first[k] {
				if w := want[i]; g.row != w.row || g.window != w.window || math.Abs(g.similarity-w.similarity) > 1e-6 {
					t.Errorf("%s: query %d, place %d is %+v, want %+v", format, k, i, g, w)
				}
			}
			if len(first[k]) != most {
				t.Errorf("%d rows are found", len(first[k]))
			}
		}
	}
	path, _ := randomTable(t, "npy", 4, d)
	index, err := embedding.OpenIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if got, err := q.nearest(t.Context(), index, most); err != nil || len(got[0]) != 4 {
		t.Errorf("of four rows %d are found: %v", len(got[0]), err)
	}
}

// BenchmarkNearest goes through rows of 512 values.
func BenchmarkNearest(b *testing.B) {
	const n, d = 1 << 17, 512
	for _, format := range []string{"parquet", "npz", "npy"} {
		path, _ := randomTable(b, format, n, d)
		q := randomQueries(d, 1)
		b.Run(format, func(b *testing.B) {
			b.SetBytes(4 * n * d)
			for b.Loop() {
				index, err := embedding.OpenIndex(path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := q.nearest(b.Context(), index, 10); err != nil {
					b.Fatal(err)
				}
				index.Close()
			}
		})
	}
}
