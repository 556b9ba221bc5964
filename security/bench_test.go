package security

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// benchmarkPolicy has n rules: a tenth are for everyone of the fleet, so that
// they share one trie; the others are for one site each.
func benchmarkPolicy(n int, tokens bool) (p Policy) {
	own := "site/%d/+/temperature"
	if tokens {
		own = "site/%d/{principal.clientId}/#"
	}
	for i := range n {
		r := Rule{Principals: Principals{Attributes: []map[string]string{{"fleet": "north", "site": fmt.Sprint(i)}}}}
		topic := fmt.Sprintf(own, i)
		if i%10 == 0 {
			r.Principals.Attributes = append(r.Principals.Attributes, map[string]string{"fleet": "north"})
		}
		r.BrokerResources = []BrokerResource{
			{Method: ActionConnect},
			{Method: ActionPublish, Topics: []string{topic, fmt.Sprintf("events/%d", i)}},
			{Method: ActionSubscribe, Topics: []string{topic, "commands/all"}},
		}
		p.Rules = append(p.Rules, r)
	}
	return p
}

func benchmarkPrincipal(site int) *Principal {
	return &Principal{
		ClientID:   fmt.Sprintf("device-%d", site),
		Username:   fmt.Sprintf("device-%d", site),
		Attributes: NewAttributes(map[string]string{"fleet": "north", "site": fmt.Sprint(site), "model": "x"}),
	}
}

var decision Decision

func BenchmarkDecide(b *testing.B) {
	for _, rules := range []int{10, 1000} {
		for _, action := range []Action{ActionPublish, ActionSubscribe} {
			for _, tokens := range []bool{false, true} {
				table := mustCompile(b, benchmarkPolicy(rules, tokens))
				site := rules / 2
				grant := table.Bind(benchmarkPrincipal(site))
				for _, tc := range []struct {
					topic string
					want  Decision
				}{
					{fmt.Sprintf("site/%d/device-%d/temperature", site, site), Allow},
					{fmt.Sprintf("site/%d/device-%d/humidity", site+1, site), Deny},
				} {
					b.Run(fmt.Sprintf("rules=%d/action=%v/tokens=%v/decision=%v", rules, action, tokens, tc.want), func(b *testing.B) {
						b.ReportAllocs()
						for b.Loop() {
							decision = grant.Decide(action, tc.topic)
						}
						if decision != tc.want {
							b.Fatalf("got %v", decision)
						}
					})
				}
			}
		}
	}
}

func BenchmarkBind(b *testing.B) {
	for _, rules := range []int{10, 1000} {
		for _, tokens := range []bool{false, true} {
			for _, class := range []string{"known", "new"} {
				b.Run(fmt.Sprintf("rules=%d/tokens=%v/class=%s", rules, tokens, class), func(b *testing.B) {
					table := mustCompile(b, benchmarkPolicy(rules, tokens))
					principal := benchmarkPrincipal(rules / 2)
					b.ReportAllocs()
					for b.Loop() {
						if class == "new" {
							table.classes = newCache[string, *Class](maxClassNodes)
						}
						table.Bind(principal)
					}
				})
			}
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, rules := range []int{10, 1000} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			p := benchmarkPolicy(rules, true)
			for b.Loop() {
				if _, err := Compile(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkX509Authenticate(b *testing.B) {
	f := newFabrikam(b)
	leaf := newLeaf(b, f.intermediate, pki.Options{CommonName: "heater"})
	credentials := &Credentials{PresentedChain: leaf.Chain}
	for _, cached := range []bool{true, false} {
		b.Run(fmt.Sprintf("cached=%v", cached), func(b *testing.B) {
			b.ReportAllocs()
			f.now = noon
			for b.Loop() {
				if !cached {
					f.x.cache.put(fingerprint(leaf.Chain), verdict{until: noon.Add(-time.Hour)}, 1)
				}
				if _, err := f.x.Authenticate(context.Background(), credentials); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
