package survey

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"clr/internal/audio"
)

// What is silent, short or off centre.
const (
	silence  = 1e-4  // peak, -80 dBFS
	offset   = 0.01  // of full scale
	clipping = 0.001 // share of samples
	short    = 0.05  // seconds
	unusual  = 10    // times the median length
)

// A Finding is one thing that is wrong or worth knowing.
type Finding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"` // of Codes
	Line     int    `json:"line"` // of the manifest; 0 where it is about all of it
	Path     string `json:"path,omitempty"`
	Value    string `json:"value,omitempty"` // what was measured, or the name of what it is about
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

// A Report is what a check found.
type Report struct {
	Manifest string    `json:"manifest"`
	Clips    int       `json:"clips"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	Findings []Finding `json:"findings"` // by line, then in the order of Codes
}

// A Division is how clips are divided by a column, as whoever learns and tests
// will divide them.
type Division struct {
	By     string
	Splits []Split
	Err    error // why they cannot be divided; then there are no splits
}

// A Split is one way to learn and to test; fields hold indices of clips.
type Split struct {
	Name               string
	Train, Valid, Test []int
}

// sides names where each clip is: in a part of the one split, or in the split,
// of several, that tests on it.
func (d Division) sides(clips int) []string {
	sides := make([]string, clips)
	put := func(side string, in []int) {
		for _, i := range in {
			sides[i] = side
		}
	}
	for _, s := range d.Splits {
		if len(d.Splits) == 1 {
			put("train", s.Train)
			put("valid", s.Valid)
			put("test", s.Test)
		} else {
			put(s.Name, s.Test)
		}
	}
	return sides
}

// A checker is a check while it is done.
type checker struct {
	corpus *audio.Corpus
	heard  []Hearing
	report *Report
}

// Check looks through what was heard of a corpus (with Options.Hash). rate is
// the sample rate that the clips will be used at, or 0.
func Check(c *audio.Corpus, heard []Hearing, divisions []Division, rate int) *Report {
	k := checker{c, heard, &Report{Manifest: c.Path, Clips: len(c.Items), Findings: []Finding{}}}
	k.files()
	k.levels()
	k.lengths()
	k.rates(rate)
	k.labels()
	sounds := k.sounds()
	for _, d := range divisions {
		k.division(d, sounds)
	}
	k.duplicates(sounds, divisions)
	k.report.sort()
	return k.report
}

// find adds a finding about clip i; -1 is all of them.
func (k *checker) find(name string, i int, value, format string, args ...any) {
	c := code(name)
	f := Finding{Severity: c.Severity, Code: name, Value: value, Message: fmt.Sprintf(format, args...), Remedy: c.Remedy}
	if i >= 0 {
		f.Line, f.Path = k.corpus.Items[i].Line, k.corpus.Items[i].Path
	}
	k.report.Findings = append(k.report.Findings, f)
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		place := func(f Finding) int {
			return slices.IndexFunc(Codes, func(c Code) bool { return c.Name == f.Code })
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(place(a), place(b)), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Message, b.Message))
	})
	for _, f := range r.Findings {
		switch f.Severity {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		default:
			r.Notes++
		}
	}
}

// files finds what cannot be read, or is not what the manifest says.
func (k *checker) files() {
	seen := map[string]bool{}
	for i, it := range k.corpus.Items {
		h := k.heard[i]
		switch {
		case errors.Is(h.Err, errRange):
			k.find("clip.range", i, "", "%s", strings.TrimSuffix(h.Err.Error(), ": "+errRange.Error()))
		case h.Err != nil && !seen[it.File]:
			k.find("file.unreadable", i, "", "%s", reason(h.Err, it.File))
			seen[it.File] = true
		case h.Err == nil && it.SHA256 != "" && it.SHA256 != h.File:
			k.find("file.hash", i, h.File, "its SHA-256 is %s, the manifest says %s", h.File, it.SHA256)
		}
	}
}

// reason is an error without the file's name, which the finding has.
func reason(err error, file string) string {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such file"
	}
	return strings.TrimPrefix(err.Error(), file+": ")
}

func (k *checker) levels() {
	for i, h := range k.heard {
		if h.Err != nil {
			continue
		}
		if h.Peak < silence {
			k.find("level.silent", i, dbfs(h.Peak), "its peak is %s dBFS", dbfs(h.Peak))
		}
		if h.Clipped >= clipping {
			k.find("level.clipped", i, fmt.Sprintf("%.4f", h.Clipped), "%.2f %% of its samples are in flat tops near full scale", 100*h.Clipped)
		}
		if h.DC >= offset {
			k.find("level.dc", i, fmt.Sprintf("%.4f", h.DC), "its mean is %.4f of full scale", h.DC)
		}
	}
}

func (k *checker) lengths() {
	var lengths []float64
	for _, h := range k.heard {
		if h.Err == nil {
			lengths = append(lengths, h.Seconds)
		}
	}
	slices.Sort(lengths)
	middle := median(lengths)
	for i, h := range k.heard {
		length := fmt.Sprintf("%.3f", h.Seconds)
		switch {
		case h.Err != nil:
		case h.Seconds < short:
			k.find("length.short", i, length, "it lasts %s s", length)
		case h.Seconds < middle/unusual || h.Seconds > middle*unusual:
			k.find("length.unusual", i, length, "it lasts %s s, the median is %.3f s", length, middle)
		}
	}
}

func (k *checker) rates(rate int) {
	rates, channels := map[int]int{}, map[int]int{}
	low, first := 0, -1
	for i, h := range k.heard {
		if h.Err != nil {
			continue
		}
		rates[h.Form.Rate]++
		channels[h.Form.Channels]++
		if h.Form.Rate < rate {
			if low++; first < 0 {
				first = i
			}
		}
	}
	if len(rates) > 1 {
		k.find("rate.mixed", -1, "", "%s", shares(rates, "Hz"))
	}
	if low > 0 {
		k.find("rate.low", first, fmt.Sprint(k.heard[first].Form.Rate), "%d of %d clips have less than the %d Hz of the config; this one has %d", low, len(k.heard), rate, k.heard[first].Form.Rate)
	}
	if len(channels) > 1 {
		k.find("channels.mixed", -1, "", "%s", shares(channels, "channels"))
	}
}

// shares lists how many clips have which value.
func shares(counts map[int]int, unit string) string {
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d of %d %s", counts[v], v, unit))
	}
	return strings.Join(parts, ", ")
}

func (k *checker) labels() {
	count, first, labelled := map[string]int{}, map[string]int{}, 0
	for i, it := range k.corpus.Items {
		for _, l := range it.Labels() {
			if count[l]++; count[l] == 1 {
				first[l] = i
			}
		}
		if it.Label != "" {
			labelled++
		}
	}
	for l, n := range count {
		if n == 1 {
			k.find("label.rare", first[l], l, "it is the only clip of %s", l)
		}
	}
	for i, it := range k.corpus.Items {
		if it.Label == "" && labelled > 0 {
			k.find("label.missing", i, "", "it has no label, %d of %d clips have one", labelled, len(k.corpus.Items))
		}
	}
}

// sounds are the clips that sound alike, in the manifest's order; silence is
// no sound.
func (k *checker) sounds() [][]int {
	at := map[[32]byte]int{}
	var sounds [][]int
	for i, h := range k.heard {
		if h.Err != nil || h.Peak < silence {
			continue
		}
		n, ok := at[h.Sound]
		if !ok {
			n = len(sounds)
			at[h.Sound] = n
			sounds = append(sounds, nil)
		}
		sounds[n] = append(sounds[n], i)
	}
	return slices.DeleteFunc(sounds, func(s []int) bool { return len(s) < 2 })
}

// duplicates finds equal sounds that no division parts, and equal sounds that
// are labelled differently.
func (k *checker) duplicates(sounds [][]int, divisions []Division) {
	var sides [][]string
	for _, d := range divisions {
		sides = append(sides, d.sides(len(k.heard)))
	}
	for _, clips := range sounds {
		first := k.corpus.Items[clips[0]]
		for _, i := range clips[1:] {
			it := k.corpus.Items[i]
			parted := slices.ContainsFunc(sides, func(side []string) bool { return side[i] != side[clips[0]] })
			sum := hex.EncodeToString(k.heard[i].Sound[:6])
			if !parted {
				k.find("duplicate.audio", i, sum, "%s as line %d, %s", k.alike(i, clips[0]), first.Line, first.Path)
			}
			if it.Label != first.Label && it.Label != "" && first.Label != "" {
				k.find("label.conflict", i, it.Label, "it is %s here and %s in line %d, %s", it.Label, first.Label, first.Line, first.Path)
			}
		}
	}
}

// alike says in what two clips are the same.
func (k *checker) alike(i, j int) string {
	if k.heard[i].File == k.heard[j].File && k.corpus.Items[i].Start == k.corpus.Items[j].Start {
		return "the same bytes"
	}
	return "the same sound"
}
