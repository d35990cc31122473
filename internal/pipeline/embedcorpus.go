package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/embedding"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/layout"
)

// CorpusOptions are what the command line says of embedding a corpus.
type CorpusOptions struct {
	Source
	Corpus string // manifest, folder or builtin:NAME; empty: the run's
	Format string // of EmbedFormats
	Out    string // file
}

// EmbedFormats are the formats that EmbedCorpus writes, with what each holds.
var EmbedFormats = func() map[string]string {
	all := maps.Clone(embedding.Formats)
	maps.Copy(all, embedding.Texts)
	return all
}()

// EmbedCorpus writes a corpus's embeddings, a row a clip, without a store and without
// holding them. What is made is kept beside the file until all is there, so that
// the same command goes on where it was stopped or killed, to the same bytes. What a
// finished table was made of is kept beside it: made of the same it stays, and one of
// anything else is refused.
func EmbedCorpus(ctx context.Context, o CorpusOptions, ov Overrides, con Console) error {
	if _, ok := EmbedFormats[o.Format]; !ok {
		return fault.New(fault.Usage, "use one of "+strings.Join(slices.Sorted(maps.Keys(EmbedFormats)), ", "), "there is no format %q", o.Format)
	}
	if err := Replaceable(o.Out, "table of embeddings of format "+o.Format, func(head []byte) bool { return earlierTable(o.Format, head) }); err != nil {
		return err
	}
	f, err := openFrozen(o.Source, ov, con)
	if err != nil {
		return err
	}
	corpus, err := f.corpusAt(ctx, o.Corpus)
	if err != nil {
		return err
	}
	w, err := newWork(ctx, f, corpus, o, con)
	if err != nil {
		return err
	}
	done, err := w.there(o.Out)
	if err != nil {
		return err
	}
	var took time.Duration
	if done == nil || journalBegun(o.Out, w.key) { // or its journal is left over
		if err := w.open(o.Out); err != nil {
			return err
		}
		defer w.journal.f.Close()
	}
	if done == nil {
		began := time.Now()
		if err := w.run(ctx); err != nil {
			return err
		}
		took = time.Since(began)
		if err := w.stream.Finish(); err != nil {
			return err
		}
		if done, err = w.write(ctx, o); err != nil {
			return err
		}
	} else {
		con.Say("%s is there, made by the same encoder of the same recordings", o.Out)
	}
	if w.journal != nil {
		if err := w.journal.remove(); err != nil {
			return err
		}
	}
	if con.JSON {
		return con.Show(struct {
			Out    string  `json:"out"`
			Format string  `json:"format"`
			Clips  int     `json:"clips"` // rows
			Dim    int     `json:"dim"`   // values of each
			Made   int     `json:"made"`  // now; the others were there from an earlier start
			Left   int     `json:"left_out"`
			Rate   float64 `json:"clips_per_s"` // of those made now
		}{o.Out, o.Format, done.Clips, done.Dim, w.made, done.Left, perSecond(w.made, took)})
	}
	_, err = fmt.Fprintf(con.Out, "%s: %d clips of %d values, %d made now, %.0f clips/s\n", o.Out, done.Clips, done.Dim, w.made, perSecond(w.made, took))
	return err
}

// earlierTable tells an earlier table of embeddings by its first bytes: of text, by the
// embedding at the end of its first line, which a manifest has not.
func earlierTable(format string, head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	switch format {
	case "csv":
		return bytes.HasPrefix(line, []byte("path,")) && firstValues.Match(line)
	case "jsonl":
		return bytes.HasPrefix(line, []byte(`{"path":"`)) && bytes.Contains(line, []byte(`,"embedding":[`))
	}
	return embedding.Format(head) == format && (format != "npz" || bytes.Contains(head[:min(len(head), 64)], []byte("x.npy")))
}

// firstValues are the names of a table's values in CSV.
var firstValues = regexp.MustCompile(`,e0(,e[0-9]+)*$`)

// corpusAt is the corpus at a path, to be read as the config says: a manifest, a
// folder of recordings (sub-folders are labels) or one in the binary; without a
// path the config's own.
func (f *frozen) corpusAt(ctx context.Context, path string) (*audio.Corpus, error) {
	if path == "" && f.source.Run == "" {
		return nil, fault.New(fault.Usage, "name a manifest or a folder of recordings with --corpus", "no corpus is given, and %s names none", bundleWeights)
	}
	if path == "" {
		return openCorpus(f.c)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !isBuiltin(path):
		return nil, fault.New(fault.Data, "name a manifest or a folder of recordings", "--corpus: %w", err)
	case err != nil || !info.IsDir() || isBuiltin(path):
		return openCorpus(f.c.over(path))
	}
	m, err := layout.Read(ctx, "folder", path, layout.Options{})
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := m.Write(&text, path); err != nil {
		return nil, err
	}
	return f.c.Reading.ParseCorpus(audio.Host(), filepath.Join(path, "*"), text.Bytes()) // there is no manifest that errors could name
}

