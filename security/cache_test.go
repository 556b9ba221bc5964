package security

import (
	"math/rand/v2"
	"testing"
)

func (c *cache[K, V]) check(t *testing.T) {
	t.Helper()
	cost := 0
	for _, s := range c.ring {
		cost += s.cost
		if c.slots[s.key] != s {
			t.Fatalf("%v is in the ring and not in the map", s.key)
		}
	}
	if cost != c.cost || len(c.slots) != len(c.ring) {
		t.Fatalf("cost %d, counted %d; %d slots, %d in the ring", c.cost, cost, len(c.slots), len(c.ring))
	}
	if cost > c.limit && len(c.ring) > 1 {
		t.Fatalf("%d entries cost %d, the limit is %d", len(c.ring), cost, c.limit)
	}
}

// A map that forgets nothing is the twin: what the cache still has must be
// what the map has.
func TestCacheAgreesWithAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := newCache[int, int](50)
	twin := map[int]int{}
	hits := 0
	for step := range 20000 {
		key := rng.IntN(40)
		switch rng.IntN(4) {
		case 0:
			// A forgotten key may be stored anew, a present one may not.
			_, present := c.get(key)
			got := c.add(key, step, 1+rng.IntN(5))
			if present && got != twin[key] || !present && got != step {
				t.Fatalf("add returned %d", got)
			}
			twin[key] = got
		case 1:
			c.put(key, step, 1)
			twin[key] = step
		default:
			if got, ok := c.get(key); ok {
				hits++
				if got != twin[key] {
					t.Fatalf("key %d: got %d, want %d", key, got, twin[key])
				}
			}
		}
		c.check(t)
	}
	if hits == 0 {
		t.Error("no look-up ever hit")
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c := newCache[int, int](10)
	for key := range 1000 {
		c.put(key, key, 1)
		c.get(0)
	}
	if _, ok := c.get(0); !ok {
		t.Error("the entry in constant use was evicted")
	}
}

func TestCacheHoldsOneEntryBeyondItsLimit(t *testing.T) {
	c := newCache[string, int](10)
	c.put("small", 1, 1)
	c.put("huge", 2, 100)
	if v, ok := c.get("huge"); !ok || v != 2 || len(c.ring) != 1 {
		t.Errorf("got %d, %v, %d entries", v, ok, len(c.ring))
	}
	c.put("small", 3, 1)
	if _, ok := c.get("huge"); ok || c.cost != 1 {
		t.Errorf("the huge entry stays, cost %d", c.cost)
	}
}
