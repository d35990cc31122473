package health

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/kernel"
)

// references are arrays that other programs computed; see
// testdata/reference/README.md.
const references = "../../testdata/reference"

type referenceFile struct {
	File      string
	Shape     []int
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
	}
}

type referenceCase struct {
	Name   string
	Params struct {
		K           int
		Temperature float64 `json:"vote_temperature"`
	}
	Inputs, Outputs map[string]referenceFile
}

func reference(t *testing.T, group, name string) referenceCase {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(references, group, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []referenceCase }
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cases {
		if c.Name == group+"/"+name {
			return c
		}
	}
	t.Fatalf("no reference case %s/%s", group, name)
	return referenceCase{}
}

// values reads an npy file of float32, float64 or int64.
func (f referenceFile) values(t *testing.T) []float64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(references, f.File))
	if err != nil {
		t.Fatal(err)
	}
	body := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	header, b := string(b[:body]), b[body:]
	var x []float64
	for le := binary.LittleEndian; len(b) > 0; {
		switch {
		case strings.Contains(header, "<f4"):
			x, b = append(x, float64(math.Float32frombits(le.Uint32(b)))), b[4:]
		case strings.Contains(header, "<f8"):
			x, b = append(x, math.Float64frombits(le.Uint64(b))), b[8:]
		case strings.Contains(header, "<i8"):
			x, b = append(x, float64(int64(le.Uint64(b)))), b[8:]
		default:
			t.Fatalf("%s: cannot read its header", f.File)
		}
	}
	return x
}

func (f referenceFile) array(t *testing.T) kernel.Array {
	a := kernel.New(f.Shape...)
	for i, v := range f.values(t) {
		a.Data[i] = float32(v)
	}
	return a
}

func (f referenceFile) labels(t *testing.T) (labels []int) {
	for _, v := range f.values(t) {
		labels = append(labels, int(v))
	}
	return labels
}

func (f referenceFile) compare(t *testing.T, what string, got float64) {
	t.Helper()
	if want := f.values(t)[0]; !(math.Abs(got-want) <= f.Tolerance.MaxAbs) {
		t.Errorf("%s is %v, PyTorch's is %v (allowed %g)", what, got, want, f.Tolerance.MaxAbs)
	}
}

// The reference's uniformity is of one view, ours the mean of the two.
func TestAlignmentAndUniformityReference(t *testing.T) {
	c := reference(t, "losses", "alignment_uniformity")
	a, b := c.Inputs["a"].array(t), c.Inputs["b"].array(t)
	n, p := a.Shape[0], a.Shape[1]
	pair := func(x, y kernel.Array) Report {
		return Measure(kernel.Array{Shape: []int{2 * n, p}, Data: append(append([]float32{}, x.Data...), y.Data...)})
	}
	c.Outputs["alignment"].compare(t, "alignment", pair(a, b).Alignment)
	c.Outputs["uniformity"].compare(t, "uniformity", pair(a, a).Uniformity)
	near(t, "uniformity of both", pair(a, b).Uniformity, (pair(a, a).Uniformity+pair(b, b).Uniformity)/2)
}

func TestKNNReference(t *testing.T) {
	c := reference(t, "metrics", "knn")
	train := Labelled{X: c.Inputs["train"].array(t), Labels: c.Inputs["train_labels"].labels(t)}
	test := Labelled{X: c.Inputs["test"].array(t), Labels: c.Inputs["test_labels"].labels(t)}
	accuracy, err := KNN(train, test, c.Params.K, c.Params.Temperature)
	if err != nil {
		t.Fatal(err)
	}
	c.Outputs["accuracy"].compare(t, "accuracy", accuracy)
	want := c.Outputs["predictions"].labels(t)
	for i, got := range newVoters(train).classify(test, c.Params.K, c.Params.Temperature) {
		if got != want[i] {
			t.Errorf("query %d is of class %d, want %d", i, got, want[i])
		}
	}
}
