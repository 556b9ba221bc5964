//go:build !race

package revocation

import "testing"

// TestNoAllocations claims, a line each, what costs the garbage collector nothing.
func TestNoAllocations(t *testing.T) {
	s := newSite(t)
	set := New(Config{CRLs: []*CRL{parse(t, issue(t, s.intermediate, template(1, s.lamp.Cert.SerialNumber)))}})
	chain := s.chain(s.heater)
	for what, f := range map[string]func(){
		"Check":        func() { _ = set.Check(chain, noon) },
		"RevokedToken": func() { set.RevokedToken("x") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}
