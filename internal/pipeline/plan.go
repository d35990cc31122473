package pipeline

import (
	"fmt"
	"os"
	"strings"

	"clr/internal/audio"
	"clr/internal/host"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/op"
	"clr/internal/optim"
)

// A MemoryPlan is what a config will take, known before any of it is taken.
// Sizes are bytes. The program itself, some 30 MB, comes on top.
type MemoryPlan struct {
	Batch      int `json:"batch"` // clips; each gives two views
	Channels   int `json:"channels"`
	Bins       int `json:"bins"`
	Frames     int `json:"frames"`
	Crops      int `json:"crops,omitempty"`       // shorter views that each clip gives
	CropFrames int `json:"crop_frames,omitempty"` // and their length
	Parameters int `json:"parameters"`            // of the encoder

	TrainingGraphs []GraphPlan `json:"training_graphs"`
	EmbeddingGraph GraphPlan   `json:"embedding_graph"`

	Graph       int `json:"graph_bytes"`                // the largest training graph: they take turns
	Weights     int `json:"weight_bytes"`               // encoder, projector, a second tower; running statistics
	Optimizer   int `json:"optimizer_bytes"`            // its state, and what update keeps: sums of gradients, an average of the encoder
	Arrays      int `json:"array_bytes"`                // a method's queue, its copies of a batch
	Views       int `json:"view_bytes"`                 // batches that the loader makes ahead
	Backgrounds int `json:"background_bytes,omitempty"` // recordings that augmentations mix in, as far as they are kept
	Health      int `json:"health_bytes,omitempty"`     // of the weights before a step that is looked at, and of asking neighbours
	Copy        int `json:"copy_bytes"`                 // of what is saved: a checkpoint is written beside training
	Train       int `json:"train_bytes"`                // the sum
	Embed       int `json:"embed_bytes"`                // embedding graph, encoder and a batch of windows
	Store       int `json:"store_bytes"`                // file of features, 0 if not made; mapped, so that the system may drop what is not in use

	LearningRate float64 `json:"learning_rate"`
	RateNote     string  `json:"learning_rate_note"` // where it comes from, and what the schedule makes of it

	LimitBytes int64  `json:"limit_bytes"` // that this process may use; 0 if unknown
	Limit      string `json:"limit"`       // who says so

	setup method.Setup
	draft method.Plan
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
	return plan(c, func() (*audio.Corpus, error) { return openCorpus(c) })
}

