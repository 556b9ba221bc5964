//go:build !race

package serviceaccount

import (
	"testing"
	"time"
)

func TestNoAllocations(t *testing.T) {
	a := newTestAuthenticator(t, newClock(), Config{Verifier: &knowing{identity: mqttClient()}})
	credentials := connect(tokenFor(t, time.Hour))
	authenticate := func() {
		if _, err := a.Authenticate(t.Context(), credentials); err != nil {
			t.Fatal(err)
		}
	}
	authenticate()
	if n := testing.AllocsPerRun(1000, authenticate); n != 0 {
		t.Errorf("Authenticate of a token that is remembered: %v allocations", n)
	}
}
