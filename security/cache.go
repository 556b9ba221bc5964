package security

import (
	"sync"
	"sync/atomic"
)

// cache is a map whose entries may not cost more than limit in total. When
// they would, entries that were not read lately go first (CLOCK, which needs
// no list to be kept in order by every read). Safe for concurrent use.
//
// The key is always the full identity of the value, never a digest that is not
// cryptographic: what comes out of a cache here is who somebody is or what
// they may do.
type cache[K comparable, V any] struct {
	mu    sync.RWMutex
	limit int
	cost  int // sum over ring
	slots map[K]*slot[K, V]
	ring  []*slot[K, V] // every slot once; order does not matter
	hand  int           // where the search for a victim goes on
}

type slot[K comparable, V any] struct {
	key   K
	value V
	cost  int
	used  atomic.Bool // read since the hand passed
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, slots: make(map[K]*slot[K, V])}
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, ok := c.slots[key]
	if !ok {
		return value, false
	}
	if !s.used.Load() { // spare the other readers a write to the shared line
		s.used.Store(true)
	}
	return s.value, true
}

// add stores value under key unless there is one already, and returns the one
// that is stored from then on.
func (c *cache[K, V]) add(key K, value V, cost int) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.slots[key]; ok {
		return s.value
	}
	c.insert(key, value, cost)
	return value
}

// put stores value under key in place of any there was.
func (c *cache[K, V]) put(key K, value V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.slots[key]; ok {
		c.cost += cost - s.cost
		s.value, s.cost = value, cost
		return
	}
	c.insert(key, value, cost)
}

// insert makes room first, so that the newcomer cannot be its own victim. A
// value that alone exceeds the limit is held until the next one comes.
func (c *cache[K, V]) insert(key K, value V, cost int) {
	for len(c.ring) > 0 && c.cost+cost > c.limit {
		c.evict()
	}
	s := &slot[K, V]{key: key, value: value, cost: cost}
	c.slots[key] = s
	c.ring = append(c.ring, s)
	c.cost += cost
}

// evict removes one slot. It ends within two turns of the hand, because no
// reader can mark a slot while the lock is held for writing.
func (c *cache[K, V]) evict() {
	for {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		s := c.ring[c.hand]
		if s.used.Swap(false) {
			c.hand++
			continue
		}
		last := len(c.ring) - 1
		c.ring[c.hand] = c.ring[last]
		c.ring[last] = nil
		c.ring = c.ring[:last]
		delete(c.slots, s.key)
		c.cost -= s.cost
		return
	}
}
