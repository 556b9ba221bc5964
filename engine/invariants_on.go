//go:build race

package engine

// invariants turns on checks that cost too much for production: they run in
// the tests, which use the race detector.
const invariants = true

// scribble overwrites a buffer whose loan has ended, so that a reader who
// kept it sees nonsense at once instead of somebody else's bytes some day.
func scribble(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
