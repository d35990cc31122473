// Package kernel is the arithmetic: plain functions on float32 slices, without
// allocation, whose results do not depend on the number of threads.
//
// Feature maps keep sixteen examples side by side, in the lanes of a vector
// register: (N, C, H, W) is stored as [⌈N/16⌉][H][W][C][16]. The lanes past N in
// the last block are padding. They hold zeros between layers; what they hold
// reaches no example and no sum, except that Conv.BackwardWeights relies on
// the zeros. For inference over a few examples maps are in pixels instead,
// (N, H, W, C), with channels side by side (see PixelConv). Matrices of
// examples (N, D) are row-major.
package kernel
