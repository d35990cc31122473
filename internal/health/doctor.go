package health

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"clr/internal/fault"
)

// A Sample is what was measured at one step. What was not measured is left zero.
type Sample struct {
	Step        int        `json:"step"` // of the run, from 0
	Epoch       int        `json:"epoch"`
	Loss        float64    `json:"loss"`
	Chance      float64    `json:"chance"`                // the loss of guessing, such as log(2N-1) for NT-Xent; 0: the method's has none
	Temperature float64    `json:"temperature,omitempty"` // of the loss, where it is learnt
	Z           Report     `json:"z"`
	Layers      []Norms    `json:"layers"`
	Drift       *Distance  `json:"drift,omitempty"` // of a following tower, after the step
	Queue       *Queue     `json:"queue,omitempty"`
	KNN         *Neighbors `json:"knn,omitempty"` // of the encoder, after the step
}

// Neighbors is what a k-NN found, and over how many clips.
type Neighbors struct {
	Accuracy float64 `json:"accuracy"`
	Train    int     `json:"train"`
	Test     int     `json:"test"`
}

// A Severity says what a warning is about.
type Severity string

// The severities.
const (
	Caution  Severity = "caution"  // training may yet go well
	Collapse Severity = "collapse" // what is learnt is worth nothing; on_collapse decides
)

// A Warning is something that looks wrong.
type Warning struct {
	Step     int      `json:"step"`
	Code     string   `json:"code"` // what is wrong, such as collapse.complete
	Severity Severity `json:"severity"`
	Text     string   `json:"text"` // a sentence with the value and the threshold
	Try      string   `json:"try"`
}

// A complaint is what a code stands for.
type complaint struct {
	severity Severity
	try      string
}

// codes are all that a Doctor can say. Their names never change.
var codes = map[string]complaint{
	"projection.not_finite": {Collapse, "lower the learning rate or warm up longer; the last good checkpoint can go on from there"},
	"collapse.complete": {Collapse, "see that something keeps projections apart: negatives in the batch or queue (of triplets, mining semi_hard), or both a predictor and a stop-gradient; " +
		"then lower the learning rate, and take augmentations out that leave nothing of a clip"},
	"collapse.dimensions": {Collapse, "widen the projector's hidden layers or give them batch norm, lower the temperature, enlarge the batch, " +
		"or make the augmentations stronger, so that fewer directions do not do"},
	"loss.at_chance":      {Caution, "weaken the augmentations, raise the learning rate or lower the temperature; see with clr augment preview that two views of a clip have something in common"},
	"gradient.not_finite": {Caution, "lower the learning rate or warm up longer"},
	"gradient.collapse": {Caution, "raise the learning rate, the temperature or the margin, for nothing may be left to learn; where the loss is still high, the network's units are dead or its output is " +
		"constant: start again with a lower rate, a warm-up and batch norm"},
	"gradient.vanishing": {Caution, "use batch norm, fewer layers or a lower learning rate from the start; a unit whose input stays negative passes no gradient on"},
	"gradient.exploding": {Caution, "lower the learning rate or warm up longer, and look at the batch's clips for silence and clipping"},
	"update.large":       {Caution, "lower the learning rate or warm up longer"},
	"queue.stale":        {Caution, "make the queue shorter or the batch larger, or raise the momentum of the tower that follows, where one does"},
	"tower.drift":        {Caution, "lower the momentum, so that the tower follows faster, or the learning rate"},
	"tower.same":         {Caution, "raise the momentum above 0: a tower that is the other gives keys no constancy"},
}

// A finding is a code that a sample looks like, in words.
type finding struct{ code, text string }

// A Doctor watches one run. It is fed samples in the order of the steps; which
// steps are measured does not matter. A run that is resumed has a new one, which
// is shown the earlier samples first.
type Doctor struct {
	o     Options
	bouts map[string]*bout // of what recent samples look like
	usual float64          // mean of the log of all layers' gradient norm, recent samples counting more
	known int              // samples that usual is of
	mean  mean
}