// A work is embeddings in the making.
type work struct {
	f       *frozen
	corpus  *audio.Corpus
	stream  *audio.Stream
	batch   *batcher
	key     [sha256.Size]byte // of all that decides the embeddings
	is      finish            // as far as it is known before
	journal *journal
	from    int // clips that were there
	made    int
	con     Console
}

func newWork(ctx context.Context, f *frozen, corpus *audio.Corpus, o CorpusOptions, con Console) (w *work, err error) {
	w = &work{f: f, corpus: corpus, con: con}
	if w.stream, err = audio.NewStream(ctx, o.Out, corpus, f.c.Feature, f.c.SampleRate, audio.BuildOptions{Say: con.Say}); err != nil {
		return nil, halted(err, 0, len(corpus.Items))
	}
	if w.batch, err = f.batcher(); err != nil {
		return nil, err
	}
	w.key = sha256.Sum256(fmt.Appendf(nil, "%s %v %t", f.digest(), f.c.Windows, kernel.CPU() == "generic"))
	w.is = w.inputs(o.Format)
	return w, nil
}

// open opens the journal, and takes what is in it.
func (w *work) open(out string) (err error) {
	if w.journal, err = openJournal(out, w.key, w.batch.dim(), w.con); err != nil {
		return err
	}
	if w.from, err = w.journal.resume(w.stream); err != nil {
		w.journal.f.Close()
		return err
	}
	if w.from > 0 {
		w.con.Say("%s: going on from clip %d of %d", w.journal.path, w.from, w.stream.Len())
	}
	return nil
}

// halted is an error's word for a person who has stopped the work.
func halted(err error, done, clips int) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Interrupted, "run the same command again; it goes on from there", "interrupted; %d of %d clips are embedded", done, clips)
}

// run makes all that the journal lacks.
func (w *work) run(ctx context.Context) error {
	show := w.con.Progress("embed", w.from, w.stream.Len())
	defer show.End()
	began, done := time.Now(), w.from
	w.batch.done = func(clip int, seconds float64, x []float32) error {
		it := w.stream.Item(clip)
		for k, v := range x {
			if v-v != 0 {
				return fault.New(fault.Data, "see clr health whether the encoder has diverged, and what the recording holds", "%s from %v s: value %d of the embedding is %v", it.Path, it.Start, k, v)
			}
		}
		end := it.End
		if end == 0 {
			end = math.Round((it.Start+seconds)*1e6) / 1e6
		}
		w.made++
		done = clip + 1
		show.At(done, fmt.Sprintf("%.0f clips/s", perSecond(w.made, time.Since(began))))
		return w.journal.row(w.stream, clip, end, x)
	}
	err := w.stream.Each(ctx, w.from, func(h audio.Heard) error {
		switch {
		case h.Err != nil:
			if err := w.batch.flush(ctx); err != nil {
				return err
			}
			if w.stream.Refused() {
				return w.journal.flush()
			}
			return w.journal.left(w.stream, h.Clip, h.Err)
		case w.stream.Refused(): // only what else is wrong is looked for
			return nil
		}
		if flushed, err := w.batch.add(ctx, h); err != nil || !flushed {
			return err
		}
		return w.journal.flush()
	})
	if err == nil {
		err = w.batch.flush(ctx)
	}
	if kept := w.journal.flush(); err == nil {
		err = kept
	}
	return halted(err, done, w.stream.Len())
}

// write makes the table of what is in the journal, and then says beside it what it was
// made of.
func (w *work) write(ctx context.Context, o CorpusOptions) (*finish, error) {
	columns := w.columns()
	done := w.is
	done.Clips, done.Left = len(columns["path"]), w.stream.LeftOut()
	about, err := w.f.about(o.Out)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	err = disk.WriteFile(o.Out, func(to io.Writer) error {
		out, err := embedding.NewWriter(io.MultiWriter(to, sum), o.Format, done.Clips, done.Dim, columns, about)
		if err != nil {
			return err
		}
		if err := w.journal.rows(w.stream, func(x []float32) error { return errors.Join(ctx.Err(), out.Write(x)) }); err != nil {
			return halted(err, w.stream.Len(), w.stream.Len())
		}
		return out.Close()
	})
	if err != nil {
		return nil, err
	}
	done.Table = hex.EncodeToString(sum.Sum(nil))
	b, err := json.MarshalIndent(done, "", " ")
	if err != nil {
		return nil, err
	}
	return &done, disk.WriteBytes(finishPath(o.Out), append(b, '\n'))
}

// columns are what is known of the rows: the stretch of each, and the manifest's
// columns but those that are of recordings alone.
func (w *work) columns() embedding.Columns {
	columns := embedding.Columns{}
	for clip := range w.stream.Len() {
		if w.stream.Left(clip) {
			continue
		}
		it := w.stream.Item(clip)
		for _, name := range w.corpus.Columns {
			if name != "sha256" && name != "start" && name != "end" {
				columns[name] = append(columns[name], it.Value(name))
			}
		}
		columns["start"] = append(columns["start"], strconv.FormatFloat(it.Start, 'f', -1, 64))
		columns["end"] = append(columns["end"], strconv.FormatFloat(w.journal.ends[clip], 'f', -1, 64))
	}
	return columns
}
