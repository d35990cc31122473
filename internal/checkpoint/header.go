package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The layout (github.com/huggingface/safetensors): the header's length as a
// little-endian u64; the header, a JSON object that names each tensor's dtype,
// shape and place in the data, and under __metadata__ strings; the data.
const (
	metadataKey = "__metadata__"
	maxHeader   = 100_000_000 // the same bound as the reference implementation

	// sumPrefix starts the metadata keys of checksums: "crc32c" is the one of
	// the header, "crc32c:NAME" the one of a tensor's bytes.
	sumPrefix = "crc32c"
	noSum     = "00000000" // stands in the header while its own checksum is taken
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An entry is what the header says about one tensor.
type entry struct {
	Name    string    `json:"-"`
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"` // [from, to) in bytes, from the end of the header
}

// encodeHeader renders the length and the header, keys sorted and padded with
// blanks to a multiple of 8, so that equal content is equal bytes and the data
// is aligned.
func encodeHeader(entries []entry, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	put := func(v any) error { // Encode ends with a newline, which goes
		if err := enc.Encode(v); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1)
		return nil
	}
	sep := byte('{')
	pair := func(key string, v any) error {
		b.WriteByte(sep)
		sep = ','
		if !utf8.ValidString(key) {
			return fmt.Errorf("checkpoint: the name %q is not valid UTF-8", key)
		}
		if err := put(key); err != nil {
			return err
		}
		b.WriteByte(':')
		return put(v)
	}
	if len(meta) > 0 {
		for k, v := range meta {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("checkpoint: the metadata %q is not valid UTF-8", k)
			}
		}
		if err := pair(metadataKey, meta); err != nil { // encoding/json sorts the keys of maps
			return nil, err
		}
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range entries {
		if e.Shape == nil {
			e.Shape = []int{}
		}
		if err := pair(e.Name, e); err != nil {
			return nil, err
		}
	}
	if sep == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader {
		return nil, fmt.Errorf("checkpoint: the header would take %d bytes, at most %d are allowed", b.Len()-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// sealMark is how the header's own checksum stands in the header's bytes.
// Tensors and metadata cannot contain it: JSON would escape its quotes.
const sealMark = `"` + sumPrefix + `":"`

// seal puts the checksum of a header, length included, into its place. The
// checksum is taken with zeros there.
func seal(header []byte) {
	at := sealAt(header)
	copy(header[at:], fmt.Sprintf("%08x", crc32.Checksum(header, castagnoli)))
}

// sealed tells whether the header carries a checksum, and whether it is right.
func sealed(header []byte) (present, right bool) {
	at := sealAt(header)
	if at < 0 {
		return false, false
	}
	got := string(header[at : at+len(noSum)])
	sum := crc32.Checksum(header[:at], castagnoli)
	sum = crc32.Update(sum, castagnoli, []byte(noSum))
	sum = crc32.Update(sum, castagnoli, header[at+len(noSum):])
	return true, got == fmt.Sprintf("%08x", sum)
}

// sealAt is where the checksum's digits start, or -1.
func sealAt(header []byte) int {
	at := bytes.Index(header, []byte(sealMark))
	if at < 0 || at+len(sealMark)+len(noSum) > len(header) {
		return -1
	}
	return at + len(sealMark)
}

// decodeHeader parses the JSON of a header and checks all it claims against
// size, the number of bytes of data that there are. The entries come back in
// the order of their data.
func decodeHeader(text []byte, size uint64) ([]entry, map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("the header is not a JSON object")
	}
	var entries []entry
	var meta map[string]string
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("the header is not valid JSON: %w", err)
		}
		name := t.(string) // the decoder lets nothing else stand for a key
		if seen[name] {
			return nil, nil, fmt.Errorf("the header names %q twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			if err := d.Decode(&meta); err != nil {
				return nil, nil, fmt.Errorf("the metadata is not a JSON object of strings: %w", err)
			}
			continue
		}
		e := entry{Name: name}
		if err := d.Decode(&e); err != nil {
			return nil, nil, fmt.Errorf("the header's entry of %q: %w", name, err)
		}
		entries = append(entries, e)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("the header is not valid JSON: %w", err)
	}
	if rest := bytes.TrimRight(text[d.InputOffset():], " "); len(rest) > 0 {
		return nil, nil, fmt.Errorf("the header goes on after its JSON object")
	}
	return entries, meta, place(entries, size)
}

// place sorts entries by their data and checks that they fill it exactly: no
// overlap, no hole, nothing beyond the end, each as long as its shape says.
func place(entries []entry, size uint64) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		for i := range a.Offsets {
			if a.Offsets[i] != b.Offsets[i] {
				if a.Offsets[i] < b.Offsets[i] {
					return -1
				}
				return 1
			}
		}
		return strings.Compare(a.Name, b.Name)
	})
	end := uint64(0)
	for _, e := range entries {
		width, ok := widths[e.DType]
		if !ok {
			return fmt.Errorf("%q has dtype %q, known are %s: convert it", e.Name, e.DType, strings.Join(slices.Sorted(maps.Keys(widths)), ", "))
		}
		from, to := e.Offsets[0], e.Offsets[1]
		if from != end || to < from {
			return fmt.Errorf("%q has the bytes %d to %d, they should start at %d", e.Name, from, to, end)
		}
		if to > size {
			return fmt.Errorf("%q ends at byte %d of the data, there are %d: the file is truncated", e.Name, to, size)
		}
		n := width
		if slices.Contains(e.Shape, 0) {
			n = 0
		}
		for _, d := range e.Shape {
			// No partial product may pass what there is, so none overflows.
			if d < 0 || n > 0 && n > (to-from)/uint64(d) {
				return fmt.Errorf("%q has shape %v of %s, which is not %d bytes", e.Name, e.Shape, e.DType, to-from)
			}
			n *= uint64(d)
		}
		if n != to-from {
			return fmt.Errorf("%q has shape %v of %s, which is not %d bytes", e.Name, e.Shape, e.DType, to-from)
		}
		end = to
	}
	if end != size {
		return fmt.Errorf("the header describes %d bytes of data, there are %d", end, size)
	}
	return nil
}

// writeSealed is WriteSafetensors plus the checksum of the header.
func writeSealed(w io.Writer, tensors []Tensor, meta map[string]string) error {
	meta[sumPrefix] = noSum
	return write(w, tensors, meta, seal)
}
