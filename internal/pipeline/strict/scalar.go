package strict

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Numbers are read by our own rules, not YAML's: 1e-6 is a number (YAML 1.1
// wants 1.0e-6), 010 is refused (YAML 1.1 has it mean 8), and nothing but a
// number is one.
var (
	integerText = regexp.MustCompile(`^[+-]?(0|[1-9][0-9]*(_[0-9]+)*)$`)
	floatText   = regexp.MustCompile(`^[+-]?(0|[1-9][0-9]*(_[0-9]+)*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?$`)
	plainText   = regexp.MustCompile(`^[A-Za-z_./](:?[A-Za-z0-9_./+-])*$`)
)

// setScalar parses n into v. A mistake is the rest of a sentence that begins
// with the path.
func setScalar(v reflect.Value, n *node) (mistake string) {
	want := fmt.Sprintf("needs %s, not %s", wants(v.Type()), n.show())
	if v.Kind() == reflect.String {
		if n.null() {
			return want + `; write "" for an empty text`
		}
		v.SetString(n.text) // as it was written: 007 and no stay what they are
		return ""
	}
	if n.quoted || n.null() {
		return want
	}
	digits := strings.ReplaceAll(n.text, "_", "")
	switch v.Kind() {
	case reflect.Bool:
		switch n.text {
		case "true", "false":
			v.SetBool(n.text == "true")
			return ""
		}
		return want
	case reflect.Int, reflect.Int64, reflect.Int32:
		i, err := strconv.ParseInt(digits, 10, v.Type().Bits())
		switch {
		case !integerText.MatchString(n.text):
			return want
		case err != nil:
			return fmt.Sprintf("is %s, which is too large", n.text)
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		u, err := strconv.ParseUint(strings.TrimPrefix(digits, "+"), 10, v.Type().Bits())
		switch {
		case !integerText.MatchString(n.text), strings.HasPrefix(n.text, "-"):
			return want
		case err != nil:
			return fmt.Sprintf("is %s, which is too large", n.text)
		}
		v.SetUint(u)
	case reflect.Float64, reflect.Float32:
		f, err := strconv.ParseFloat(digits, v.Type().Bits())
		switch {
		case !floatText.MatchString(n.text) || err != nil && !math.IsInf(f, 0):
			return want
		case math.IsInf(f, 0):
			return fmt.Sprintf("is %s, which is too large", n.text)
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("strict: a config cannot hold a %s", v.Type()))
	}
	return ""
}

// wants says in words what a type holds.
func wants(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "a whole number"
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		return "a whole number, 0 or more"
	case reflect.Float64, reflect.Float32:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Array:
		return fmt.Sprintf("a list of %d values", t.Len())
	case reflect.Slice:
		return "a list"
	default:
		return "a section"
	}
}

// scalarText is a value in its one canonical form.
func scalarText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int64, reflect.Int32:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Float64, reflect.Float32:
		s := strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
		if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
			return mantissa + ".0e" + exponent // YAML 1.1, which Python reads, takes 1e-06 for a text
		}
		return s
	case reflect.String:
		return quote(v.String())
	default:
		panic(fmt.Sprintf("strict: a config cannot hold a %s", v.Type()))
	}
}

// quote writes a text so that every YAML reader gets it back as this text.
func quote(s string) string {
	if !plainText.MatchString(s) || floatText.MatchString(s) {
		return strconv.Quote(s)
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan":
		return strconv.Quote(s)
	}
	return s
}
