// Package sweep carries out many runs that one file describes, in the YAML of
// sweeps that people know from Weights & Biases. It hides which point is which
// trial, how workers that share a folder and nothing else divide the trials among
// them, and how a trial that was killed is gone on with.
//
// A trial is a folder, claimed by a lock, in which clr pretrain and the probes run
// as processes of their own; what it came to is a file that is there when it is
// finished. Whatever follows, a table or who was best, is read from these files and
// depends on nothing else.
package sweep
