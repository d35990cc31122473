package audio

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"clr/internal/fault"
)

// extraction counts the changes of what features come out of equal settings;
// a change here makes all stores anew.
const extraction = 2

// settingsOf writes a feature's settings as JSON, each under the name it has in
// a config, in the order of the struct: equal settings are equal bytes. A preset
// is the feature that it embeds.
func settingsOf(o FeatureOptions, rate int) (string, error) {
	v := embedded(reflect.Indirect(reflect.ValueOf(o)))
	b, err := settingsJSON(v)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`{"extraction":%d,"feature":%q,"options":%s,"sample_rate":%d}`, extraction, v.Type().Name(), b, rate), nil
}

// embedded is the struct that v takes its settings from.
func embedded(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Struct && v.NumField() == 1 && v.Type().Field(0).Anonymous {
		v = v.Field(0)
	}
	return v
}

func settingsJSON(v reflect.Value) (string, error) {
	var fields []string
	if v.Kind() == reflect.Interface { // a feature in another's options
		v = embedded(reflect.Indirect(v.Elem()))
		fields = append(fields, fmt.Sprintf(`"feature":%q`, v.Type().Name()))
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Interface {
		for i := range v.Len() {
			of, err := settingsJSON(v.Index(i))
			if err != nil {
				return "", err
			}
			fields = append(fields, of)
		}
		return "[" + strings.Join(fields, ",") + "]", nil
	}
	if v.Kind() != reflect.Struct {
		b, err := json.Marshal(v.Interface())
		return string(b), err
	}
	fields, err := settingsFields(fields, v)
	return "{" + strings.Join(fields, ",") + "}", err
}

// settingsFields appends the settings of a struct; one embedded in it gives its
// own in their place.
func settingsFields(fields []string, v reflect.Value) ([]string, error) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			var err error
			if fields, err = settingsFields(fields, v.Field(i)); err != nil {
				return nil, err
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" {
			panic("audio: option " + f.Name + " of " + v.Type().Name() + " has no yaml tag")
		}
		value, err := settingsJSON(v.Field(i))
		if err != nil {
			return nil, fmt.Errorf("feature.%s: %w", name, err)
		}
		fields = append(fields, fmt.Sprintf("%q:%s", name, value))
	}
	return fields, nil
}

// differences lists what two settings differ in, "n_fft is 512 in the store, 1024 here".
func differences(store, here string) ([]string, error) {
	var a, b any
	for _, s := range []struct {
		text string
		into *any
	}{{store, &a}, {here, &b}} {
		if err := json.Unmarshal([]byte(s.text), s.into); err != nil {
			return nil, fault.New(fault.Data, "", "settings %.200q: %w", s.text, err)
		}
	}
	in, now := map[string]string{}, map[string]string{}
	flatten("", a, in)
	flatten("", b, now)
	all := maps.Clone(in)
	maps.Copy(all, now)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if in[name] != now[name] {
			out = append(out, fmt.Sprintf("%s is %s in the store, %s here", name, cmp.Or(in[name], "not set"), cmp.Or(now[name], "not set")))
		}
	}
	return out, nil
}

func flatten(name string, v any, into map[string]string) {
	m, ok := v.(map[string]any)
	if !ok {
		into[name] = fmt.Sprint(v)
		return
	}
	for k, x := range m {
		flatten(strings.TrimPrefix(strings.TrimPrefix(name+"."+k, "."), "options."), x, into)
	}
}
