package optim

import "path"

// Spare says which weights an optimiser spares from weight decay and from rates
// of a layer's own (LARS, LAMB), as recipes for large batches do.
type Spare struct {
	Exclude1D bool     `yaml:"exclude_1d" doc:"spare biases and norm parameters from weight decay; lars and lamb: from scaling too"`
	Exclude   []string `yaml:"exclude" doc:"spare the weights of these names too: encoder.bn1.*, *.bias; * is any text, ? a letter, [ab] one of two"`
}

// Excluded implements Options.
func (s Spare) Excluded() []string { return s.Exclude }

func (s Spare) check(optimizer string) error { return checkPatterns(optimizer+": exclude", s.Exclude) }

// spares says of biases and the two vectors of a norm, and of the named.
func (s Spare) spares(p *Param) bool {
	return s.Exclude1D && len(p.Value.Shape) <= 1 || matches(s.Exclude, p.Name)
}

// matches says whether any pattern is a name's. A name has no slashes, so a star
// of path.Match reaches over all of it.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok { // checkPatterns has seen to the error
			return true
		}
	}
	return false
}

// checkPatterns refuses what is no pattern.
func checkPatterns(what string, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return usage("close its bracket, or write \\[ for the character", "%s: %q is no pattern of names", what, p)
		}
	}
	return nil
}

// Unmatched are the positions of patterns that no weight's name fits.
func Unmatched(patterns []string, params []*Param) []int {
	var alone []int
next:
	for i, pattern := range patterns {
		for _, p := range params {
			if matches([]string{pattern}, p.Name) {
				continue next
			}
		}
		alone = append(alone, i)
	}
	return alone
}
