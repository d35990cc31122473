// Package model builds networks. It hides the graph library: a Builder lays
// named layers onto one Gorgonia graph, Params own the weights that the layers
// ask for by name, and the Machine that a Builder compiles runs the graph,
// leaves gradients in the Params and gathers batch statistics.
//
// A network can be built several times over one set of Params: for training,
// for inference, and for a batch of another size.
//
// Shapes: spectrograms x are (N, C, F, T), embeddings h and projections z are
// (N, D). Between them feature maps keep sixteen examples side by side
// (package kernel); the Builder remembers their true N.
package model
