package pipeline

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"clr/internal/audio"
	"clr/internal/fault"
)

// AudioInfo decodes recordings, as many at a time as there are threads, and
// shows what each is, in the order given. The error, of the data kind,
// counts those that could not be read; they are shown too.
func AudioInfo(ctx context.Context, paths []string, con Console) error {
	infos := make([]audio.Info, len(paths))
	show := con.Progress("decoding", 0, len(paths))
	errs, err := audio.Each(ctx, 0, len(paths), func(done int) { show.At(done, "") }, func(i int) (err error) {
		infos[i], err = audio.Inspect(ctx, audio.Host(), paths[i])
		return err
	})
	show.End()
	if err != nil {
		return err
	}
	if err := writeInfos(con, paths, infos, errs); err != nil {
		return err
	}
	bad, first := 0, error(nil)
	for _, err := range errs {
		if err == nil {
			continue
		}
		if bad++; first == nil {
			first = err
		}
	}
	if bad > 0 {
		return fault.New(fault.Data, fault.Remedy(first), "%d of %d recordings cannot be read, such as %w", bad, len(paths), first)
	}
	return nil
}

func writeInfos(con Console, paths []string, infos []audio.Info, errs []error) error {
	if con.JSON {
		all := make([]any, len(paths))
		for i, path := range paths {
			if errs[i] != nil {
				all[i] = struct {
					Path  string `json:"path"`
					Error string `json:"error"`
				}{path, errs[i].Error()}
				continue
			}
			all[i] = struct {
				Path string `json:"path"`
				audio.Info
			}{path, infos[i]}
		}
		return con.Show(all)
	}
	rows := [][]string{{"path", "container", "encoding", "channels", "rate", "frames", "duration", "peak", "rms"}}
	for i, path := range paths {
		v := infos[i]
		if errs[i] != nil {
			rows = append(rows, []string{path, "error: " + strings.TrimPrefix(errs[i].Error(), path+": ")})
			continue
		}
		rows = append(rows, []string{path, v.Container, v.Encoding, fmt.Sprint(v.Channels), fmt.Sprint(v.Rate, " Hz"), fmt.Sprint(v.Frames),
			fmt.Sprintf("%.3f s", v.Duration), fmt.Sprintf("%.6f", v.Peak), fmt.Sprintf("%.6f", v.RMS)})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		widths[0] = max(widths[0], utf8.RuneCountInString(row[0]))
		for c := 1; c < len(row) && len(row) == len(widths); c++ { // an error runs on to the right
			widths[c] = max(widths[c], len(row[c]))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-*s", widths[0], row[0])
		for c, cell := range row[1:] {
			width := widths[c+1]
			if c+1 < 3 { // words stand left, numbers right
				width = -width
			}
			if len(row) < len(widths) {
				width = 0
			}
			fmt.Fprintf(&b, "  %*s", width, cell)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(con.Out, b.String())
	return err
}
