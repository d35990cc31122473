package eval

import (
	"slices"
	"strings"

	"clr/internal/fault"
)

// SplitOptions say which column of the manifest divides the clips.
type SplitOptions struct {
	By      string   `yaml:"by" doc:"manifest column that divides the clips: split for given train/valid/test parts, or fold, group, speaker, ... to leave one value out at a time; empty takes split where the manifest has it"`
	Holdout []string `yaml:"holdout" doc:"values of that column to test on, together, in one split; empty leaves out each value in turn"`
}

// SplitColumn is the column whose values are given parts rather than folds.
const SplitColumn = "split"

// A Split is one way to divide the clips; each field holds indices of clips.
type Split struct {
	Name               string
	Train, Valid, Test []int
	// Groups names each training clip's group, one per entry of Train. Clips
	// of one group stay together where validation clips are taken out of
	// Train. It is nil where no groups are known.
	Groups []string
}

// Check refuses what can only be a mistake.
func (o SplitOptions) Check() error {
	if len(o.Holdout) > 0 && (o.By == "" || o.By == SplitColumn) {
		return fault.New(fault.Usage, "set by to a column such as fold or speaker", "holdout names values of a column, but by is %q", o.By)
	}
	return nil
}

// Column is the column to divide by, given those that the manifest has.
func (o SplitOptions) Column(columns []string) (string, error) {
	if err := o.Check(); err != nil {
		return "", err
	}
	by := o.By
	if by == "" {
		by = SplitColumn
	}
	switch {
	case slices.Contains(columns, by):
		return by, nil
	case o.By == "":
		return "", fault.New(fault.Usage, "set by to one of the manifest's columns: "+strings.Join(columns, ", "), "the manifest has no split column and by is empty")
	}
	remedy := "the manifest has the columns " + strings.Join(columns, ", ")
	if n := nearest(by, columns); n != "" {
		remedy = "did you mean " + n + "? " + remedy
	}
	return "", fault.New(fault.Usage, remedy, "the manifest has no column %s to divide the clips by", by)
}

// Splits divides clips by the values of the chosen column, one value a clip.
// The split column gives one Split. Any other gives one Split for each value,
// in natural order and named by it, that tests on this value and trains on the
// rest; or, with holdout, one Split that tests on all the values named.
func Splits(values []string, o SplitOptions) ([]Split, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	by := o.By
	if by == "" {
		by = SplitColumn
	}
	if len(values) == 0 {
		return nil, fault.New(fault.Data, "give a manifest with clips in it", "there are no clips to divide by %s", by)
	}
	for i, v := range values {
		if strings.TrimSpace(v) == "" {
			return nil, fault.New(fault.Data, "fill in the column for every clip, or choose another with by", "clip %d has no value in column %s", i, by)
		}
	}
	if by == SplitColumn {
		return givenParts(values)
	}
	known := distinct(values)
	if len(known) < 2 {
		return nil, fault.New(fault.Data, "choose a column with more values, or add clips", "column %s has the one value %s: nothing is left to train on when it is held out", by, known[0])
	}
	if len(o.Holdout) == 0 {
		splits := make([]Split, len(known))
		for i, v := range known {
			splits[i] = leaveOut(values, []string{v})
		}
		return splits, nil
	}
	held := distinct(o.Holdout)
	for _, h := range held {
		if !slices.Contains(known, h) {
			remedy := "its values are " + enumerate(known)
			if n := nearest(h, known); n != "" {
				remedy = "did you mean " + n + "? " + remedy
			}
			return nil, fault.New(fault.Usage, remedy, "holdout names %s, which is not a value of column %s", h, by)
		}
	}
	if len(held) == len(known) {
		return nil, fault.New(fault.Usage, "hold out fewer values", "holdout names all %d values of column %s: nothing is left to train on", len(known), by)
	}
	return []Split{leaveOut(values, held)}, nil
}

func givenParts(values []string) ([]Split, error) {
	s := Split{Name: "test"}
	for i, v := range values {
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "train", "training":
			s.Train = append(s.Train, i)
		case "valid", "validation", "val", "dev", "development":
			s.Valid = append(s.Valid, i)
		case "test", "testing":
			s.Test = append(s.Test, i)
		default:
			return nil, fault.New(fault.Data, "use train, valid (or validation, val, dev) and test; other columns are chosen with by", "clip %d has the split %s, which is none of train, valid and test", i, v)
		}
	}
	if len(s.Train) == 0 || len(s.Test) == 0 {
		return nil, fault.New(fault.Data, "mark clips as train and as test, or choose another column with by", "column split has %d train, %d valid and %d test clips", len(s.Train), len(s.Valid), len(s.Test))
	}
	return []Split{s}, nil
}

func leaveOut(values, held []string) Split {
	s := Split{Name: strings.Join(held, "+")}
	for i, v := range values {
		if slices.Contains(held, v) {
			s.Test = append(s.Test, i)
			continue
		}
		s.Train = append(s.Train, i)
		s.Groups = append(s.Groups, v)
	}
	return s
}

// Check refuses a split that cannot be scored: an empty part, a clip in two
// parts, training on one class, or test clips of a class never trained on.
func (s Split) Check(set Set) error {
	if len(s.Train) == 0 || len(s.Test) == 0 {
		return fault.New(fault.Data, "choose another column with by", "split %s has %d training and %d test clips", s.Name, len(s.Train), len(s.Test))
	}
	if s.Groups != nil && len(s.Groups) != len(s.Train) {
		return fault.New(fault.Usage, "", "eval: split %s has %d groups for %d training clips", s.Name, len(s.Groups), len(s.Train))
	}
	part := make([]string, set.N)
	seen := make([]int, len(set.Classes))
	for _, p := range []struct {
		name  string
		clips []int
	}{{"training", s.Train}, {"validation", s.Valid}, {"test", s.Test}} {
		for _, i := range p.clips {
			switch {
			case i < 0 || i >= set.N:
				return fault.New(fault.Usage, "", "eval: split %s names clip %d of %d", s.Name, i, set.N)
			case part[i] != "":
				return fault.New(fault.Data, "", "split %s has %s among its %s and its %s clips", s.Name, set.name(i), part[i], p.name)
			}
			part[i] = p.name
			for _, y := range set.Of(i) {
				if p.name == "training" {
					seen[y]++
				} else if seen[y] == 0 {
					return fault.New(fault.Data, "add such clips to the training part, or choose another column with by",
						"split %s has %s clips of class %s, but no training clip of it", s.Name, p.name, set.Classes[y])
				}
			}
		}
		if p.name == "training" && !set.Multi() {
			if k := slices.Max(seen); k == len(s.Train) {
				return fault.New(fault.Data, "choose another column with by, or add clips of other classes", "all %d training clips of split %s are of class %s", k, s.Name, set.Classes[slices.Index(seen, k)])
			}
		}
	}
	return nil
}

// enumerate lists the first few of many names.
func enumerate(names []string) string {
	if len(names) > 12 {
		return strings.Join(names[:12], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
