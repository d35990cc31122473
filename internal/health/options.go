package health

import (
	"math"

	"clr/internal/fault"
)

// Options are what a Doctor thinks normal. The thresholds of Defaults stand
// between what healthy and broken runs did from step 100 on. Toys are the small
// networks of TestDoctor (method), which prints its own. FSDD and ESC-10 are one
// fold of configs/{fsdd,esc10}-{simclr,moco}.yaml with encoder.width 16, every step
// measured; the demo is configs/quickstart.yaml with each of six methods at their
// defaults and with other momenta, every tenth step measured (docs/health.md):
//
//	            healthy: FSDD, ESC-10; the demo   toys          broken
//	std         0.63 to 0.99; 0.77 to 1.00        0.6 to 1      toys 0.03 to 0.19: no negatives, no predictor, no stop-gradient, no variance
//	                                                            demo 0.00 to 0.46, ESC-10 0.006, MoCo's momentum 0, which wanders on to the next line
//	            COLA's 0.26; 0.14, at a loss of
//	            0.48; 0.74 of chance at most
//	rank        0.34 to 0.79; 0.09 (SimSiam) to   0.34 to 0.97  toys 0.06, one hidden unit, which leaves RankMe 2 at most, or no covariance;
//	            0.85                                            ESC-10 0.04, demo 0.02 at most, momentum 0
//	chance      at most 0.80; 0.94                at most 0.2   demo 1.00, momentum 0; where all projections are equal 1, by the formula
//	still       at least 1e-2; 7e-4                             demo 3e-7, momentum 0
//	vanishing   at least 2e-3; 2e-3                             not seen in any
//	exploding   at most 5; 4                                    not seen in any
//	update      at most 0.01; 0.015                             not seen in any
//	epochs      at most 12.8; 4.3                               not seen in any: as good as those below 1
//	drift       at most 0.40; 0.45, or 0.58 at    0.03          toys 0.69, momentum 1, which never follows; ESC-10 0.48 at 600 steps
//	            momentum 1, which learns as well
//
// FSDD in batches of 6 and of 2 clips, P = 4, is why small batches are averaged:
// one batch of 2 had a deviation of 0.12, a loss above chance and a gradient of 60
// times the usual. The rank is as far from a healthy SimSiam's as from a broken
// toy's, no more; the thresholds without a broken run beside them leave two orders
// of magnitude to the healthy ones, but for exploding, with a factor of 20, update,
// with one of 33, and epochs, with one of 4.
type Options struct {
	OnCollapse string  `yaml:"on_collapse" doc:"warn: say so and go on; stop: end the run with exit code 4"`
	Grace      int     `yaml:"grace" doc:"steps of the run that are not judged, while nothing is learnt yet; batches below 32 clips count in part"`
	Patience   int     `yaml:"patience" doc:"measurements in a row that must look bad before it is said; those of batches below 32 clips are averaged"`
	Std        float64 `yaml:"std" doc:"collapse.complete: least deviation of unit projections, as a share of 1/√d, that of an even spread"`
	Apart      float64 `yaml:"apart" doc:"collapse.complete: not where the loss is below this share of what guessing costs, for it tells projections apart; 0: none vouches"`
	Rank       float64 `yaml:"rank" doc:"collapse.dimensions: least number of directions in use (RankMe), as a share of those that a batch can use"`
	Chance     float64 `yaml:"chance" doc:"loss.at_chance: largest loss, as a share of what guessing costs"`
	Still      float64 `yaml:"still" doc:"gradient.collapse: least gradient of all layers, as a share of their weights"`
	Vanishing  float64 `yaml:"vanishing" doc:"gradient.vanishing: least gradient of a layer, as a share of the largest layer's"`
	Exploding  float64 `yaml:"exploding" doc:"gradient.exploding: largest gradient of all layers, in multiples of what is usual in this run"`
	Update     float64 `yaml:"update" doc:"update.large: largest move of a layer in a step, as a share of its weights"`
	Epochs     float64 `yaml:"queue_epochs" doc:"queue.stale: largest age of a row of the queue in epochs; above 1 a clip's own earlier rows are in it, though no more of them the longer it is"`
	Turned     float64 `yaml:"queue_turned" doc:"queue.stale: largest share of the following tower that may be replaced while a key of it is in the queue"`
	Drift      float64 `yaml:"drift" doc:"tower.drift: largest distance of a following tower's weights from the leading tower's, as a share of the latter"`
}

// Defaults are the options where a config says nothing.
var Defaults = Options{
	OnCollapse: "warn", Grace: 100, Patience: 3,
	Std: 0.2, Apart: 0.9, Rank: 0.07, Chance: 0.98,
	Still: 1e-6, Vanishing: 1e-5, Exploding: 100, Update: 0.5,
	Epochs: 50, Turned: 0.9, Drift: 0.6,
}

// Check refuses thresholds that mean nothing.
func (o Options) Check() error {
	if o.OnCollapse != "warn" && o.OnCollapse != "stop" {
		return fault.New(fault.Usage, "use warn or stop", "on_collapse is %q", o.OnCollapse)
	}
	if o.Grace < 0 {
		return fault.New(fault.Usage, "0 judges from the first step", "grace is %d, must be 0 or more", o.Grace)
	}
	if o.Patience < 1 {
		return fault.New(fault.Usage, "1 warns at once", "patience is %d, must be 1 or more", o.Patience)
	}
	for _, v := range []struct {
		name  string
		value float64
		most  float64
	}{
		{"std", o.Std, 1}, {"apart", o.Apart, 1}, {"rank", o.Rank, 1}, {"still", o.Still, 1}, {"vanishing", o.Vanishing, 1}, {"queue_turned", o.Turned, 1},
		{"chance", o.Chance, math.MaxFloat64}, {"exploding", o.Exploding, math.MaxFloat64}, {"update", o.Update, math.MaxFloat64},
		{"queue_epochs", o.Epochs, math.MaxFloat64}, {"drift", o.Drift, math.MaxFloat64},
	} {
		switch {
		case v.value >= 0 && v.value <= v.most:
		case v.most == 1:
			return fault.New(fault.Usage, "", "%s is %g, must be 0 to 1", v.name, v.value)
		default:
			return fault.New(fault.Usage, "a very large number is never reached", "%s is %g, must be a number of 0 or more", v.name, v.value)
		}
	}
	return nil
}
