// Package eval asks how much an embedding knows: small classifiers on frozen
// embeddings, folds that keep one recording's sources together, scores, and
// the report of them all. It hides how a classifier is fitted and chosen.
//
// A probe's Fit is given training and validation clips only. Test clips meet a
// finished head in Evaluate and nowhere else, once.
//
// Matrices are row-major; N clips, D features, K classes.
package eval
