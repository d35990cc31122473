package tfevents

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// An event as it was read.
type read struct {
	wall    float64
	step    uint64
	version string
	scalars []Scalar
}

// readAll reads a file by Google's reader of wire format.
func readAll(t *testing.T, b []byte) (all []read) {
	t.Helper()
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		if c := binary.LittleEndian.Uint32(b[8:]); c != masked(b[:8]) {
			t.Fatalf("the length's checksum is %x", c)
		}
		data := b[12 : 12+n]
		if c := binary.LittleEndian.Uint32(b[12+n:]); c != masked(data) {
			t.Fatalf("the event's checksum is %x", c)
		}
		b = b[16+n:]
		var e read
		fields(t, data, func(field protowire.Number, v []byte) {
			switch field {
			case 1:
				bits, _ := protowire.ConsumeFixed64(v)
				e.wall = math.Float64frombits(bits)
			case 2:
				e.step, _ = protowire.ConsumeVarint(v)
			case 3:
				s, _ := protowire.ConsumeString(v)
				e.version = s
			case 5:
				summary, _ := protowire.ConsumeBytes(v)
				fields(t, summary, func(_ protowire.Number, v []byte) {
					value, _ := protowire.ConsumeBytes(v)
					var s Scalar
					fields(t, value, func(field protowire.Number, v []byte) {
						if field == 1 {
							s.Tag, _ = protowire.ConsumeString(v)
							return
						}
						bits, _ := protowire.ConsumeFixed32(v)
						s.Value = float64(math.Float32frombits(bits))
					})
					e.scalars = append(e.scalars, s)
				})
			}
		})
		all = append(all, e)
	}
	return all
}

func fields(t *testing.T, b []byte, each func(protowire.Number, []byte)) {
	t.Helper()
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(field, kind, b)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		each(field, b[:size])
		b = b[size:]
	}
}

func TestReadBack(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, 1.7e9)
	err = errors.Join(err, w.Write(1.7e9+0.25, 0, Scalar{"train/loss", 2.5}, Scalar{"train/größe", -0.125}),
		w.Write(1.7e9+300, 1<<40, Scalar{"train/loss", math.Inf(1)}), w.Write(0, 7))
	if err != nil {
		t.Fatal(err)
	}
	if head := hex.EncodeToString(b.Bytes()[:12]); head != "1800000000000000a37f4b22" {
		t.Errorf("it begins with %s", head)
	}
	want := []read{{1.7e9, 0, version, nil}, {1.7e9 + 0.25, 0, "", []Scalar{{"train/loss", 2.5}, {"train/größe", -0.125}}},
		{1.7e9 + 300, 1 << 40, "", []Scalar{{"train/loss", math.Inf(1)}}}, {0, 7, "", nil}}
	if got := readAll(t, b.Bytes()); !slices.EqualFunc(got, want, func(a, b read) bool {
		return a.wall == b.wall && a.step == b.step && a.version == b.version && slices.Equal(a.scalars, b.scalars)
	}) {
		t.Errorf("%+v", got)
	}
}

// The checksum is the Castagnoli one (RFC 3720, B.4), masked: a record of 24
// bytes, as TensorFlow's files begin with, has this head.
func TestChecksum(t *testing.T) {
	if got := hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, masked([]byte{24, 0, 0, 0, 0, 0, 0, 0}))); got != "a37f4b22" {
		t.Errorf("%s", got)
	}
	unmasked := masked(make([]byte, 32)) - 0xa282ead8
	if got := unmasked>>17 | unmasked<<15; got != 0x8a9136aa {
		t.Errorf("of 32 zeros: %x", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestErrorsAreTold(t *testing.T) {
	w, err := NewWriter(broken{}, 0)
	if err == nil || w.Write(0, 0) == nil {
		t.Error("a failed write is not told")
	}
}
