package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Write shows a rerun, as tables or as JSON.
func (r *Rerun) Write(con Console) error {
	if con.JSON {
		return con.Show(r)
	}
	var b strings.Builder
	r.heading(&b)
	r.causes(&b)
	r.trail(&b)
	r.layerTable(&b)
	_, err := fmt.Fprint(con.Out, b.String())
	return err
}

func (r *Rerun) heading(b *strings.Builder) {
	rec := r.Recorded
	fmt.Fprintf(b, "%s: step %d of %d, epoch %d, learning rate %.4g, fold %s, seed %d\n", r.File, rec.Step, rec.Steps, rec.Epoch, rec.LR, rec.Fold, rec.Seed)
	fmt.Fprintf(b, "clips: %s\n\n", firstOf(rec.Clips))
	fmt.Fprintf(b, "%-15s %-24s %s\n", "", "recorded", "here")
	row := func(name string, was, is any) { fmt.Fprintf(b, "%-15s %-24v %v\n", name, was, is) }
	row("loss", rec.Loss, r.Loss)
	row("gradient norm", rec.GradNorm, r.GradNorm)
	row("cpu path", rec.CPU, r.Here.CPU)
	row("clr", rec.Clr, r.Here.Clr)
	row("go", rec.Go, r.Here.Go)
	fmt.Fprintf(b, "\n%s\n", r.verdict())
}

// verdict is what came of it, in a sentence.
func (r *Rerun) verdict() string {
	rec := r.Recorded
	if r.Diverged {
		switch {
		case rec.Moved:
			return fmt.Sprintf("The step itself was finite. After it %s held %v: the file has the arrays as they were then, and the step is run over them.", rec.What, rec.Value)
		case r.Same:
			return "The step diverges here too, with the recorded values."
		}
		return "The step diverges here too, with other values than recorded."
	}
	s := fmt.Sprintf("The step does not diverge here: the %s was %v on %s and is finite on %s.", rec.What, rec.Value, rec.CPU, r.Here.CPU)
	if path, here := cpuOf(rec.CPU), cpuOf(r.Here.CPU); path != here {
		return s + fmt.Sprintf("\nTo take the recorded path where the processor has it: CLR_CPU=%s clr replay %s", path, r.File)
	} else if rec.Clr != r.Here.Clr || rec.Go != r.Here.Go {
		return s + "\nThe path is the same, the program is not: use the clr that recorded it to see it again."
	}
	return s
}

// cpuOf is the part of a CPU path that CLR_CPU can choose.
func cpuOf(path string) string { return path[strings.LastIndex(path, " ")+1:] }

// causes tells what the step began with.
func (r *Rerun) causes(b *strings.Builder) {
	v := r.Views
	top := v.Rows[v.Largest]
	fmt.Fprintf(b, "\n%-15s %s, from %.4g to %.4g, the largest in %s, view %d; ", "views", shapeOf(v.Shape), v.Min, v.Max, top.Clip, top.View)
	if v.NotFinite == 0 {
		fmt.Fprintln(b, "all finite")
	} else {
		fmt.Fprintf(b, "%d not finite, the first in %s\n", v.NotFinite, v.First)
		var clips []string
		for _, l := range v.Rows {
			if l.NotFinite > 0 && !slices.Contains(clips, l.Clip) {
				clips = append(clips, l.Clip)
			}
		}
		fmt.Fprintf(b, "%-15s of the clips %s\n", "", firstOf(clips))
	}
	if len(r.State) == 0 {
		top := slices.MaxFunc(r.Layers, func(a, b layerRow) int { return cmp.Compare(a.Largest, b.Largest) })
		fmt.Fprintf(b, "%-15s all finite before the step; the largest is %.4g, in %s\n", "weights", top.Largest, top.Weight)
	} else {
		when := "before the step"
		if r.Recorded.Moved {
			when = "after the step"
		}
		fmt.Fprintf(b, "%-15s not finite %s, in %d arrays:\n", "weights", when, len(r.State))
		for i, a := range r.State {
			if i == few {
				fmt.Fprintf(b, "%-15s   and %d more\n", "", len(r.State)-few)
				break
			}
			fmt.Fprintf(b, "%-15s   %s: %d of %d, the first is %v\n", "", a.Name, a.NotFinite, a.Count, a.Value)
		}
	}
	z := r.Z
	if z.NotFinite > 0 {
		fmt.Fprintf(b, "%-15s %s, %d values are not finite\n", "projections", shapeOf(z.Shape), z.NotFinite)
	} else {
		fmt.Fprintf(b, "%-15s %s, from %.4g to %.4g, deviation %.3g; a clip's two have the cosine %.3g\n", "projections", shapeOf(z.Shape), z.Min, z.Max, z.Std, z.Positive)
	}
}

