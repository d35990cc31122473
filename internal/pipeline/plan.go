package pipeline

import (
	"fmt"
	"os"
	"strings"

	"clr/internal/audio"
	"clr/internal/host"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
)

// A MemoryPlan is what a config will take, known before any of it is taken.
// Sizes are bytes. The program itself, some 30 MB, comes on top.
type MemoryPlan struct {
	Batch      int `json:"batch"` // clips; each gives two views
	Channels   int `json:"channels"`
	Bins       int `json:"bins"`
	Frames     int `json:"frames"`
	Crops      int `json:"crops,omitempty"`       // that each clip gives besides
	CropFrames int `json:"crop_frames,omitempty"` // of each
	Parameters int `json:"parameters"`            // of the encoder

	TrainingGraphs []GraphPlan `json:"training_graphs"`
	EmbeddingGraph GraphPlan   `json:"embedding_graph"`

	Graph       int `json:"graph_bytes"`                // the largest training graph: they take turns
	Weights     int `json:"weight_bytes"`               // encoder, projector, a second tower; running statistics
	Optimizer   int `json:"optimizer_bytes"`            //
	Arrays      int `json:"array_bytes"`                // a method's queue, its copies of a batch
	Views       int `json:"view_bytes"`                 // batches that the loader makes ahead
	Backgrounds int `json:"background_bytes,omitempty"` // recordings that augmentations mix in, as far as they are kept
	Copy        int `json:"copy_bytes"`                 // of what is saved: a checkpoint is written beside training
	Train       int `json:"train_bytes"`                // the sum
	Embed       int `json:"embed_bytes"`                // embedding graph, encoder and a batch of windows
	Store       int `json:"store_bytes"`                // file of features, 0 if not made; mapped, so that the system may drop what is not in use

	LimitBytes int64  `json:"limit_bytes"` // that this process may use; 0 if unknown
	Limit      string `json:"limit"`       // who says so
}

// A GraphPlan is the memory of one graph.
type GraphPlan struct {
	Name         string `json:"name"`
	Bytes        int    `json:"bytes"`
	WithoutReuse int    `json:"bytes_without_reuse"` // if every value had memory of its own
	Steps        int    `json:"steps"`
}

// Plan works out what a config will take. It builds the graphs, and allocates
// nothing that grows with them but their nodes.
func Plan(c *Config) (*MemoryPlan, error) {
	in, err := c.Input()
	if err != nil {
		return nil, err
	}
	classes, err := c.classes()
	if err != nil {
		return nil, err
	}
	s := method.Setup{Encoder: c.Encoder, Batch: c.Batch, Input: in, Classes: classes, ExactConv: c.Engine.ExactConv}
	draft, err := method.Draft(c.Method, s)
	if err != nil {
		return nil, err
	}
	encoder := model.DraftParams()
	embedder, err := model.NewEmbedder(c.headed(), encoder, "encoder", embedBatch, in, c.Engine.ExactConv)
	if err != nil {
		return nil, err
	}
	const float = 4
	view, need := float*in.Values(), method.NeedsOf(c.Method)
	ofClip := 2*view + float*need.Crops*c.crops(in).Values()
	p := &MemoryPlan{
		Batch: c.Batch, Channels: in.Channels, Bins: in.Bins, Frames: in.Frames, Crops: need.Crops, CropFrames: need.CropFrames, Parameters: encoder.Count(),
		Graph: draft.GraphBytes(), Weights: float * draft.Weights, Optimizer: float * optim.StateSize(c.Optimizer, draft.Params),
		Arrays: float * draft.Arrays, Views: (ahead + 1) * c.Batch * ofClip,
	}
	for _, g := range draft.Graphs {
		p.TrainingGraphs = append(p.TrainingGraphs, GraphPlan{g.Name, g.Bytes, g.WithoutReuse, g.Steps})
	}
	g := embedder.Plan()
	p.EmbeddingGraph = GraphPlan{"embedding", g.Bytes, g.WithoutReuse, g.Steps}
	if len(c.manifests()) > 0 {
		p.Backgrounds = float * backgroundRoom
	}
	p.Copy = p.Weights + p.Optimizer + p.Arrays
	p.Train = p.Graph + p.Weights + p.Optimizer + p.Arrays + p.Views + p.Backgrounds + p.Copy
	p.Embed = g.Bytes + float*encoder.Values() + 2*embedBatch*view
	if info, err := os.Stat(c.StorePath()); err == nil {
		p.Store = int(info.Size())
	}
	limit := host.MemoryLimit()
	p.LimitBytes, p.Limit = limit.Bytes, limit.Name
	return p, nil
}

