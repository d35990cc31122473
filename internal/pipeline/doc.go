// Package pipeline is what the commands do: it is the only package that knows
// configs and run folders, and the place where sound and learning meet. Each
// subcommand is one file. It hides the loader, the order in which parts are
// made ready, and what stands where in a run folder.
package pipeline
