package pipeline

import (
	"cmp"
	"errors"
	"fmt"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/health"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
	"clr/internal/pipeline/strict"
	"clr/internal/rundir"
)

// A Config says everything about a run. Each section's struct stands beside
// the code that obeys it; where a section has a `name`, the name picks an entry
// of the table given here, and with it the defaults.
type Config struct {
	Seed          uint64 `yaml:"seed" doc:"every random choice of a run follows from it"`
	Corpus        string `yaml:"corpus" doc:"manifest of the recordings, relative to the config file; builtin:fsdd is the one in the binary"`
	SampleRate    int    `yaml:"sample_rate" doc:"every recording is resampled to it; Hz"`
	audio.Reading `yaml:",inline"`
	Split         eval.SplitOptions        `yaml:"split" doc:"which clips are kept from training, to test on"`
	Labels        LabelOptions             `yaml:"labels" doc:"how many labels there are to learn from, where any are asked for"`
	Feature       audio.FeatureOptions     `yaml:"feature" doc:"what is extracted from a recording"`                                                 // audio.Features
	View          augment.ViewOptions      `yaml:"view" doc:"what the encoder sees of a clip"`                                                       //
	Augment       []augment.Augmentation   `yaml:"augment" doc:"random changes to a view, in order"`                                                 // augment.Table
	Encoder       model.Encoder            `yaml:"encoder" doc:"the network that is pretrained"`                                                     // model.Encoders
	Method        method.Options           `yaml:"method" doc:"how it learns, most ways without labels"`                                             // method.Table
	Optimizer     optim.Options            `yaml:"optimizer" doc:"how the weights are moved"`                                                        // optim.Table
	Schedule      optim.Schedule           `yaml:"schedule" doc:"the learning rate over the run"`                                                    //
	Update        optim.Update             `yaml:"update" doc:"what becomes of gradients, and which weights they move how far"`                      //
	Batch         int                      `yaml:"batch" doc:"most clips of a step; each gives two views; the batches of an epoch are nearly equal"` //
	Embed         EmbedOptions             `yaml:"embed" doc:"how a clip becomes one embedding"`                                                     //
	LinearProbe   eval.LinearProbe         `yaml:"linear_probe" doc:"clr linear-probe"`                                                              //
	MLPProbe      eval.MLPProbe            `yaml:"mlp_probe" doc:"clr mlp-probe"`                                                                    //
	KNNProbe      eval.KNNProbe            `yaml:"knn_probe" doc:"clr knn-probe"`                                                                    //
	Judge         eval.Judge               `yaml:"judge" doc:"clr judge"`                                                                            //
	Finetune      FinetuneOptions          `yaml:"finetune" doc:"clr finetune"`                                                                      //
	Checkpoint    rundir.CheckpointOptions `yaml:"checkpoint" doc:"how often a run is saved"`                                                        //
	Health        HealthOptions            `yaml:"health" doc:"how what is learnt is watched while it is learnt; health.jsonl"`
	Log           rundir.LogOptions        `yaml:"log" doc:"what metrics.jsonl holds beside scores"` //
	Engine        EngineOptions            `yaml:"engine" doc:"how the arithmetic is done"`          //
	Workers       int                      `yaml:"workers" doc:"goroutines that read and make views; any number gives the same bytes"`
	Store         string                   `yaml:"store" doc:"file of extracted features, relative to the config file; empty is cache/<corpus>-<hash>.clrs where clr is started"`
	Init          string                   `yaml:"init" doc:"first weights of the encoder: a safetensors file, or a run folder, of which each fold takes its own; relative to the config file; empty draws them at random"`

	dir string           // of the config file
	doc *strict.Document // where each value was written
}

