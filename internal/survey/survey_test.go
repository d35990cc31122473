package survey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"clr/internal/audio"
)

// tone is a sine that rises, at 8 kHz: no two stretches of it are the same.
func tone(hertz float64, samples int) []int16 {
	x := make([]int16, samples)
	for i := range x {
		t := float64(i) / 8000
		x[i] = int16(8000 * math.Sin(2*math.Pi*(hertz+40*t)*t))
	}
	return x
}

// changed is a sound with each sample changed.
func changed(x []int16, f func(i int, v int16) int16) []int16 {
	x = slices.Clone(x)
	for i, v := range x {
		x[i] = f(i, v)
	}
	return x
}

// wav is a 16-bit WAV file.
func wav(rate, channels int, x []int16) *fstest.MapFile {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("RIFF"), uint32(36+2*len(x)))
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(le.AppendUint16(b, 1), uint16(channels))
	b = le.AppendUint32(le.AppendUint32(b, uint32(rate)), uint32(2*channels*rate))
	b = le.AppendUint16(le.AppendUint16(b, uint16(2*channels)), 16)
	b = le.AppendUint32(append(b, "data"...), uint32(2*len(x)))
	for _, v := range x {
		b = le.AppendUint16(b, uint16(v))
	}
	return &fstest.MapFile{Data: b}
}

