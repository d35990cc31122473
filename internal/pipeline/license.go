package pipeline

import (
	"regexp"
	"slices"
	"strconv"

	"clr/internal/fault"
)

// An identifier of SPDX, and what joins them: whether one is on SPDX's list is not
// looked up.
var (
	licenseID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+:-]*$`)
	licenseWord = regexp.MustCompile(`[()]|[^\s()]+`)
)

const mostLicense = 200 // characters

// checkLicense refuses what is no expression of SPDX (spdx.github.io, annex Licence
// Expressions).
func checkLicense(s string) error {
	wrong := func(why string) error {
		return fault.New(fault.Usage, "give an SPDX identifier, such as CC-BY-4.0, Apache-2.0 or LicenseRef-ours, or several joined by AND, OR, WITH", "--license %.60q %s", s, why)
	}
	if s == "" {
		return nil
	}
	if len(s) > mostLicense {
		return wrong("has " + strconv.Itoa(len(s)) + " characters, at most " + strconv.Itoa(mostLicense) + " make sense")
	}
	open, joined := 0, true // joined: an identifier is to come
	for _, word := range licenseWord.FindAllString(s, -1) {
		join := slices.Contains([]string{"AND", "OR", "WITH"}, word)
		switch {
		case word == "(" && joined:
			open++
		case word == ")" && !joined && open > 0:
			open--
		case join && !joined:
			joined = true
		case !join && joined && licenseID.MatchString(word):
			joined = false
		default:
			return wrong("has " + strconv.Quote(word) + " where it does not belong")
		}
	}
	if joined || open > 0 {
		return wrong("ends early")
	}
	return nil
}
