package layout

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/fault"
)

// A hearTask is task_metadata.json, as far as it matters here.
type hearTask struct {
	embedding, split string
	splits           []string
	folds            int
	classes          map[string]bool // of labelvocabulary.csv
	rate             string
}

// readHEAR reads a task of HEAR (Turian et al., HEAR: Holistic Evaluation of
// Audio Representations, arXiv 2203.03022), as hear-preprocess writes it.
// Recordings of scenes become one clip each; in tasks of events each event
// becomes one, in the group of its recording.
func readHEAR(r *reader) {
	t := hearTask{}
	if !r.hearMetadata(&t) || !r.hearRate(&t) {
		return
	}
	t.classes = map[string]bool{}
	for _, row := range r.csv("labelvocabulary.csv", "label") {
		t.classes[row.get("label")] = true
	}
	if len(r.faults) > 0 {
		return
	}
	r.m.Events = t.embedding == "event"
	silent := 0
	for _, split := range t.splits {
		r.recordings(path.Join(t.rate, split))
		list := split + ".json"
		r.object(list, func(name string, line func() int, value func(any) error) error {
			c := Clip{File: path.Join(t.rate, split, name), Split: split}
			if t.split != "trainvaltest" {
				c.Split, c.Fold = "", split
			}
			if r.m.Events {
				n, err := r.hearEvents(t, list, c, line, value)
				if n == 0 {
					silent++
				}
				return err
			}
			var labels []any
			if err := value(&labels); err != nil {
				return err
			}
			words, err := t.words(labels)
			if err == nil {
				r.take(list, line, c, words...)
			}
			return err
		})
	}
	if silent > 0 {
		r.m.warn("%d recordings are left out: there are no events in them", silent)
	}
}

// hearMetadata reads what kind of task it is.
func (r *reader) hearMetadata(t *hearTask) bool {
	const file = "task_metadata.json"
	r.object(file, func(key string, _ func() int, value func(any) error) error {
		switch key {
		case "embedding_type":
			return value(&t.embedding)
		case "split_mode":
			return value(&t.split)
		case "splits":
			return value(&t.splits)
		case "nfolds":
			var n any // null where there are none
			err := value(&n)
			if n, ok := n.(json.Number); ok && err == nil {
				if t.folds, err = strconv.Atoi(n.String()); err != nil {
					err = fmt.Errorf("it is %s, not a whole number", n)
				}
			}
			return err
		}
		return value(new(any))
	})
	kinds, modes := []string{"scene", "event"}, []string{"trainvaltest", "presplit_kfold", "new_split_kfold"}
	switch {
	case len(r.faults) > 0:
	case !slices.Contains(kinds, t.embedding):
		r.fault(file, 0, "embedding_type is %q, not one of %s", t.embedding, strings.Join(kinds, ", "))
	case !slices.Contains(modes, t.split):
		r.fault(file, 0, "split_mode is %q, not one of %s", t.split, strings.Join(modes, ", "))
	case len(t.splits) > 0:
		for i, s := range t.splits { // each is a folder and a list beside it
			if !filepath.IsLocal(s) || s == "." || strings.ContainsAny(s, `/\`) || slices.Contains(t.splits[:i], s) {
				r.fault(file, 0, "splits holds %.80q, which is no name or is there twice", s)
			}
		}
	case t.split == "trainvaltest":
		t.splits = []string{"train", "valid", "test"}
	case t.folds < 2 || t.folds > 1000:
		r.fault(file, 0, "nfolds is %d and there is no list splits", t.folds)
	default:
		for i := range t.folds {
			t.splits = append(t.splits, fmt.Sprintf("fold%02d", i))
		}
	}
	return len(r.faults) == 0
}

// hearRate chooses the folder of recordings. Other rates are made of the
// highest one, so that has all there is.
func (r *reader) hearRate(t *hearTask) bool {
	var rates []int
	for _, name := range r.folders() {
		if n, err := strconv.Atoi(name); err == nil && n > 0 && strconv.Itoa(n) == name {
			rates = append(rates, n)
		}
	}
	slices.Sort(rates)
	switch {
	case len(rates) == 0:
		r.fault(".", 0, "there is no folder of recordings in it, such as 16000 or 48000")
		return false
	case r.o.Rate == 0:
		t.rate = strconv.Itoa(rates[len(rates)-1])
	case !slices.Contains(rates, r.o.Rate):
		r.usage = fault.New(fault.Usage, fmt.Sprintf("the rates are %s", strings.Trim(fmt.Sprint(rates), "[]")), "--rate is %d, and %s has no such folder", r.o.Rate, r.root)
		return false
	default:
		t.rate = strconv.Itoa(r.o.Rate)
	}
	return true
}

// words are a recording's labels, all of the vocabulary.
func (t hearTask) words(labels []any) ([]string, error) {
	var words []string
	for _, l := range labels {
		word := fmt.Sprint(l) // a string or a number
		if !t.classes[word] {
			return nil, fmt.Errorf("the label %q is not in labelvocabulary.csv", word)
		}
		words = append(words, word)
	}
	return words, nil
}

// hearEvents takes the events of a recording; their times are milliseconds.
func (r *reader) hearEvents(t hearTask, list string, c Clip, line func() int, value func(any) error) (int, error) {
	var events []struct {
		Label      any
		Start, End float64
	}
	if err := value(&events); err != nil {
		return 1, err
	}
	r.known[c.File] = true
	c.Group = c.File
	for _, e := range events {
		words, err := t.words([]any{e.Label})
		if err == nil && !(e.Start >= 0 && e.End/1000 > e.Start/1000) { // as seconds() has them: the least numbers would be none
			err = fmt.Errorf("an event of %s goes from %v ms to %v ms", words[0], e.Start, e.End)
		}
		if err != nil {
			return len(events), err
		}
		c.Start, c.End = seconds(e.Start), seconds(e.End)
		if !r.take(list, line, c, words...) {
			return len(events), nil
		}
	}
	return len(events), nil
}

func seconds(ms float64) string { return strconv.FormatFloat(ms/1000, 'f', -1, 64) }
