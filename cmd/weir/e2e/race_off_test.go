//go:build !race

package e2e

// raceDetector says that this test, and so the broker, looks for data races.
const raceDetector = false
