//go:build race

package audio

// Three workers take six minutes by turns as they take thirty, which costs the
// race detector half a minute.
func init() { longMinutes = 6 }
