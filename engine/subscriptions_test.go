package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirmq/weir/topics"
)

func TestSubscriptionsAgreeWithAMap(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		var s subscriptions
		naive := make(map[string]topics.Options)
		// Around the length at which the index begins, and far beyond.
		filters := indexedSubscriptions + r.IntN(indexedSubscriptions) + r.IntN(2)*200
		for range 3000 {
			filter := fmt.Sprint("f/", r.IntN(filters))
			switch n := r.IntN(1000); {
			case n == 0:
				s.clear()
				clear(naive)
			case n < 500:
				o := topics.Options{QoS: byte(r.IntN(3)), ID: r.Uint32()}
				s.set(filter, o)
				naive[filter] = o
			default:
				_, want := naive[filter]
				if got := s.remove(filter); got != want {
					t.Fatalf("remove(%s) = %v, want %v", filter, got, want)
				}
				delete(naive, filter)
			}
			want, ok := naive[filter]
			i := s.find(filter)
			if (i >= 0) != ok || ok && s.all()[i] != (subscription{filter, want}) {
				t.Fatalf("find(%s) = %d, want %v %v", filter, i, want, ok)
			}
			if s.len() != len(naive) {
				t.Fatalf("%d Subscriptions, want %d", s.len(), len(naive))
			}
		}
		for _, sub := range s.all() {
			if naive[sub.filter] != sub.options {
				t.Fatalf("%s has %v, want %v", sub.filter, sub.options, naive[sub.filter])
			}
			delete(naive, sub.filter)
		}
		if len(naive) > 0 {
			t.Fatalf("all leaves out %v", naive)
		}
	})
}