// DefaultConfig is what every config starts from. Only the corpus is missing.
func DefaultConfig() *Config {
	return &Config{
		Seed:        1,
		SampleRate:  16000,
		Reading:     audio.DefaultReading,
		Labels:      LabelOptions{Fraction: 1},
		Feature:     audio.Features["logmel"],
		View:        augment.DefaultView,
		Encoder:     model.Encoders["resnet"],
		Method:      method.Table["simclr"],
		Optimizer:   optim.Table["adamw"],
		Schedule:    optim.DefaultSchedule,
		Update:      optim.DefaultUpdate,
		Batch:       256,
		Embed:       EmbedOptions{Hop: 0.5, Pool: "mean", Weights: "ema"},
		LinearProbe: eval.Table["linear"].(eval.LinearProbe),
		MLPProbe:    eval.Table["mlp"].(eval.MLPProbe),
		KNNProbe:    eval.Table["knn"].(eval.KNNProbe),
		Judge:       eval.DefaultJudge,
		Finetune:    DefaultFinetune,
		Checkpoint:  rundir.CheckpointOptions{Keep: 2},
		Log:         rundir.LogOptions{Digest: 50},
		Health:      HealthOptions{Every: 50, Options: health.Defaults, KNN: KNNOptions{K: 20, Temperature: 0.07}},
		Workers:     2,
	}
}

// schema names the tables that sections with a `name` choose from.
func schema() *strict.Schema {
	return strict.New(strict.Of(audio.Features), strict.Of(augment.Table), strict.Of(model.Encoders), strict.Of(method.Table), strict.Of(optim.Table))
}

// A checkError is what is wrong with a value, and its path.
type checkError struct {
	path string
	err  error
}

// Check refuses what cannot be run: what each section refuses by itself, then
// what does not fit together.
func (c *Config) Check() error {
	wrong := c.checkSections()
	if len(wrong) == 0 {
		wrong = c.checkTogether()
	}
	var all []error
	for _, w := range wrong {
		all = append(all, fmt.Errorf("%s: %w", w.path, w.err))
	}
	if len(all) == 0 {
		return nil
	}
	return fault.New(fault.Usage, fault.Remedy(all[0]), "%w", errors.Join(all...))
}

// checkSections asks each section by itself.
func (c *Config) checkSections() []checkError {
	var wrong []checkError
	check := func(path string, err error) {
		if err != nil {
			wrong = append(wrong, checkError{path, err})
		}
	}
	require := func(path string, ok bool, remedy, format string, args ...any) {
		if !ok {
			check(path, fault.New(fault.Usage, remedy, format, args...))
		}
	}
	require("corpus", c.Corpus != "", "name a manifest (a CSV file with the column path), or builtin:fsdd", "no corpus is given")
	rate := c.SampleRate >= 1000 && c.SampleRate <= 384000
	require("sample_rate", rate, "16000 and 8000 are usual", "sample_rate is %d, it must be 1000 to 384000", c.SampleRate)
	check("channels", c.Channels.Check())
	check("resample", c.Resample.Check())
	check("windows", c.Windows.Check())
	check("on_error", c.OnError.Check())
	check("split", c.Split.Check())
	check("labels", c.Labels.Check())
	if rate {
		check("feature", c.Feature.Check(c.SampleRate))
	}
	check("view", c.View.Check())
	for i, a := range c.Augment {
		check(fmt.Sprintf("augment.%d", i), a.Check())
	}
	check("encoder", c.Encoder.Check())
	check("method", c.Method.Check())
	check("optimizer", c.Optimizer.Check())
	check("schedule", c.Schedule.Check())
	check("update", c.Update.Check())
	require("batch", c.Batch >= 2, "a clip needs others to differ from", "batch is %d, it must be 2 or more", c.Batch)
	check("embed", c.Embed.Check())
	check("linear_probe", c.LinearProbe.Check())
	check("mlp_probe", c.MLPProbe.Check())
	check("knn_probe", c.KNNProbe.Check())
	check("judge", c.Judge.Check())
	check("finetune", c.Finetune.Check())
	check("checkpoint", c.Checkpoint.Check())
	check("log", c.Log.Check())
	check("health", c.Health.Check())
	require("workers", c.Workers >= 1 && c.Workers <= 1024, "the number of cores is a good one", "workers is %d, it must be 1 to 1024", c.Workers)
	return wrong
}