// plan is Plan; read reads the corpus, where the method learns from labels.
func plan(c *Config, read func() (*audio.Corpus, error)) (*MemoryPlan, error) {
	in, err := c.Input()
	if err != nil {
		return nil, err
	}
	s := method.Setup{Encoder: c.Encoder, Batch: c.Batch, Input: in, ExactConv: c.Engine.ExactConv}
	needs := method.NeedsOf(c.Method)
	where := "" // there are too few classes
	if needs.Labels {
		corpus, err := read()
		if err != nil {
			return nil, err
		}
		classes, _, err := classesOf(corpus)
		if err != nil {
			return nil, err
		}
		if s.Classes = len(classes); s.Classes < 2 {
			where = corpus.Path + ": "
		}
	}
	draft, err := method.Draft(c.Method, s)
	if err != nil {
		return nil, fmt.Errorf("%s%w", where, err)
	}
	encoder := model.DraftParams()
	embedder, err := model.NewEmbedder(c.headed(), encoder, "encoder", embedBatch, in, c.Engine.ExactConv)
	if err != nil {
		return nil, err
	}
	const float = 4
	view := float * in.Values()
	p := &MemoryPlan{
		Batch: c.Batch, Channels: in.Channels, Bins: in.Bins, Frames: in.Frames, Crops: needs.Crops, CropFrames: needs.CropFrames, Parameters: encoder.Count(),
		Graph: draft.GraphBytes(), Weights: float * draft.Weights, Optimizer: float * optim.StateSize(c.moved(), draft.Params),
		Arrays: float * draft.Arrays, Views: (ahead + 1) * c.Batch * (2*view + float*needs.Crops*needs.Short(in).Values()),
		setup: s, draft: draft,
	}
	for _, g := range draft.Graphs {
		p.TrainingGraphs = append(p.TrainingGraphs, GraphPlan{g.Name, g.Bytes, g.WithoutReuse, g.Steps})
	}
	g := embedder.Plan()
	p.EmbeddingGraph = GraphPlan{"embedding", g.Bytes, g.WithoutReuse, g.Steps}
	if len(c.manifests()) > 0 {
		p.Backgrounds = float * backgroundRoom
	}
	if c.Init != "" {
		p.Arrays += float * encoder.Values() // the first weights, beside those of the towers
	}
	if c.Update.EMA > 0 {
		p.Optimizer += float * encoder.Values()
	}
	p.LearningRate, p.RateNote = c.learningRate(), c.rateNote()
	p.Copy = p.Weights + p.Optimizer + p.Arrays
	p.Embed = g.Bytes + float*encoder.Values() + 2*embedBatch*view
	if c.Health.Every > 0 || c.Health.KNN.Every > 0 {
		for _, w := range draft.Params {
			p.Health += float * op.Size(w.Value.Shape)
		}
	}
	if c.Health.KNN.Every > 0 {
		p.Health += p.Embed
	}
	p.Train = p.Graph + p.Weights + p.Optimizer + p.Arrays + p.Views + p.Backgrounds + p.Health + p.Copy
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

// fits refuses a config whose training cannot be held.
func fits(c *Config, l host.Limit) error {
	p, err := Plan(c)
	if err != nil {
		return err
	}
	return p.fits(l)
}

func (p *MemoryPlan) fits(l host.Limit) error {
	return l.Fits(int64(p.Train), "training",
		fmt.Sprintf("graph %s, weights %s, optimizer %s, method's arrays %s, views %s, backgrounds %s, health %s, checkpoint %s",
			size(p.Graph), size(p.Weights), size(p.Optimizer), size(p.Arrays), size(p.Views), size(p.Backgrounds), size(p.Health), size(p.Copy)),
		fmt.Sprintf("lower batch (it is %d), view.frames (%d) or encoder.width; clr plan shows what each choice takes", p.Batch, p.Frames))
}

func size(n int) string { return host.Bytes(int64(n)) }

// write shows a plan as a table.
func (p *MemoryPlan) write(b *strings.Builder) {
	row := func(name string, bytes int, note string) {
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%-18s %10s  %s", name, size(bytes), note), " "))
	}
	for _, g := range p.TrainingGraphs {
		row(g.Name+" graph", g.Bytes, g.note())
	}
	row("weights", p.Weights, fmt.Sprintf("%d parameters in the encoder", p.Parameters))
	row("optimizer", p.Optimizer, "")
	row("method's arrays", p.Arrays, "")
	row("views", p.Views, fmt.Sprintf("%d batches of %s", ahead+1, p.views()))
	if p.Backgrounds > 0 {
		row("backgrounds", p.Backgrounds, "at most, of recordings that are mixed in")
	}
	if p.Health > 0 {
		row("health", p.Health, "weights before a step that is looked at")
	}
	row("checkpoint", p.Copy, "the copy that is being written")
	row("to pretrain", p.Train, "")
	row("embedding graph", p.EmbeddingGraph.Bytes, p.EmbeddingGraph.note())
	row("to embed", p.Embed, fmt.Sprintf("%d windows at a time", embedBatch))
	fmt.Fprintf(b, "%-18s %10.4g  %s\n", "learning rate", p.LearningRate, p.RateNote)
	if p.Limit != "" {
		row("there are", int(p.LimitBytes), p.Limit)
	}
}

// views says how many of which size a batch is.
func (p *MemoryPlan) views() string {
	in := model.Input{Channels: p.Channels, Bins: p.Bins, Frames: p.Frames}
	text := fmt.Sprintf("%d views of %v", 2*p.Batch, in)
	if p.Crops > 0 {
		in.Frames = p.CropFrames
		text += fmt.Sprintf(" and %d of %v", p.Crops*p.Batch, in)
	}
	return text
}

func (g GraphPlan) note() string {
	return fmt.Sprintf("%d steps; %s if every value had its own memory", g.Steps, size(g.WithoutReuse))
}
