package serviceaccount

import (
	"sync"
	"time"

	"github.com/weirmq/weir/security"
)

// verdict is what is remembered of a token.
type verdict struct {
	result security.Result
	err    error
	until  time.Time // when it ceases to hold
}

// cache remembers verdicts by token until they cease to hold. When it is full
// a newcomer takes the place of the oldest: a verdict lives for seconds, so
// there is little to be gained from a cleverer choice. Safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	slots map[digest]verdict
	order []digest // a ring of the keys in slots, oldest at next
	next  int
	limit int
}

func newCache(limit int) *cache {
	return &cache{slots: make(map[digest]verdict), limit: limit}
}

func (c *cache) get(key digest, now time.Time) (verdict, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.slots[key]
	return v, ok && now.Before(v.until)
}

func (c *cache) put(key digest, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.slots[key]; !ok {
		if len(c.order) < c.limit {
			c.order = append(c.order, key)
		} else {
			delete(c.slots, c.order[c.next])
			c.order[c.next] = key
			c.next = (c.next + 1) % c.limit
		}
	}
	c.slots[key] = v
}
