package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"clr/internal/audio"
	"clr/internal/embedding"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// SearchOptions are what the command line says of a search.
type SearchOptions struct {
	Source           // of the encoder; empty: the one that the index names
	Index   string   // table of embeddings
	Queries []string // recordings
	Top     int      // rows for each
}

// A Found is what a search found for a recording.
type Found struct {
	Query   string `json:"query"`
	Windows int    `json:"windows"` // that the recording was cut into, as the index's were
	Hits    []Hit  `json:"hits"`
}

// A Hit is a row of the index.
type Hit struct {
	Row        int      `json:"row"`
	Similarity float64  `json:"similarity"` // cosine, the greatest over the query's windows
	Path       string   `json:"path,omitempty"`
	Start      *float64 `json:"start,omitempty"` // seconds; nil where the index does not say
	End        *float64 `json:"end,omitempty"`
	Label      string   `json:"label,omitempty"`
	QueryStart float64  `json:"query_start"` // of the window that is that near
	QueryEnd   float64  `json:"query_end"`
}

// Search finds the rows of a table of embeddings that are nearest to recordings.
func Search(ctx context.Context, o SearchOptions, con Console) error {
	if o.Top < 1 {
		return fault.New(fault.Usage, "10 is usual", "--top is %d, it must be 1 or more", o.Top)
	}
	x, err := embedding.OpenIndex(o.Index)
	if err != nil {
		return err
	}
	defer x.Close()
	f, err := openAsIn(o.Index, x.About, o.Source, con)
	if err != nil {
		return err
	}
	q, err := f.queries(ctx, o.Queries)
	if err != nil {
		return err
	}
	if q.dim != x.D {
		return fault.New(fault.Data, "name the encoder that the index was embedded by", "%s has embeddings of %d values, %s gives %d", o.Index, x.D, f.source, q.dim)
	}
	nearest, err := q.nearest(ctx, x, o.Top)
	if err != nil {
		return err
	}
	columns, err := x.Columns("path", "start", "end", "label")
	if err != nil {
		return err
	}
	found := make([]Found, len(o.Queries))
	for i, path := range o.Queries {
		found[i] = Found{Query: path, Windows: q.first[i+1] - q.first[i], Hits: []Hit{}}
		for _, n := range nearest[i] {
			at := func(name string) string {
				if columns[name] == nil {
					return ""
				}
				return columns[name][n.row]
			}
			seconds := func(name string) *float64 {
				if v, err := strconv.ParseFloat(at(name), 64); err == nil && isFinite(v) {
					return &v
				}
				return nil
			}
			found[i].Hits = append(found[i].Hits, Hit{n.row, n.similarity, at("path"), seconds("start"), seconds("end"), at("label"), q.start[n.window], q.end[n.window]})
		}
	}
	if con.JSON {
		return con.Show(found)
	}
	return showFound(con, found)
}

// showFound prints a table for each query.
func showFound(con Console, found []Found) error {
	var b bytes.Buffer
	for _, f := range found {
		cut := ""
		if f.Windows > 1 {
			cut = fmt.Sprintf(", %d windows", f.Windows)
		}
		fmt.Fprintf(&b, "%s%s\n", f.Query, cut)
		wide, names := len("path"), make([]string, len(f.Hits))
		for i, h := range f.Hits {
			names[i] = cmp.Or(h.Path, "row "+strconv.Itoa(h.Row))
			wide = max(wide, utf8.RuneCountInString(names[i]))
		}
		seconds := func(v *float64) string {
			if v == nil {
				return ""
			}
			return strconv.FormatFloat(*v, 'f', -1, 64)
		}
		fmt.Fprintf(&b, "%5s  %10s  %-*s  %9s  %9s  %s\n", "rank", "similarity", wide, "path", "start", "end", "label")
		for i, h := range f.Hits {
			fmt.Fprintf(&b, "%5d  %10.4f  %-*s  %9s  %9s  %s\n", i+1, h.Similarity, wide, names[i], seconds(h.Start), seconds(h.End), h.Label)
		}
	}
	_, err := con.Out.Write(b.Bytes())
	return err
}

// queries are windows of recordings, embedded.
type queries struct {
	dim        int
	x          []float32 // (windows, dim), of length 1
	first      []int     // window of each recording, and behind the last
	start, end []float64 // of each window, seconds
}

// queries embeds recordings as clips of a corpus.
func (f *frozen) queries(ctx context.Context, paths []string) (*queries, error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.Write([]string{"path"})
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil {
			return nil, fault.New(fault.Data, "name a recording", "query: %w", err)
		} else if info.IsDir() {
			return nil, fault.New(fault.Data, "name the recordings in it, such as "+filepath.Join(path, "*"), "query: %s is a folder", path)
		}
		w.Write([]string{path})
	}
	w.Flush()
	reading := f.c.Reading
	reading.OnError = audio.DefaultReading.OnError
	corpus, err := reading.ParseCorpus(audio.Host(), "queries", text.Bytes())
	if err != nil {
		return nil, err
	}
	s, err := audio.NewStream(ctx, "", corpus, f.c.Feature, f.c.SampleRate, audio.BuildOptions{})
	if err != nil {
		return nil, err
	}
	batch, err := f.batcher()
	if err != nil {
		return nil, err
	}
	q := &queries{dim: batch.dim(), first: make([]int, len(paths)+1)}
	batch.done = func(clip int, seconds float64, x []float32) error {
		it := s.Item(clip)
		end := it.End
		if end == 0 {
			end = it.Start + seconds
		}
		norm := math.Sqrt(kernel.SumSquares(x))
		if !isFinite(norm) {
			return fault.New(fault.Data, "see clr health whether the encoder has diverged, and what the recording holds", "%s from %v s: its embedding is not finite", it.Path, it.Start)
		}
		for _, v := range x {
			if norm > 0 {
				v = float32(float64(v) / norm)
			}
			q.x = append(q.x, v)
		}
		q.start, q.end = append(q.start, it.Start), append(q.end, end)
		q.first[s.Line(clip)+1]++
		return nil
	}
	if err := s.Each(ctx, 0, func(h audio.Heard) error {
		if h.Err != nil {
			return fault.New(fault.Data, fault.Remedy(h.Err), "query: %w", h.Err) // which names the recording
		}
		_, err := batch.add(ctx, h)
		return err
	}); err != nil {
		return nil, err
	}
	if err := batch.flush(ctx); err != nil {
		return nil, err
	}
	for i := range paths {
		q.first[i+1] += q.first[i]
	}
	return q, nil
}
