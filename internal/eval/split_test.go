package eval

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

func TestNaturalOrder(t *testing.T) {
	want := []string{"", "7", "07", "9", "10", "fold1", "fold2", "fold10", "fold10a", "fold11", "george", "lucas2b", "lucas10", "lucasb"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, natural)
	if !slices.Equal(got, []string{"", "07", "7", "9", "10", "fold1", "fold2", "fold10", "fold10a", "fold11", "george", "lucas2b", "lucas10", "lucasb"}) {
		t.Errorf("%q", got)
	}
	if d := distinct([]string{"b", "a10", "a9", "b"}); !slices.Equal(d, []string{"a9", "a10", "b"}) {
		t.Error(d)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"george", "jackson", "lucas"}
	for typed, want := range map[string]string{"gorge": "george", "Lucas": "lucas", "jacksno": "jackson", "theo": "", "x": ""} {
		if got := nearest(typed, known); got != want {
			t.Errorf("%s: %q, want %q", typed, got, want)
		}
	}
	if d := distance("kitten", "sitting"); d != 3 {
		t.Error(d)
	}
}

func TestGivenSplit(t *testing.T) {
	got, err := Splits([]string{"train", "test", "valid", "Training", "dev", "test", "validation", "val"}, SplitOptions{})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	s := got[0]
	if fmt.Sprint(s.Train, s.Valid, s.Test, s.Groups) != "[0 3] [2 4 6 7] [1 5] []" {
		t.Errorf("%+v", s)
	}
}

func TestLeaveOneOut(t *testing.T) {
	values := []string{"10", "9", "9", "2", "10"}
	got, err := Splits(values, SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Split{
		{Name: "2", Train: []int{0, 1, 2, 4}, Test: []int{3}, Groups: []string{"10", "9", "9", "10"}},
		{Name: "9", Train: []int{0, 3, 4}, Test: []int{1, 2}, Groups: []string{"10", "2", "10"}},
		{Name: "10", Train: []int{1, 2, 3}, Test: []int{0, 4}, Groups: []string{"9", "9", "2"}},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
}

func TestHoldout(t *testing.T) {
	values := []string{"a", "b", "c", "d", "a"}
	got, err := Splits(values, SplitOptions{By: "speaker", Holdout: []string{"d", "a", "d"}})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if s := got[0]; s.Name != "a+d" || fmt.Sprint(s.Train, s.Test, s.Groups) != "[1 2] [0 3 4] [b c]" {
		t.Errorf("%+v", s)
	}
}

func TestSplitsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		values []string
		o      SplitOptions
		kind   fault.Kind
		says   string
		remedy string
	}{
		{nil, SplitOptions{}, fault.Data, "no clips to divide by split", ""},
		{[]string{"train", ""}, SplitOptions{}, fault.Data, "clip 1 has no value in column split", "fill in"},
		{[]string{"train", "tset"}, SplitOptions{}, fault.Data, "clip 1 has the split tset", "train, valid"},
		{[]string{"train", "valid"}, SplitOptions{}, fault.Data, "1 train, 1 valid and 0 test", "mark"},
		{[]string{"test"}, SplitOptions{}, fault.Data, "0 train", "mark"},
		{[]string{"1", "1"}, SplitOptions{By: "fold"}, fault.Data, "the one value 1", "more values"},
		{[]string{"train", "test"}, SplitOptions{Holdout: []string{"x"}}, fault.Usage, `by is ""`, "speaker"},
		{[]string{"george", "lucas"}, SplitOptions{By: "speaker", Holdout: []string{"gorge"}}, fault.Usage, "gorge, which is not a value of column speaker", "did you mean george? its values are george, lucas"},
		{[]string{"a", "b"}, SplitOptions{By: "speaker", Holdout: []string{"a", "b"}}, fault.Usage, "all 2 values", "fewer"},
	} {
		_, err := Splits(c.values, c.o)
		expect(t, err, c.kind, c.says, c.remedy)
	}
}

func expect(t *testing.T, err error, kind fault.Kind, says, remedy string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %q", says)
		return
	}
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), says) || !strings.Contains(fault.Remedy(err), remedy) {
		t.Errorf("kind %d %q (%q), want kind %d %q (%q)", fault.KindOf(err), err, fault.Remedy(err), kind, says, remedy)
	}
}

func TestColumn(t *testing.T) {
	columns := []string{"path", "label", "speaker", "fold"}
	if by, err := (SplitOptions{By: "fold"}).Column(columns); by != "fold" || err != nil {
		t.Error(by, err)
	}
	if by, err := (SplitOptions{}).Column([]string{"path", "split"}); by != "split" || err != nil {
		t.Error(by, err)
	}
	_, err := SplitOptions{}.Column(columns)
	expect(t, err, fault.Usage, "no split column and by is empty", "path, label, speaker, fold")
	_, err = SplitOptions{By: "speakers"}.Column(columns)
	expect(t, err, fault.Usage, "no column speakers", "did you mean speaker?")
}

func TestSplitCheck(t *testing.T) {
	set := blobs(9, 2, 3, 1, 0, 1) // labels 0 1 2 0 1 2 0 1 2
	set.Names = []string{"a.wav", "b.wav", "c.wav", "d.wav", "e.wav", "f.wav", "g.wav", "h.wav", "i.wav"}
	if err := (Split{Name: "x", Train: []int{0, 1, 2}, Valid: []int{3}, Test: []int{4, 5}}).Check(set); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		s    Split
		kind fault.Kind
		says string
	}{
		{Split{Name: "x", Train: []int{0}}, fault.Data, "1 training and 0 test"},
		{Split{Name: "x", Test: []int{0}}, fault.Data, "0 training and 1 test"},
		{Split{Name: "x", Train: []int{0, 1}, Test: []int{3, 1}}, fault.Data, "b.wav among its training and its test"},
		{Split{Name: "x", Train: []int{0, 1}, Valid: []int{3}, Test: []int{3}}, fault.Data, "d.wav among its validation and its test"},
		{Split{Name: "x", Train: []int{0, 3, 6}, Test: []int{1}}, fault.Data, "all 3 training clips of split x are of class c0"},
		{Split{Name: "x", Train: []int{0, 1}, Test: []int{3, 2}}, fault.Data, "test clips of class c2, but no training clip"},
		{Split{Name: "x", Train: []int{0, 1}, Valid: []int{2}, Test: []int{3}}, fault.Data, "validation clips of class c2"},
		{Split{Name: "x", Train: []int{0, 1}, Test: []int{9}}, fault.Usage, "clip 9 of 9"},
		{Split{Name: "x", Train: []int{0, 1}, Test: []int{3}, Groups: []string{"a"}}, fault.Usage, "1 groups for 2"},
	} {
		expect(t, c.s.Check(set), c.kind, c.says, "")
	}
}

func TestEncode(t *testing.T) {
	classes, index, err := Encode([]string{"10", "dog", "9", "dog"}, nil)
	if err != nil || fmt.Sprint(classes, index) != "[9 10 dog] [1 2 0 2]" {
		t.Error(classes, index, err)
	}
	_, _, err = Encode([]string{"dog", ""}, []string{"a.wav", "b.wav"})
	expect(t, err, fault.Data, "b.wav has no label", "")
	_, _, err = Encode([]string{"dog", "cat;dog"}, nil)
	expect(t, err, fault.Data, "row 1 has several labels: cat;dog", "one class")
}
