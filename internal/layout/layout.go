// Package layout reads corpora as their makers lay them out (ESC-50, Speech
// Commands, a HEAR task, a folder per class) and makes manifests of them. It
// hides where each keeps its labels, folds and sources; what a layout says is
// taken as it stands: given splits are never drawn anew. It reads lists and
// names, never sound.
package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"clr/internal/fault"
)

// Options are what a person may choose beside the layout; each layout obeys
// some of them (see Layout.Takes).
type Options struct {
	Only       string    // esc50: esc10 for the ten classes of ESC-10
	Label      string    // nsynth: the field that becomes the label; empty is instrument_family_str
	Rate       int       // hear: whose recordings, Hz; 0 is the highest there is
	CSV        string    // evar: the list; empty is the only .csv file in the root
	Group      string    // folder: regular expression on a recording's path below its class; what it finds, or its first group, names the source
	Unlabelled bool      // folder: sub-folders are no classes
	Split      []float64 // folder: shares of train and test, or of train, valid and test; empty draws no split
	Seed       uint64    // folder: of the split
}

// A Layout is one way to lay out a corpus.
type Layout struct {
	doc   string
	Takes []string // the options that it obeys, in lower case
	read  func(*reader)
}

// Doc says in one line what the layout is.
func (l Layout) Doc() string { return l.doc }

// Table holds the layouts by name.
var Table = map[string]Layout{
	"esc50":           {"ESC-50: audio/, meta/esc50.csv; 5 folds, grouped by source clip", []string{"only"}, readESC50},
	"speech-commands": {"Speech Commands: a folder per word, validation_list.txt, testing_list.txt; grouped by speaker", nil, readSpeechCommands},
	"fsdd":            {"Free Spoken Digit Dataset: recordings/DIGIT_SPEAKER_INDEX.wav; index 0 to 4 is test", nil, readFSDD},
	"urbansound8k":    {"UrbanSound8K: audio/fold1..10/, metadata/UrbanSound8K.csv; 10 folds, grouped by source recording", nil, readUrbanSound8K},
	"nsynth":          {"NSynth: nsynth-{train,valid,test}/ with examples.json and audio/; grouped by instrument", []string{"label"}, readNSynth},
	"hear":            {"HEAR task: task_metadata.json, labelvocabulary.csv, a JSON file per split, RATE/SPLIT/", []string{"rate"}, readHEAR},
	"evar":            {"EVAR list: a CSV file with file_name,label and fold or split", []string{"csv"}, readEVAR},
	"folder":          {"a folder per class, or one folder of recordings without labels", []string{"group", "unlabelled", "split", "seed"}, readFolder},
}

// Read reads the corpus at root as a layout of Table. All that is wrong with
// it, up to 20 mistakes, comes in one data error, each with file and, where
// there is one, line; options that mean nothing are usage errors.
func Read(ctx context.Context, name, root string, o Options) (*Manifest, error) {
	l, ok := Table[name]
	if !ok {
		return nil, fault.New(fault.Usage, "", "layout: there is no layout %q", name)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, fault.New(fault.Data, "give the folder that the corpus was unpacked to", "%w", err)
	} else if !info.IsDir() {
		return nil, fault.New(fault.Data, "give the folder that the corpus was unpacked to", "%s is a file, not a folder", root)
	}
	r := &reader{ctx: ctx, root: root, o: o, m: &Manifest{Layout: name, Root: root},
		ways: map[string]int{}, present: map[string]bool{}, known: map[string]bool{}, taken: map[string]bool{}}
	l.read(r)
	switch {
	case ctx.Err() != nil: // then some is not read
		return nil, ctx.Err()
	case r.usage != nil:
		return nil, r.usage
	case len(r.faults) > 0 && len(r.present) == 0:
		return nil, fault.List(fault.Data, "see that this is the folder that holds "+l.doc, r.faults)
	case len(r.faults) > 0:
		return nil, fault.List(fault.Data, "unpack the corpus again, or mend the files named", r.faults)
	case len(r.m.Clips) == 0:
		return nil, fault.New(fault.Data, "see that this is the folder that holds "+l.doc, "%s holds no recordings in the layout %s", root, name)
	}
	r.leftOver()
	return r.m, nil
}

// A reader is a corpus while it is read. Files are named by their path below
// the root, with slashes.
type reader struct {
	ctx    context.Context
	root   string
	o      Options
	m      *Manifest
	faults []error // with the corpus
	usage  error   // with the options

	ways    map[string]int  // how often the walk came to a folder, by its real path
	lost    bool            // it came to one by too many
	present map[string]bool // recordings found
	known   map[string]bool // recordings that a list or a name accounts for
	taken   map[string]bool // recordings that have become clips
}

var errMore = errors.New("one mistake more")

// path is where a file of the corpus is on the machine.
func (r *reader) path(file string) string { return filepath.Join(r.root, filepath.FromSlash(file)) }

// fault keeps a mistake in a file; line 0 means the whole of it.
// Of those that will not be shown it keeps none but the number.
func (r *reader) fault(file string, line int, format string, args ...any) {
	if len(r.faults) >= fault.Most {
		r.faults = append(r.faults, errMore)
		return
	}
	at := r.path(file)
	if line > 0 {
		at = fmt.Sprintf("%s:%d", at, line)
	}
	r.faults = append(r.faults, fmt.Errorf("%s: %w", at, fmt.Errorf(format, args...)))
}

// missing keeps the mistake that a file of the layout cannot be read.
func (r *reader) missing(file string, err error) {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no such file; the layout %s has it", r.m.Layout)
	}
	r.fault(file, 0, "%w", err)
}

// pattern compiles an option that is a regular expression.
func (r *reader) pattern(option, text string) *regexp.Regexp {
	re, err := regexp.Compile(text)
	if err != nil {
		r.usage = fault.New(fault.Usage, "regular expressions are Go's: go doc regexp/syntax", "--%s: %w", option, err)
	}
	return re
}

// leftOver warns of recordings that nothing accounts for.
func (r *reader) leftOver() {
	var left []string
	for f := range r.present {
		if !r.known[f] {
			left = append(left, f)
		}
	}
	if len(left) > 0 {
		r.m.Unlisted = len(left)
		r.m.warn("%d of %d recordings are left out: no list or name accounts for them; the first is %s", len(left), len(r.present), slices.Min(left))
	}
}
