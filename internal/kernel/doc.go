// Package kernel is the arithmetic: plain functions on float32 slices, without
// allocation, whose results do not depend on the number of threads.
//
// Feature maps keep sixteen examples side by side, in the lanes of a vector
// register: (N, C, H, W) is stored as [⌈N/16⌉][H][W][C][16]. The lanes past N in
// the last block are padding; they hold zeros on entry, and no sum ever
// includes them. For inference over a few examples maps are in pixels instead,
// (N, H, W, C), with channels side by side (see PixelConv). Matrices of examples (N, D) are row-major.
package kernel
