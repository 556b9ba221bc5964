//go:build !race

package security

import "testing"

// TestNoAllocations claims, a line each, what costs the garbage collector nothing.
func TestNoAllocations(t *testing.T) {
	table := mustCompile(t, benchmarkPolicy(1000, true))
	principal := benchmarkPrincipal(500)
	grant := table.Bind(principal)
	plain := mustCompile(t, benchmarkPolicy(1000, false))
	name, filter := []byte("site/500/device-500/temperature"), []byte("$share/g/site/500/device-500/#")
	for what, f := range map[string]func(){
		"Decide Connect":                 func() { grant.Decide(ActionConnect, "") },
		"Decide Publish":                 func() { grant.Decide(ActionPublish, "site/500/device-500/temperature") },
		"Decide Publish, denied":         func() { grant.Decide(ActionPublish, "site/500/device-501/temperature") },
		"Decide Subscribe":               func() { grant.Decide(ActionSubscribe, "site/500/device-500/#") },
		"Decide Subscribe, shared":       func() { grant.Decide(ActionSubscribe, "$share/g/site/500/device-500/#") },
		"DecideBytes Publish":            func() { grant.DecideBytes(ActionPublish, name) },
		"DecideBytes Subscribe":          func() { grant.DecideBytes(ActionSubscribe, filter) },
		"Depends":                        func() { grant.Class().Depends(ActionPublish) },
		"Attributes.Get":                 func() { principal.Attributes.Get("site") },
		"Bind to a class with no tokens": func() { plain.Bind(principal) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { table.Bind(principal) }); n > 1 {
		t.Errorf("Bind to a class with tokens: %v allocations, want 1, the Grant", n)
	}
}
