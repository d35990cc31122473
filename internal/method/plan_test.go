package method

import (
	"slices"
	"testing"

	"clr/internal/model"
	"clr/internal/op"
	"clr/internal/optim"
)

// What Draft tells of every method is what New takes, and Draft takes none of it.
func TestDraft(t *testing.T) {
	for name, o := range Table {
		s := setup(8)
		p, err := Draft(o, s)
		if err != nil {
			t.Fatal(err)
		}
		m, err := o.New(s)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, a := range m.State() {
			kept += len(a.Data)
		}
		// beside the state a method may keep copies of a batch's views and projections
		if planned, batch := p.Weights+p.Arrays, 2*s.Batch*(s.Input.Values()+128); planned < kept-1 || planned > kept+batch {
			t.Errorf("%s: %d values planned, %d kept", name, planned, kept)
		}
		for name, a := range m.State() {
			if q, ok := p.State[name]; !ok || !slices.Equal(q.Shape, a.Shape) {
				t.Errorf("%s is %v, planned %v", name, a.Shape, q.Shape)
			}
		}
		if len(p.State) != len(m.State()) {
			t.Errorf("%s: %d arrays of state planned, %d there", name, len(p.State), len(m.State()))
		}
		params := m.Params()
		if len(p.Params) != len(params) {
			t.Fatalf("%s: %d parameters planned, %d there", name, len(p.Params), len(params))
		}
		for i, q := range p.Params {
			if q.Name != params[i].Name || op.Size(q.Value.Shape) != len(params[i].Value.Data) || q.Value.Data != nil {
				t.Errorf("%s: %s %v planned (%d values made), %s %v there", name, q.Name, q.Value.Shape, len(q.Value.Data), params[i].Name, params[i].Value.Shape)
			}
		}
		if p.GraphBytes() == 0 {
			t.Errorf("%s: no graph was planned", name)
		}
		bytes := 0
		for _, g := range graphs(m) {
			bytes = max(bytes, g.Plan().Bytes)
		}
		if p.GraphBytes() != bytes {
			t.Errorf("%s: %d bytes of graphs planned, %d compiled", name, p.GraphBytes(), bytes)
		}
		for name, opt := range optim.Table {
			want := 0
			for _, a := range opt.New(params).State() {
				want += len(a.Data)
			}
			if got := optim.StateSize(opt, p.Params); got != want {
				t.Errorf("%s keeps %d values, StateSize says %d", name, want, got)
			}
		}
	}
}

// A network that no machine could hold is planned all the same.
func TestDraftOfWhatCannotBe(t *testing.T) {
	p, err := Draft(Table["moco"], Setup{Encoder: model.ResNet{Depth: 50, Width: 1024, Stem: "imagenet", Pool: "mean"}, Batch: 4096, Input: model.Input{Channels: 1, Bins: 128, Frames: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	if p.GraphBytes() < 1<<43 || p.Weights < 2*5e9 {
		t.Errorf("%d bytes of graphs, %d weights", p.GraphBytes(), p.Weights)
	}
}