// A bout is a code that is looked at: samples in a row that look like it, and
// since then samples that do not.
type bout struct{ bad, good int }

// NewDoctor makes one; the options have passed Check.
func NewDoctor(o Options) *Doctor { return &Doctor{o: o, bouts: map[string]*bout{}} }

// See gives the warnings that a sample is the reason for. A code is told once, and
// again only after it was gone for as many samples as it takes to be told. The
// error is not nil where on_collapse is stop and a warning is of a collapse: the
// run ends with exit code 4.
func (d *Doctor) See(s Sample) ([]Warning, error) {
	var told []Warning
	var stop error
	found := broken(s)
	s, enough := d.gather(s)
	if enough && float64(s.Step)*weight(s.Z) >= float64(d.o.Grace) {
		found = append(found, d.examine(s)...)
	}
	for code, b := range d.bouts {
		if !enough && !urgent(code) || slices.ContainsFunc(found, func(f finding) bool { return f.code == code }) {
			continue
		}
		if b.good++; b.bad < d.patience(code) || b.good >= d.patience(code) {
			delete(d.bouts, code)
		}
	}
	for _, f := range found {
		b := d.bouts[f.code]
		if b == nil {
			b = &bout{}
			d.bouts[f.code] = b
		}
		b.good = 0
		if b.bad++; b.bad != d.patience(f.code) {
			continue
		}
		c := codes[f.code]
		told = append(told, Warning{s.Step, f.code, c.severity, f.text, c.try})
		if c.severity == Collapse && d.o.OnCollapse == "stop" && stop == nil {
			stop = fault.New(fault.Diverged, c.try, "%s at step %d: %s", f.code, s.Step, f.text)
		}
	}
	return told, stop
}

// Waits says that a collapse is looked at which would end the run if it lasted.
// What is saved now may be worth nothing.
func (d *Doctor) Waits() bool {
	for code := range d.bouts {
		if d.o.OnCollapse == "stop" && codes[code].severity == Collapse {
			return true
		}
	}
	return false
}

// urgent says that a code cannot be a matter of chance.
func urgent(code string) bool { return strings.HasSuffix(code, ".not_finite") }

func (d *Doctor) patience(code string) int {
	if urgent(code) {
		return 1
	}
	return d.o.Patience
}

// few clips say little: with batches of 2 or 6 a healthy run's deviation, rank and
// loss were seen on either side of any threshold. So samples are averaged until
// they are of so many clips.
const few = 32

// weight is a batch's part of what is enough.
func weight(z Report) float64 {
	if z.Pairs < 2 { // nothing to average
		return 1
	}
	return min(1, float64(z.Pairs)/few)
}

// A mean is of the samples since the last that was judged.
type mean struct{ weight, loss, std, rank float64 }

// gather gives a sample its mean with those before, and says whether that is of
// enough clips.
func (d *Doctor) gather(s Sample) (Sample, bool) {
	w, m := weight(s.Z), &d.mean
	if w == 1 {
		return s, true
	}
	m.weight += w
	m.loss += float64(w * s.Loss)
	m.std += float64(w * s.Z.Std)
	m.rank += float64(w * s.Z.RankMe)
	if m.weight < 1 {
		return s, false
	}
	s.Loss, s.Z.Std, s.Z.RankMe = m.loss/m.weight, m.std/m.weight, m.rank/m.weight
	*m = mean{}
	return s, true
}

// broken finds what is not finite.
func broken(s Sample) (found []finding) {
	if n := s.Z.NotFinite; n > 0 {
		found = append(found, finding{"projection.not_finite", fmt.Sprintf("%d projections hold a value that is not finite", n)})
	}
	for _, l := range s.Layers {
		if l.NotFinite > 0 {
			return append(found, finding{"gradient.not_finite", fmt.Sprintf("%s has %d values of weight, gradient or update that are not finite", l.Name, l.NotFinite)})
		}
	}
	return found
}