// few is how many lines of a list a table shows; JSON has all.
const few = 6

// trail shows the functions that ran up to the first that is not finite.
func (r *Rerun) trail(b *strings.Builder) {
	if r.First == nil {
		return
	}
	f := *r.First
	pass := "forward"
	if f.Backward {
		pass = "backward"
	}
	fmt.Fprintf(b, "\nFirst not finite, %s in the %s graph: %s", pass, f.Graph, shortOf(f.Func))
	if f.Layer != "" {
		fmt.Fprintf(b, " of %s", f.Layer)
	}
	fmt.Fprintf(b, "\n%d of %d values, the first is %v", f.NotFinite, f.Count, f.Value)
	if n := len(r.Recorded.Clips); len(f.Clips) > 0 {
		fmt.Fprintf(b, "; in %d of %d clips", len(f.Clips), n)
		if len(f.Clips) < n {
			fmt.Fprintf(b, ": %s", firstOf(f.Clips))
		}
	}
	fmt.Fprintf(b, "\n\n  %4s %-30s %-36s %-14s %10s %10s %10s\n", "", "function", "layer", "shape", "least", "largest", "not finite")
	for _, g := range r.Functions[max(0, f.Index-few) : f.Index+1] {
		mark := " "
		if g.Index == f.Index {
			mark = ">"
		}
		fmt.Fprintf(b, "%s %4d %-30s %-36s %-14s %10.3g %10.3g %10d\n", mark, g.Index, shortOf(g.Func), g.Layer, shapeOf(g.Shape), g.Min, g.Max, g.NotFinite)
	}
	fmt.Fprintf(b, "of %d functions\n", len(r.Functions))
}

// layerTable shows the first weights that are not finite, or their gradients, and
// those whose gradient is the largest beside the weight.
func (r *Rerun) layerTable(b *strings.Builder) {
	var rows []layerRow
	for _, l := range r.Layers {
		if l.NotFinite+l.GradNotFinite > 0 && len(rows) < few {
			rows = append(rows, l)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(r.Layers), func(l layerRow) bool { return l.NotFinite+l.GradNotFinite > 0 })
	slices.SortStableFunc(rest, func(a, b layerRow) int { return cmp.Compare(b.Ratio, a.Ratio) })
	rows = append(rows, rest[:min(few, len(rest))]...)
	fmt.Fprintf(b, "\n%-42s %12s %12s %12s\n", "weight", "norm", "gradient", "ratio")
	for _, l := range rows {
		fmt.Fprintf(b, "%-42s %12.4g %12.4g %12.4g\n", l.Weight, l.Norm, l.GradNorm, l.Ratio)
	}
	fmt.Fprintf(b, "%d of %d weights: those that are not finite first, then by ratio; --json has all\n", len(rows), len(r.Layers))
}

// shortOf is a function's name without its configuration, which is in braces.
func shortOf(f string) string {
	var b strings.Builder
	deep := 0
	for _, c := range f {
		switch {
		case c == '{':
			deep++
		case c == '}':
			deep--
		case deep == 0:
			b.WriteRune(c)
		}
	}
	name, _, _ := strings.Cut(b.String(), "(")
	return strings.TrimSpace(name)
}

func shapeOf(s []int) string {
	if len(s) == 0 {
		return "1"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(s), " ", "×"), "[]")
}