// asFLAC is the same sound as wav's, mono.
func asFLAC(t *testing.T, rate int, x []int16) *fstest.MapFile {
	t.Helper()
	const block = 1000
	var b bytes.Buffer
	e, err := flac.NewEncoder(&b, &meta.StreamInfo{BlockSizeMin: block, BlockSizeMax: block, SampleRate: uint32(rate), NChannels: 1, BitsPerSample: 16})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n*block < len(x); n++ {
		part := x[n*block : min(len(x), (n+1)*block)]
		samples := make([]int32, len(part))
		for i, v := range part {
			samples[i] = int32(v)
		}
		f := &frame.Frame{
			Header:    frame.Header{HasFixedBlockSize: true, BlockSize: uint16(len(part)), SampleRate: uint32(rate), Channels: frame.ChannelsMono, BitsPerSample: 16, Num: uint64(n)},
			Subframes: []*frame.Subframe{{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, Samples: samples, NSamples: len(part)}},
		}
		if err := e.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

// heardOf reads a corpus of a manifest and recordings, and hears it.
func heardOf(t *testing.T, manifest string, fsys fstest.MapFS) (*audio.Corpus, []Hearing) {
	t.Helper()
	fsys["m.csv"] = &fstest.MapFile{Data: []byte(manifest)}
	c, err := audio.ReadCorpus(fsys, "m.csv")
	if err != nil {
		t.Fatal(err)
	}
	heard, err := Listen(context.Background(), c, Options{Workers: 3, Hash: true})
	if err != nil {
		t.Fatal(err)
	}
	return c, heard
}

func TestListen(t *testing.T) {
	x := tone(440, 8000)
	stereo := make([]int16, 0, 2*len(x)) // the right channel has an offset
	for _, v := range x {
		stereo = append(stereo, v, v/2+1000)
	}
	fsys := fstest.MapFS{"a.wav": wav(8000, 1, x), "b.flac": asFLAC(t, 8000, x), "s.wav": wav(8000, 2, stereo), "cut.wav": wav(8000, 1, x[2000:6000])}
	c, heard := heardOf(t, "path,start,end\na.wav,,\nb.flac,,\ns.wav,,\ncut.wav,,\na.wav,0.25,0.75\na.wav,0.5,\na.wav,0.1,0.6\nb.flac,0.25,0.75\n", fsys)
	for i, h := range heard {
		if h.Err != nil {
			t.Fatalf("clip %d: %v", i, h.Err)
		}
		it := c.Items[i]
		if sum := sha256.Sum256(fsys[it.File].Data); h.File != hex.EncodeToString(sum[:]) {
			t.Errorf("clip %d: the file's SHA-256 is %s", i, h.File)
		}
		// The definitions, over the decoded clip.
		samples := x
		channels := 1
		if it.File == "s.wav" {
			samples, channels = stereo, 2
		}
		if it.File == "cut.wav" {
			samples = x[2000:6000]
		}
		from, to := int(it.Start*8000)*channels, len(samples)
		if it.End != 0 {
			to = int(it.End*8000) * channels
		}
		peak, square, means := 0.0, 0.0, make([]float64, channels)
		for j, v := range samples[from:to] {
			f := float64(v) / 32768
			peak = max(peak, math.Abs(f))
			square += f * f
			means[j%channels] += f
		}
		n := float64(to - from)
		dc := 0.0
		for _, m := range means {
			dc = max(dc, math.Abs(m)/(n/float64(channels)))
		}
		if h.Peak != peak || math.Abs(h.RMS-math.Sqrt(square/n)) > 1e-12 || math.Abs(h.DC-dc) > 1e-12 || h.Clipped != 0 || h.Seconds != n/float64(channels)/8000 {
			t.Errorf("clip %d: %+v; want peak %v, rms %v, dc %v", i, h, peak, math.Sqrt(square/n), dc)
		}
	}
	if heard[1].Form != (audio.Form{Container: "flac", Encoding: "flac_s16", Rate: 8000, Channels: 1}) || heard[2].Form.Channels != 2 {
		t.Errorf("forms %+v, %+v", heard[1].Form, heard[2].Form)
	}
	for _, equal := range [][3]int{{0, 1, 1}, {3, 4, 1}, {4, 7, 1}, {0, 2, 0}, {0, 4, 0}, {4, 6, 0}, {4, 5, 0}} {
		if (heard[equal[0]].Sound == heard[equal[1]].Sound) != (equal[2] == 1) {
			t.Errorf("clips %d and %d: do they sound the same?", equal[0], equal[1])
		}
	}
}

func TestListenStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	fsys := fstest.MapFS{"a.wav": wav(8000, 1, tone(440, 80000)), "m.csv": {Data: []byte("path\na.wav\n")}}
	c, err := audio.ReadCorpus(fsys, "m.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(ctx, c, Options{}); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

func TestClipping(t *testing.T) {
	top := func(n int, at int16) []int16 {
		x := tone(440, 1000)
		for i := range n {
			x[100+i] = at
		}
		return x
	}
	fsys := fstest.MapFS{"none.wav": wav(8000, 1, top(2, 32767)), "three.wav": wav(8000, 1, top(3, 32767)), "five.wav": wav(8000, 1, top(5, -32768)), "half.wav": wav(8000, 1, top(5, 16000))}
	_, heard := heardOf(t, "path\nnone.wav\nthree.wav\nfive.wav\nhalf.wav\n", fsys)
	for i, want := range []float64{0, 3, 5, 0} {
		if got := heard[i].Clipped * 1000; math.Abs(got-want) > 1e-9 {
			t.Errorf("clip %d: %v samples are clipped, want %v", i, got, want)
		}
	}
}

// byColumn divides as eval does, in its simplest form.
func byColumn(c *audio.Corpus, by string) Division {
	d := Division{By: by}
	if by == "split" {
		s := Split{Name: "test"}
		for i, it := range c.Items {
			switch it.Value(by) {
			case "train":
				s.Train = append(s.Train, i)
			case "valid":
				s.Valid = append(s.Valid, i)
			case "test":
				s.Test = append(s.Test, i)
			}
		}
		d.Splits = []Split{s}
		return d
	}
	parts := map[string]bool{}
	for _, it := range c.Items {
		parts[it.Value(by)] = true
	}
	for _, name := range []string{"1", "2", "3"} {
		s := Split{Name: name}
		for i, it := range c.Items {
			if it.Value(by) == name {
				s.Test = append(s.Test, i)
			} else {
				s.Train = append(s.Train, i)
			}
		}
		if parts[name] {
			d.Splits = append(d.Splits, s)
		}
	}
	return d
}

func TestCheck(t *testing.T) {
	x, y, z := tone(440, 4000), tone(550, 4000), tone(660, 4000)
	loud := changed(x, func(_ int, v int16) int16 { return int16(max(-32768, min(32767, 8*int(v)))) })
	sounds := fstest.MapFS{
		"x.wav": wav(8000, 1, x), "x2.wav": wav(8000, 1, x), "x.flac": asFLAC(t, 8000, x), "y.wav": wav(8000, 1, y), "z.wav": wav(8000, 1, z),
		"loud.wav": wav(8000, 1, loud), "dc.wav": wav(8000, 1, changed(y, func(_ int, v int16) int16 { return v + 500 })),
		"silent.wav": wav(8000, 1, make([]int16, 4000)), "silent2.wav": wav(8000, 1, make([]int16, 4000)),
		"tiny.wav": wav(8000, 1, changed(x[:100], func(i int, _ int16) int16 { return int16(1000 - 2000*(i%2)) })), "long.wav": wav(8000, 1, tone(330, 44000)),
		"fast.wav": wav(16000, 1, z), "stereo.wav": wav(8000, 2, z), "text.wav": {Data: []byte("this is no recording")},
	}
	sum := strings.Repeat("0a", 32)
	for name, c := range map[string]struct {
		manifest string
		by       []string
		rate     int
		want     []string // severity code line value: the beginning of the message
	}{
		"nothing": {"path,label,split\nx.wav,a,train\ny.wav,a,test\n", []string{"split"}, 8000, nil},
		"the same sound in another format on the other side": {"path,label,split\nx.wav,a,train\ny.wav,a,train\nx.flac,a,test\n", []string{"split"}, 0,
			[]string{"error leak.audio 4 x.flac: the same sound as line 2, x.wav: by split, 1 in test, 1 in train"}},
		"the same bytes": {"path,label,split\nx.wav,a,train\nx2.wav,a,test\n", []string{"split"}, 0,
			[]string{"error leak.audio 3 x2.wav: the same bytes as line 2, x.wav: by split, 1 in test, 1 in train"}},
		"across folds": {"path,label,fold\nx.wav,a,1\nx2.wav,a,2\ny.wav,a,1\nz.wav,a,2\n", []string{"fold"}, 0,
			[]string{"error leak.audio 3 x2.wav: the same bytes as line 2, x.wav: by fold, 1 in 1, 1 in 2"}},
		"within a part": {"path,label,split\nx.wav,a,train\nx.flac,b,train\ny.wav,a,test\nz.wav,b,test\n", []string{"split"}, 0,
			[]string{"warning label.conflict 3 x.flac: it is b here and a in line 2", "note duplicate.audio 3 x.flac: the same sound as line 2, x.wav"}},
		"undivided": {"path\nx.wav\nx2.wav\n", nil, 0, []string{"note duplicate.audio 3 x2.wav: the same bytes as line 2, x.wav"}},
		"valid and test": {"path,label,split,group\nx.wav,a,valid,g\nx2.wav,a,test,g\ny.wav,a,train,h\n", []string{"split"}, 0,
			[]string{"warning leak.selection 2 x.wav: by split, clips of group g: 1 in test, 1 in valid", "warning leak.selection 3 x2.wav: the same bytes as line 2"}},
		"groups": {"path,label,fold,group\nx.wav,a,1,g\ny.wav,a,2,g\nz.wav,a,2,\ndc.wav,a,1,\n", []string{"fold"}, 0,
			[]string{"error leak.group 2 x.wav: by fold, clips of group g: 1 in 1, 1 in 2", "warning level.dc 5 dc.wav: its mean is 0.0153"}},
		"one recording": {"path,label,split,start,end\nx.wav,a,train,0,0.2\nx.wav,a,test,0.2,0.4\ny.wav,a,train,0,0.3\ny.wav,a,test,0.25,\n", []string{"split"}, 0,
			[]string{"warning leak.recording 2 x.wav: by split, clips of this recording: 1 in test, 1 in train",
				"error leak.overlap 5 y.wav: it overlaps line 4, 0 s to 0.3 s: by split, one is in test, one in train"}},
		"range": {"path,start,end\nx.wav,0,0.6\ny.wav,0.7,\nz.wav,0,0.505\n", nil, 0,
			[]string{"error clip.range 2 x.wav: it ends at 0.6 s, the recording at 0.5 s", "error clip.range 3 y.wav: it starts at 0.7 s, the recording ends at 0.5 s"}},
		"labels": {"path,label,split\nx.wav,a;c,train\ny.wav,b,test\nz.wav,a,train\ndc.wav,a,test\nlong.wav,,train\n", []string{"split"}, 0,
			[]string{"error label.untrained 3 y.wav: 1 of 2 labels are not in the training part (by split, testing on test): b", "warning label.untested 2 x.wav: 1 of 2 labels are not in the test part",
				"warning label.rare 2 x.wav: it is the only clip of c", "warning label.rare 3 y.wav: it is the only clip of b",
				"warning label.missing 6 long.wav: it has no label, 4 of 5 clips have one", "warning level.dc 5", "note length.unusual 6 long.wav: it lasts 5.500 s, the median is 0.500 s"}},
		"levels": {"path\nsilent.wav\nsilent2.wav\nloud.wav\ndc.wav\ntiny.wav\n", nil, 0,
			[]string{"warning level.silent 2 silent.wav: its peak is -inf dBFS", "warning level.silent 3", "warning level.clipped 4 loud.wav: ", "warning level.dc 5",
				"warning length.short 6 tiny.wav: it lasts 0.013 s"}},
		"files": {"path,sha256\ntext.wav,\nx.wav," + sum + "\ntext.wav,\n", nil, 0,
			[]string{"error file.unreadable 2 text.wav: no recording known here begins with", "error file.hash 3 x.wav: its SHA-256 is "}},
		"rates": {"path\nx.wav\nfast.wav\nstereo.wav\n", nil, 16000,
			[]string{"note rate.mixed 0 2 of 8000 Hz, 1 of 16000 Hz", "note channels.mixed 0 2 of 1 channels, 1 of 2 channels", "note rate.low 2 x.wav: 2 of 3 clips have less than the 16000 Hz"}},
	} {
		t.Run(name, func(t *testing.T) {
			corpus, heard := heardOf(t, c.manifest, sounds)
			var ways []Division
			for _, by := range c.by {
				ways = append(ways, byColumn(corpus, by))
			}
			r := Check(corpus, heard, ways, c.rate)
			left := slices.Clone(r.Findings)
			for _, want := range c.want {
				i := slices.IndexFunc(left, func(f Finding) bool {
					at := fmt.Sprintf("%s %s %d ", f.Severity, f.Code, f.Line)
					if f.Path != "" {
						at += f.Path + ": "
					}
					return strings.HasPrefix(at+f.Message, want) && f.Remedy != ""
				})
				if i < 0 {
					t.Errorf("no %q", want)
					continue
				}
				left = slices.Delete(left, i, i+1)
			}
			for _, f := range left {
				t.Errorf("it also finds %s %s %d %s: %s", f.Severity, f.Code, f.Line, f.Path, f.Message)
			}
			if r.Errors+r.Warnings+r.Notes != len(r.Findings) {
				t.Errorf("%s of %d findings", r.Verdict(), len(r.Findings))
			}
			if !slices.IsSortedFunc(r.Findings, func(a, b Finding) int { return a.Line - b.Line }) {
				t.Error("the findings are not in the order of the manifest")
			}
			for range 5 { // maps must not show
				again, err := Listen(context.Background(), corpus, Options{Workers: 1, Hash: true})
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(Check(corpus, again, ways, c.rate), r) {
					t.Fatal("checked again, it finds others, or in another order")
				}
			}
		})
	}
}

func TestCannotDivide(t *testing.T) {
	c, heard := heardOf(t, "path,split\nx.wav,nowhere\n", fstest.MapFS{"x.wav": wav(8000, 1, tone(440, 4000))})
	r := Check(c, heard, []Division{{By: "split", Err: fmt.Errorf("line 2 is none of train, valid and test")}}, 0)
	if len(r.Findings) != 1 || r.Findings[0].Code != "split.value" || r.Errors != 1 {
		t.Errorf("%+v", r)
	}
}

func TestReportIsShort(t *testing.T) {
	manifest, fsys := "path\n", fstest.MapFS{}
	for i := range 25 {
		name := fmt.Sprintf("%02d.wav", i)
		manifest += name + "\n"
		fsys[name] = wav(8000, 1, make([]int16, 800))
	}
	c, heard := heardOf(t, manifest, fsys)
	r := Check(c, heard, nil, 0)
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := "warning level.silent: a clip is silent: its peak is below -80 dBFS\n  take it out\n    m.csv:2: 00.wav: its peak is -inf dBFS\n"
	if got := b.String(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "    and 5 more; --json has all\n\nm.csv: 25 clips: 0 errors, 25 warnings, 0 notes\n") || strings.Count(got, "\n") != 25 {
		t.Error(got)
	}
}

// docs/data.md lists every code with its severity.
func TestCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/data.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Codes {
		if row := fmt.Sprintf("\n| `%s` | %s | %s | %s |\n", c.Name, c.Severity, c.What, c.Remedy); !strings.Contains(string(doc), row) {
			t.Errorf("docs/data.md lacks the row%s", row)
		}
	}
	if rows := strings.Count(string(doc), " | error | ") + strings.Count(string(doc), " | warning | ") + strings.Count(string(doc), " | note | "); rows != len(Codes) {
		t.Errorf("docs/data.md has %d codes, there are %d", rows, len(Codes))
	}
}

// docs/data.md tells every key of the JSON.
func TestKeysAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/data.md")
	if err != nil {
		t.Fatal(err)
	}
	_, checks, _ := strings.Cut(string(doc), "\n## Checks\n")
	checks, stats, _ := strings.Cut(checks, "\n## Statistics\n")
	for _, c := range []struct {
		v   any
		doc string
	}{{Report{}, checks}, {Finding{}, checks}, {Stats{}, stats}, {Distribution{}, stats}, {Part{}, stats}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(c.v)) {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key == "" || !strings.Contains(c.doc, "`"+key+"`") {
				t.Errorf("docs/data.md does not tell %T's key %q", c.v, key)
			}
		}
	}
}