// checkTogether asks what no section can know alone.
func (c *Config) checkTogether() []checkError {
	var wrong []checkError
	require := func(path string, ok bool, remedy, format string, args ...any) {
		if !ok {
			wrong = append(wrong, checkError{path, fault.New(fault.Usage, remedy, format, args...)})
		}
	}
	lr := c.learningRate()
	require("schedule", c.Schedule.MinLR <= lr, "lower schedule.min_lr or raise optimizer.lr",
		"min_lr is %g, above the optimizer's lr %g that it should be reached from", c.Schedule.MinLR, lr)
	wrong = append(wrong, c.checkNames()...)
	unit := c.Feature.Unit()
	isLog := unit == "ln" || unit == "log10" || unit == "db"
	if isLog {
		require("view", c.View.Unit == unit, "set view.unit to "+unit, "unit is %s, but the feature's values are in %s", c.View.Unit, unit)
	}
	if c.View.Pair == "window" {
		require("augment", len(c.Augment) == 0, "set augment to [], or view.pair to augmented", "view.pair is window, whose views are not augmented")
		require("view", c.View.Crop == "random", "set view.crop to random", "pair is window, and crop is %s: both views would be the same", c.View.Crop)
	}
	if k := c.Embed.HeadLayers; k > 0 {
		projector, ok := method.ProjectorOf(c.Method)
		name := nameIn(method.Table, c.Method)
		require("embed", ok, "set embed.head_layers to 0", "head_layers is %d, and the method %s has no projector of layers", k, name)
		require("embed", !ok || k <= len(projector.Hidden), "lower embed.head_layers",
			"head_layers is %d, and the projector of %s has %d hidden layers", k, name, len(projector.Hidden))
		require("embed", c.embeds() == "", "set embed.weights to raw", "head_layers is %d, and update.ema averages the encoder alone", k)
	}
	if c.LinearProbe.Protocol == "cola" {
		require("embed", c.Embed.Pool == "mean" && c.Embed.Hop == 1, "set embed.pool to mean and embed.hop to 1, as --protocol cola does",
			"pool is %s and hop %g, and the protocol cola of linear_probe averages windows that do not overlap", c.Embed.Pool, c.Embed.Hop)
	}
	for _, k := range Kinds {
		require("embed", c.Embed.Pool != "mean_max" || !eval.AnswersByWindows(k.of(c)), "set embed.pool to mean", "pool is mean_max, and %s takes windows one by one, which have half as many values", k.Section)
	}
	if err := method.NeedsOf(c.Method).CheckFrames(c.View.Frames); err != nil {
		wrong = append(wrong, checkError{"method", err})
	}
	spec := ""
	for i, a := range c.Augment {
		if _, ok := a.(augment.Spec); ok {
			spec = nameIn(augment.Table, a)
			require(fmt.Sprintf("augment.%d", i), isLog || !augment.NeedsLog(a), "take it out, or choose a feature of logarithms",
				"%s changes the level of log powers, and the values of the feature %s are %s", spec, nameIn(audio.Features, c.Feature), cmp.Or(unit, "none"))
			continue
		}
		require(fmt.Sprintf("augment.%d", i), spec == "", "move it before "+spec,
			"%s changes the waveform, but %s before it has already changed the spectrogram", nameIn(augment.Table, a), spec)
	}
	return wrong
}

// specs are the augmentations of the spectrogram, in order.
func (c *Config) specs() []augment.Spec { return only[augment.Spec](c.Augment) }

// waves are the augmentations of the waveform, in order.
func (c *Config) waves() []augment.Wave { return only[augment.Wave](c.Augment) }

func only[T augment.Augmentation](chain []augment.Augmentation) []T {
	var kept []T
	for _, a := range chain {
		if a, ok := a.(T); ok {
			kept = append(kept, a)
		}
	}
	return kept
}
