package model

import (
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// pools are the ways from a feature map (N, C, F, T) to an embedding; those that
// begin with time leave the frequencies apart.
var pools = []string{"mean", "max", "mean_max", "time_mean", "time_mean_max"}

// checkPool refuses what is not among the known.
func checkPool(encoder, pool string, known []string) error {
	if slices.Contains(known, pool) {
		return nil
	}
	last := len(known) - 1
	return fault.New(fault.Usage, "", "%s pool is %q, must be %s or %s", encoder, pool, strings.Join(known[:last], ", "), known[last])
}

// pooledDim is the size of what globalPool makes of c channels and bins.
func pooledDim(pool string, c, bins int) int {
	if strings.HasPrefix(pool, "time") {
		c *= bins
	}
	if strings.HasSuffix(pool, "mean_max") {
		c *= 2
	}
	return c
}

// globalPool reduces a feature map to rows, the means before the maxima.
func (b *Builder) globalPool(x *G.Node, pool string) *G.Node {
	keepRows := strings.HasPrefix(pool, "time")
	switch strings.TrimPrefix(pool, "time_") {
	case "mean":
		return b.GlobalMean(x, keepRows)
	case "max":
		return b.GlobalMax(x, keepRows)
	}
	return b.Concat(b.GlobalMean(x, keepRows), b.GlobalMax(x, keepRows))
}
