// Package health says how a representation fares while it is trained. A loss
// alone does not: it falls to its least while all projections become one point
// (Chen & He 2021, figure 2). A Meter looks at a batch's projections, Layers at
// weights and gradients, Drift at two towers, and QueueAge at a queue of earlier
// rows; a Doctor is shown what they find, step by step, and says what looks wrong
// and what to try.
//
// It hides how each measure is computed, and which values are normal. It takes
// arrays and knows no network, method or file. Sums are float64 in a fixed
// order, so results are the same bytes on any number of threads. Values that are
// not finite are counted and left out, so every result is finite, and can be
// written as JSON.
package health
