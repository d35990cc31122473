package audio

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"clr/internal/fault"
)

// The zoo of odd and broken files: see shared/data/wavzoo/README.md.
func TestWavZoo(t *testing.T) {
	dir := sharedFolder(t, "data/wavzoo")
	b, err := os.ReadFile(filepath.Join(dir, "manifest.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	read := 0
	for _, row := range rows[1:] {
		name, expect := row[0], row[3]
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rec, err := Decode(bytes.NewReader(data), name)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
			t.Errorf("%s: %d bytes allocated for %d of file", name, used, len(data))
		}
		if err != nil {
			t.Logf("%s: %v", expect, err)
			switch {
			case expect == "decode":
				t.Errorf("%s must be read: %v", name, err)
			case expect == "optional" && row[7] != "gsm610" && row[7] != "pcm_s24_in_4":
				t.Errorf("%s is of an encoding that is read: %v", name, err)
			case expect == "optional" && !strings.Contains(err.Error(), "not supported"):
				t.Errorf("%s: error %q does not name what is not supported", name, err)
			}
			if fault.KindOf(err) != fault.Data || !strings.HasPrefix(err.Error(), name+": ") || fault.Remedy(err) == "" {
				t.Errorf("%s: error %q of kind %d with remedy %q", name, err, fault.KindOf(err), fault.Remedy(err))
			}
			continue
		}
		read++
		if expect == "reject" {
			t.Errorf("%s must be refused, gave %d samples", name, len(rec.Samples))
			continue
		}
		if info, err := inspect(context.Background(), bytes.NewReader(data), name); err != nil || info.Encoding != row[7] {
			t.Errorf("%s: encoding %q, want %q: %v", name, info.Encoding, row[7], err)
		}
		channels, rate := int(number(row[4])), int(number(row[5]))
		if rec.Channels != channels || rec.Rate != rate {
			t.Errorf("%s: %d channels at %d Hz, want %d at %d", name, rec.Channels, rec.Rate, channels, rate)
		}
		if row[6] == "" && expect == "optional" { // readers differ
			continue
		}
		if row[6] == "" || len(rec.Samples) != channels*int(number(row[6])) {
			t.Errorf("%s: %d samples of %d channels, want %s frames", name, len(rec.Samples), rec.Channels, row[6])
		}
		if row[8] == "" {
			continue
		}
		peak, sum := 0.0, 0.0
		for _, v := range rec.Samples {
			peak = max(peak, math.Abs(float64(v)))
			sum += float64(v) * float64(v)
		}
		rms := math.Sqrt(sum / float64(len(rec.Samples)))
		if want := number(row[8]); math.Abs(peak-want) > 1e-6*max(1, want) {
			t.Errorf("%s: peak %v, want %v", name, peak, want)
		}
		if want := number(row[9]); math.Abs(rms-want) > 1e-6*max(1, want) {
			t.Errorf("%s: rms %v, want %v", name, rms, want)
		}
	}
	t.Logf("%d of %d read", read, len(rows)-1)
}
