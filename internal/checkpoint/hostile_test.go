package checkpoint

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// refused requires an error that a scheduler and a person can act on.
func refused(t *testing.T, what, path string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: loaded", what)
	}
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), path) {
		t.Fatalf("%s: kind %v, remedy %q: %v", what, fault.KindOf(err), fault.Remedy(err), err)
	}
}

func TestTruncated(t *testing.T) {
	path := save(t, example())
	whole := read(t, path)
	for n := 0; n < len(whole); n += min(64, max(1, len(whole)-1-n)) {
		put(t, path, whole[:n])
		_, err := Load(path)
		refused(t, "truncated", path, err)
	}
	// One of many blocks, cut after each.
	large := &Checkpoint{Arrays: map[string]kernel.Array{"a": kernel.New(50_000), "b": kernel.New(7, 1111)}}
	path = save(t, large)
	whole = read(t, path)
	for n := 0; n < len(whole); n += 4096 {
		put(t, path, whole[:n])
		_, err := Load(path)
		refused(t, "truncated", path, err)
	}
	put(t, path, append(slices.Clone(whole), 0))
	_, err := Load(path)
	refused(t, "longer", path, err)
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	whole := read(t, save(t, example()))
	for i := range whole {
		for bit := range 8 {
			whole[i] ^= 1 << bit
			_, err := scan("file", bytes.NewReader(whole), uint64(len(whole)), true, nil)
			refused(t, "flipped", "file", err)
			whole[i] ^= 1 << bit
		}
	}
}

func TestDamagedArrayIsNamed(t *testing.T) {
	path := save(t, &Checkpoint{Arrays: map[string]kernel.Array{"queue": kernel.New(40000), "head": kernel.New(1)}})
	b := read(t, path)
	b[len(b)-1] ^= 1
	put(t, path, b)
	_, err := Load(path)
	refused(t, "flipped", path, err)
	if !strings.Contains(err.Error(), "array queue has checksum") {
		t.Errorf("%v does not name the array", err)
	}
}

// file renders a header over size bytes of zeros.
func file(header string, size int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, size)...)
}

func TestHostile(t *testing.T) {
	big := binary.LittleEndian.AppendUint64(nil, 1<<62)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":          {nil, "too few"},
		"huge header":      {append(big, "{}"...), "claims 4611686018427387904 bytes"},
		"negative header":  {bytes.Repeat([]byte{255}, 16), "claims"},
		"not JSON":         {file(`hello, world`, 0), "not a JSON object"},
		"array":            {file(`[1]`, 0), "not a JSON object"},
		"unclosed":         {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, 4), "not valid JSON"},
		"two objects":      {file(`{}{}`, 0), "goes on"},
		"trailing newline": {file("{}\n", 0), "goes on"},
		"dtype":            {file(`{"a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}`, 4), `"I16", known are BF16, F16, F32, F64, I64`},
		"wrong F16":        {file(`{"a":{"dtype":"F16","shape":[3],"data_offsets":[0,4]}}`, 4), "not 4 bytes"},
		"wrong F64":        {file(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,4]}}`, 4), "shape [1] of F64"},
		"no dtype":         {file(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4), `dtype ""`},
		"not an object":    {file(`{"a":7}`, 4), `entry of "a"`},
		"shape of floats":  {file(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 4), `entry of "a"`},
		"negative shape":   {file(`{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, 4), "shape [-1 -1]"},
		"overflow":         {file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,1],"data_offsets":[0,0]}}`, 0), "shape"},
		"overflow to size": {file(`{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}`, 4), "shape"},
		"wrong length":     {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "not 4 bytes"},
		"wrong I64":        {file(`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,4]}}`, 4), "shape"},
		"beyond the end":   {file(`{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}`, 4), "there are 4"},
		"backwards":        {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "bytes 4 to 0"},
		"hole":             {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "start at 0"},
		"overlap":          {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "start at 8"},
		"same place":       {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "start at 4"},
		"more data":        {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8), "there are 8"},
		"named twice":      {file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), "twice"},
		"three offsets":    {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,4]}}`, 4), `entry of "a"`},
		"metadata":         {file(`{"__metadata__":{"a":1}}`, 0), "object of strings"},
		"false checksum":   {file(`{"__metadata__":{"crc32c":"00000000"}}`, 0), "checksum"},
		"cut checksum":     {file(`{"__metadata__":{"crc32c":"000`, 0), "JSON"},
		"array checksum":   {file(`{"__metadata__":{"crc32c:a":"00000000"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "array a has checksum 48674bc7"},
	} {
		path := filepath.Join(t.TempDir(), "hostile.safetensors")
		put(t, path, c.b)
		_, _, err := LoadTensors(path)
		refused(t, name, path, err)
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not say %q", name, err, c.want)
		}
		_, err = Load(path)
		refused(t, name, path, err)
	}
}

// What a small file claims must not cost memory.
func TestClaimsCostNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claim.safetensors")
	for _, b := range [][]byte{
		append(binary.LittleEndian.AppendUint64(nil, 99_000_000), make([]byte, 100)...),
		file(`{"a":{"dtype":"F32","shape":[250000000],"data_offsets":[0,1000000000]}}`, 64),
	} {
		put(t, path, b)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := LoadTensors(path)
		runtime.ReadMemStats(&after)
		refused(t, "claim", path, err)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<18 {
			t.Errorf("%v: took %d bytes", err, taken)
		}
	}
}
