package embedding

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"clr/internal/fault"
)

// labels is the array of a .npz file that a manifest calls label.
const labelArray = "y"

// aboutArray is one text, an About in JSON.
const aboutArray = "about"

// mostArrays is how many arrays a .npz file of embeddings may have.
const mostArrays = 1000

// readNPZ reads the embeddings x, and as columns all arrays that have a value
// for each. Others, which may be anything, are passed over.
func readNPZ(in *source) (*Table, error) {
	arrays, err := arraysOf(in)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: Columns{}}
	if err := inArray(arrays["x"], func(r io.Reader) error {
		h, err := readHeader(r)
		if err != nil {
			return err
		}
		return t.values(in, h, r)
	}); err != nil {
		return nil, fmt.Errorf("x: %w", err)
	}
	return t, t.arrays(in, arrays, func(string) bool { return true })
}

// arraysOf are the arrays in the file, x among them.
func arraysOf(in *source) (map[string]*zip.File, error) {
	z, err := zip.NewReader(in, in.size)
	if err != nil {
		return nil, err
	}
	if len(z.File) > mostArrays {
		return nil, fmt.Errorf("it has %d files in it, more than %d", len(z.File), mostArrays)
	}
	arrays := map[string]*zip.File{}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if arrays[name] != nil {
			return nil, fmt.Errorf("it has two arrays %.40q", name)
		}
		arrays[name] = f
	}
	if arrays["x"] == nil {
		return nil, fault.New(fault.Data, "save the embeddings as x: numpy.savez(file, x=embeddings, y=labels)", "it has no array x, it has %.200s", strings.Join(slices.Sorted(maps.Keys(arrays)), ", "))
	}
	return arrays, nil
}

// arrays reads the columns that are wanted.
func (t *Table) arrays(in *source, arrays map[string]*zip.File, wanted func(column string) bool) error {
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		if name == "x" {
			continue
		}
		column := name
		if name == labelArray {
			if column = "label"; arrays[column] != nil {
				return errors.New("it has labels twice, as y and as label")
			}
		}
		if !wanted(column) {
			continue
		}
		if err := inArray(arrays[name], func(r io.Reader) error { return t.column(in, column, r) }); err != nil {
			return fmt.Errorf("%.40s: %w", name, err)
		}
	}
	return nil
}

// errPassed ends the reading of an array that is no column.
var errPassed = errors.New("passed over")

// inArray reads an array to its end, where its checksum is.
func inArray(f *zip.File, read func(io.Reader) error) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b := bufio.NewReaderSize(r, chunk)
	if err := read(b); err == errPassed {
		return nil
	} else if err != nil {
		return err
	}
	switch _, err := b.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("its file is longer than its values")
	default:
		return err
	}
}

// meant are the columns that have a meaning: an array of that name that is none
// is refused.
var meant = []string{"path", "label", "start", "end", "fold", "split", "group"}

// column reads an array of one value for each embedding.
func (t *Table) column(in *source, name string, r io.Reader) error {
	h, err := readHeader(r)
	isMeant := slices.Contains(meant, name)
	switch {
	case !isMeant && (err != nil || len(h.shape) != 1 || h.n != t.N):
		return errPassed
	case err != nil:
		return err
	case len(h.shape) != 1 || h.n != t.N:
		return fault.New(fault.Data, "save one value for each embedding", "it is of shape %v, and there are %d embeddings", h.shape, t.N)
	}
	if err := in.take(int64(h.n), int64(h.width)); err != nil {
		return err
	}
	values := make([]string, 0, h.n)
	seen := map[string]string{} // labels are few, and each is kept once
	err = h.each(r, func(b []byte) {
		s := h.text(b)
		if one, ok := seen[s]; ok {
			s = one
		} else if len(seen) < 1000 {
			seen[s] = s
		}
		values = append(values, s)
	})
	t.Columns[name] = values
	return err
}

// An npz writes a .npz file: x first, then the columns, nothing compressed.
type npz struct {
	rows
	z       *zip.Writer
	x       io.Writer
	columns Columns
	about   About
}

func newNPZ(w io.Writer, n, d int, columns Columns, about About) (*npz, error) {
	z := zip.NewWriter(w)
	for _, name := range []string{"x", labelArray, aboutArray} {
		if columns[name] != nil && (name != aboutArray || len(about) > 0) {
			return nil, fault.New(fault.Usage, "rename the manifest's column, or use another format", "a column is named %s, which means something else in a .npz file", name)
		}
	}
	x, err := z.CreateHeader(&zip.FileHeader{Name: "x.npy"})
	if err == nil {
		err = writeHeader(x, "<f4", n, d)
	}
	return &npz{rows{n, d}, z, x, columns, about}, err
}

func (p *npz) Write(x []float32) error {
	if err := p.add(x); err != nil {
		return err
	}
	return writeFloats(p.x, x)
}

func (p *npz) Close() error {
	if err := p.done(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.columns)) {
		array := name
		if name == "label" {
			array = labelArray
		}
		w, err := p.z.CreateHeader(&zip.FileHeader{Name: array + ".npy"})
		if err == nil {
			err = writeColumn(w, kindOf(name, p.columns[name]), p.columns[name])
		}
		if err != nil {
			return err
		}
	}
	if len(p.about) > 0 {
		if err := p.writeAbout(); err != nil {
			return err
		}
	}
	return p.z.Close()
}

// writeAbout writes what is known about the table as one text in JSON, which is no
// column.
func (p *npz) writeAbout() error {
	w, err := p.z.CreateHeader(&zip.FileHeader{Name: aboutArray + ".npy"})
	if err != nil {
		return err
	}
	text, err := json.Marshal(p.about) // sorts the keys
	if err != nil {
		return err
	}
	if err := writeHeader(w, "<U"+strconv.Itoa(utf8.RuneCount(text))); err != nil {
		return err
	}
	var b []byte
	for _, letter := range string(text) {
		b = binary.LittleEndian.AppendUint32(b, uint32(letter))
	}
	_, err = w.Write(b)
	return err
}

// writeColumn writes a column as an array: <i8, <f8 or the narrowest <U.
func writeColumn(to io.Writer, k kind, values []string) error {
	w := bufio.NewWriterSize(to, chunk)
	descr, letters := map[kind]string{integers: "<i8", reals: "<f8"}[k], 0
	if k == texts {
		for _, v := range values {
			letters = max(letters, utf8.RuneCountInString(v))
		}
		letters = max(letters, 1)
		descr = "<U" + strconv.Itoa(letters)
	}
	if err := writeHeader(w, descr, len(values)); err != nil {
		return err
	}
	var b []byte
	for _, v := range values {
		b = b[:0]
		switch k {
		case integers, reals:
			b = k.appendNumber(b, v)
		default:
			for _, letter := range v {
				b = binary.LittleEndian.AppendUint32(b, uint32(letter))
			}
			b = append(b, make([]byte, 4*letters-len(b))...)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return w.Flush()
}
