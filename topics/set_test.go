package topics

import (
	"math/rand/v2"
	"testing"
)

func TestSetAgreesWithMap(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 6))
		var s *set[int]
		naive := map[int]Options{}
		for step := range 8000 {
			subscriber := r.IntN(1000)
			_, there := naive[subscriber]
			before := s
			var existed, changes bool
			if r.IntN(10) < 7 == (step/2000%2 == 0) {
				options := Options{QoS: byte(r.IntN(3))}
				s, existed = s.put(Entry[int]{subscriber, options})
				changes = !there || naive[subscriber] != options
				naive[subscriber] = options
			} else {
				s, existed = s.remove(subscriber)
				changes = there
				delete(naive, subscriber)
			}
			if existed != there {
				t.Fatalf("subscriber %d existed: %t, want %t", subscriber, existed, there)
			}
			if (s != before) != changes {
				t.Fatalf("subscriber %d: a new set was published: %t, want %t", subscriber, s != before, changes)
			}
			if step%50 != 0 {
				continue
			}
			var c checker
			checkSet(&c, s, nil)
			if len(c.faults) > 0 {
				t.Fatal(c.faults)
			}
			if c.count != len(naive) {
				t.Fatalf("%d entries, want %d", c.count, len(naive))
			}
			for _, e := range s.appendTo(nil) {
				if options, there := naive[e.Subscriber]; !there || options != e.Options {
					t.Fatalf("has %v, want %v (%t)", e, options, there)
				}
			}
		}
		for subscriber := range naive {
			s, _ = s.remove(subscriber)
		}
		if s != nil {
			t.Fatal("a set without entries is not nil")
		}
	}
}
