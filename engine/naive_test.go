package engine

import (
	"math/rand/v2"
	"testing"
)

// manySeeds runs random operations from several seeds, each as a test of its
// own, so that one that fails can be run again.
func manySeeds(t *testing.T, operations func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		operations(t, r)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// testMessage makes a message with the given payload and one reference, which
// is the caller's.
func testMessage(topic string, payload []byte) *message {
	p := publication{topic: topic, payload: payload}
	return p.keep(new(loop))
}