// Where nothing is found or heard, JSON has empty lists.
func TestEmptyLists(t *testing.T) {
	sounds := fstest.MapFS{"no.wav": {Data: []byte("no recording at all, is it")}, "a.wav": wav(8000, 1, tone(440, 4000))}
	well, heardWell := heardOf(t, "path\na.wav\n", sounds)
	c, heard := heardOf(t, "path\nno.wav\n", sounds)
	for _, v := range []any{Check(well, heardWell, nil, 0), Measure(c, heard)} {
		if b, err := json.Marshal(v); err != nil || strings.Contains(string(b), "null") {
			t.Errorf("%s, %v", b, err)
		}
	}
}

func TestMeasure(t *testing.T) {
	x := tone(440, 8000)
	fsys := fstest.MapFS{"a.wav": wav(8000, 1, x), "b.flac": asFLAC(t, 8000, x[:4000]), "c.wav": wav(16000, 2, x), "no.wav": {Data: []byte("no recording at all, is it")}}
	c, heard := heardOf(t, "path,label,fold,split,group\na.wav,dog;cat,10,train,g\nb.flac,dog,2,train,g\nc.wav,cat,2,test,h\nno.wav,dog,2,test,h\n", fsys)
	s := Measure(c, heard)
	if s.Clips != 4 || s.Recordings != 4 || s.Unreadable != 1 || s.Seconds != 1.75 || s.Duration != (Distribution{0.25, 0.5, 1.75 / 3, 1}) {
		t.Errorf("%+v", s)
	}
	of := func(d ...float64) Distribution { return Distribution{d[0], d[1], d[2], d[3]} }
	for name, part := range map[string]struct{ got, want []Part }{
		"rates":     {s.Rates, []Part{{"8000", 2, 1.5, of(0.5, 0.75, 0.75, 1)}, {"16000", 1, 0.25, of(0.25, 0.25, 0.25, 0.25)}}},
		"channels":  {s.Channels, []Part{{"1", 2, 1.5, of(0.5, 0.75, 0.75, 1)}, {"2", 1, 0.25, of(0.25, 0.25, 0.25, 0.25)}}},
		"encodings": {s.Encodings, []Part{{"flac flac_s16", 1, 0.5, of(0.5, 0.5, 0.5, 0.5)}, {"wav pcm_s16", 2, 1.25, of(0.25, 0.625, 0.625, 1)}}},
		"labels":    {s.Labels, []Part{{"cat", 2, 1.25, of(0.25, 0.625, 0.625, 1)}, {"dog", 3, 1.5, of(0.5, 0.75, 0.75, 1)}}},
		"folds":     {s.Folds, []Part{{"2", 3, 0.75, of(0.25, 0.375, 0.375, 0.5)}, {"10", 1, 1, of(1, 1, 1, 1)}}},
		"splits":    {s.Splits, []Part{{"test", 2, 0.25, of(0.25, 0.25, 0.25, 0.25)}, {"train", 2, 1.5, of(0.5, 0.75, 0.75, 1)}}},
		"groups":    {s.Groups, []Part{{"g", 2, 1.5, of(0.5, 0.75, 0.75, 1)}, {"h", 2, 0.25, of(0.25, 0.25, 0.25, 0.25)}}},
	} {
		if !slices.Equal(part.got, part.want) {
			t.Errorf("%s: %v, want %v", name, part.got, part.want)
		}
	}
	if peak := float64(slices.Max(x)) / 32768; s.Peak.Max != peak {
		t.Errorf("peak %v, want %v", s.Peak.Max, peak)
	}
	var b strings.Builder
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"m.csv: 4 clips in 4 recordings, 0.0 minutes\n1 clip cannot be read: clr data check m.csv says why\n",
		"\nduration, s  0.250   0.500  0.583  1.000\n", "\nfold  clips  hours  min s  median s  mean s  max s\n2         3  0.000  0.250     0.375   0.375  0.500\n10        1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