// examine finds what else a sample looks like, each code at most once.
func (d *Doctor) examine(s Sample) (found []finding) {
	say := func(code, format string, args ...any) {
		found = append(found, finding{code, fmt.Sprintf(format, args...)})
	}
	collapsed := d.projections(s, say)
	if most := d.o.Chance * s.Chance; s.Chance > 0 && s.Loss > most && !collapsed {
		say("loss.at_chance", "the loss is %.4g, that of guessing %.4g: nothing is learnt (above %.4g, chance: %g)", s.Loss, s.Chance, most, d.o.Chance)
	}
	d.gradients(s.Layers, say)
	if q := s.Queue; q != nil && d.o.Stale(*q) {
		say("queue.stale", "the queue's %s", d.o.Ages(*q))
	}
	switch t := s.Drift; {
	case t == nil:
	case t.WorstBy > d.o.Drift:
		say("tower.drift", "the following tower's %s is %.3g of its size away from the leading tower's (at most %g, drift)", t.Worst, t.WorstBy, d.o.Drift)
	case t.Relative == 0 && t.NotFinite == 0:
		say("tower.same", "the following tower is equal to the leading one: their distance is 0, and should be more")
	}
	return found
}

type say func(code, format string, args ...any)

// projections says whether they are collapsed.
func (d *Doctor) projections(s Sample, say say) bool {
	z := s.Z
	if z.Pairs < 2 || z.Dimensions == 0 {
		return false
	}
	// A bilinear product can tell apart rows that share a large mean: what the loss
	// tells apart is not all the same.
	apart := s.Chance > 0 && s.Loss < d.o.Apart*s.Chance
	if share := z.Std / z.StdSpread; share < d.o.Std && !apart {
		say("collapse.complete", "the projections of all clips are nearly the same: their deviation is %.3g, %.2g of the %.3g of an even spread (at least %g, std)",
			z.Std, share, z.StdSpread, d.o.Std)
		return true
	}
	most := min(z.Pairs, z.Dimensions)
	if least := 1 + d.o.Rank*float64(most-1); z.RankMe > 0 && most > 1 && z.RankMe < least {
		say("collapse.dimensions", "the projections of %d clips lie in few of the %d dimensions: RankMe is %.3g (at least %.3g, rank: %g)",
			z.Pairs, z.Dimensions, z.RankMe, least, d.o.Rank)
		return true
	}
	return false
}

// gradients looks at layers that have one.
func (d *Doctor) gradients(layers []Norms, say say) {
	f := FlowOf(layers)
	if f.Weight == 0 {
		return
	}
	if share := f.Moved.Share(); share > d.o.Update {
		say("update.large", "the step moved %s by %.3g, %.2g of its weights' %.3g (at most %g, update)", f.Moved.Name, f.Moved.Update, share, f.Moved.Weight, d.o.Update)
	}
	if f.Gradient < d.o.Still*f.Weight {
		say("gradient.collapse", "the gradient has collapsed: its norm over all layers is %.3g, the weights' %.3g (at least %g of that, still)", f.Gradient, f.Weight, d.o.Still)
		return
	}
	faint := 0
	for _, l := range layers {
		if !l.still() && l.Gradient < d.o.Vanishing*f.Largest.Gradient {
			faint++
		}
	}
	if faint > 0 {
		say("gradient.vanishing", "the gradient vanishes in %d of %d layers, most in %s: its norm is %.3g, in %s it is %.3g (at least %g of that, vanishing)",
			faint, len(layers), f.Least.Name, f.Least.Gradient, f.Largest.Name, f.Largest.Gradient, d.o.Vanishing)
	}
	if usual := math.Exp(d.usual); d.known >= settled && f.Gradient > d.o.Exploding*usual {
		say("gradient.exploding", "the gradient explodes: its norm over all layers is %.3g, where %.3g is usual (at most %g of that, exploding); largest is %s with %.3g",
			f.Gradient, usual, d.o.Exploding, f.Largest.Name, f.Largest.Gradient)
		return // such a one is not usual
	}
	if f.Gradient == 0 {
		return
	}
	d.known++
	d.usual += (math.Log(f.Gradient) - d.usual) / float64(min(d.known, settled))
}

// settled is how many samples make usual.
const settled = 10