// Input is the size of a view.
func (c *Config) Input() (model.Input, error) {
	f, err := c.Feature.New(c.SampleRate)
	if err != nil {
		return model.Input{}, err
	}
	bins, _ := f.Shape(c.SampleRate) // of a second
	return c.input(bins), nil
}

// input is the size of a view of a feature that has so many rows.
func (c *Config) input(rows int) model.Input {
	channels := len(audio.Channels(c.Feature))
	return model.Input{Channels: channels, Bins: rows / channels, Frames: c.View.Frames}
}

// crops is the size of the shorter views that the method asks for.
func (c *Config) crops(view model.Input) model.Input {
	view.Frames = method.NeedsOf(c.Method).CropFrames
	return view
}

// classes is how many the manifest has, where training sees labels: a fold may
// have fewer.
func (c *Config) classes() (int, error) {
	if !c.needsLabels() {
		return 0, nil
	}
	corpus, err := openCorpus(c)
	if err != nil {
		return 0, err
	}
	all := make([]int, len(corpus.Items))
	for i := range all {
		all[i] = i
	}
	classes, _, err := classesOf(corpus, all)
	return len(classes), err
}

// fits refuses a config whose training cannot be held.
func fits(c *Config, l host.Limit) error {
	p, err := Plan(c)
	if err != nil {
		return err
	}
	return l.Fits(int64(p.Train), "training",
		fmt.Sprintf("graph %s, weights %s, optimizer %s, method's arrays %s, views %s, backgrounds %s, checkpoint %s",
			size(p.Graph), size(p.Weights), size(p.Optimizer), size(p.Arrays), size(p.Views), size(p.Backgrounds), size(p.Copy)),
		fmt.Sprintf("lower batch (it is %d), view.frames (%d) or encoder.width; clr plan shows what each choice takes", p.Batch, p.Frames))
}

func size(n int) string { return host.Bytes(int64(n)) }

// Write shows a plan, as a table or as JSON.
func (p *MemoryPlan) Write(con Console) error {
	if con.JSON {
		return con.Show(p)
	}
	var err error
	row := func(name string, bytes int, note string) {
		if err == nil {
			_, err = fmt.Fprintln(con.Out, strings.TrimRight(fmt.Sprintf("%-18s %10s  %s", name, size(bytes), note), " "))
		}
	}
	for _, g := range p.TrainingGraphs {
		row(g.Name+" graph", g.Bytes, g.note())
	}
	row("weights", p.Weights, fmt.Sprintf("%d parameters in the encoder", p.Parameters))
	row("optimizer", p.Optimizer, "")
	row("method's arrays", p.Arrays, "")
	in := model.Input{Channels: p.Channels, Bins: p.Bins, Frames: p.Frames}
	views := fmt.Sprintf("%d batches of %d × 2 views of %v", ahead+1, p.Batch, in)
	if p.Crops > 0 {
		in.Frames = p.CropFrames
		views += fmt.Sprintf(" and %d of %v", p.Crops, in)
	}
	row("views", p.Views, views)
	if p.Backgrounds > 0 {
		row("backgrounds", p.Backgrounds, "at most, of recordings that are mixed in")
	}
	row("checkpoint", p.Copy, "the copy that is being written")
	row("to pretrain", p.Train, "")
	row("embedding graph", p.EmbeddingGraph.Bytes, p.EmbeddingGraph.note())
	row("to embed", p.Embed, fmt.Sprintf("%d windows at a time", embedBatch))
	if p.Limit != "" {
		row("there are", int(p.LimitBytes), p.Limit)
	}
	return err
}

func (g GraphPlan) note() string {
	return fmt.Sprintf("%d steps; %s if every value had its own memory", g.Steps, size(g.WithoutReuse))
}
