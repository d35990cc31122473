package augment

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"clr/internal/fault"
)

// in refuses an option outside lo..hi, with its name, its value and the range.
func in(name, option string, v, lo, hi float64) error {
	if v >= lo && v <= hi { // false for NaN
		return nil
	}
	want := fmt.Sprintf("%g to %g", lo, hi)
	if math.IsInf(hi, 1) {
		want = fmt.Sprintf("%g or more", lo)
	}
	return fault.New(fault.Usage, fmt.Sprintf("set %s to a value from %s", option, want), "%s: %s is %g, it must be %s", name, option, v, want)
}

// probability refuses a p that is not one.
func probability(name string, p float64) error { return in(name, "p", p, 0, 1) }

// span refuses a range that is not lo ≤ r[0] ≤ r[1] ≤ hi.
func span(name, option string, r [2]float64, lo, hi float64) error {
	for i := range r {
		if err := in(name, fmt.Sprintf("%s[%d]", option, i), r[i], lo, hi); err != nil {
			return err
		}
	}
	if r[0] > r[1] {
		return fault.New(fault.Usage, "write the smaller end first", "%s: %s is [%g, %g], its ends are the wrong way round", name, option, r[0], r[1])
	}
	return nil
}

// oneOf refuses a word that is not known.
func oneOf(name, option, v string, known ...string) error {
	if slices.Contains(known, v) {
		return nil
	}
	list := ""
	for i, k := range known {
		switch {
		case i == 0:
			list = k
		case i == len(known)-1:
			list += " or " + k
		default:
			list += ", " + k
		}
	}
	return fault.New(fault.Usage, fmt.Sprintf("set %s to %s", option, list), "%s: %s is %q, it must be %s", name, option, v, list)
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// errNoOther says that an augmentation that mixes was called without a way to
// a second clip.
var errNoOther = errors.New("there is no second clip to mix in")
