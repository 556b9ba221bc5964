package topics

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// A table is a set of items found by key, with any number of readers and one
// writer at a time, who holds the shard's lock. It is what a node keeps its
// children in.
//
// It is a hash table with open addressing whose slots are atomic pointers. A
// writer fills a slot in place, or builds a larger table and publishes that, so
// an insert copies nothing and a reader takes no lock. The invariant that makes
// it safe: between the slot where an item's hash points and the slot it is in
// there is never an empty one. So a removal leaves a tombstone, to be dropped at
// the next rebuild.
//
// A nil *table is an empty one. A table of a few slots is a plain list, searched
// without hashing: nearly every node has one child or two. A general concurrent
// map costs 2 KB before the first key, and most nodes would need one.
type table[V any] struct {
	live, dead uint32   // items and tombstones; the writer's
	tomb       *item[V] // made at the first removal; its hash is 0
	slots      []atomic.Pointer[item[V]]
}

// An item is a key and its value. The key never changes; the value takes care of
// its own concurrency.
type item[V any] struct {
	hash  uint64 // hashOf(key), so that growing a table hashes nothing again
	key   string
	value V
}

// listSlots is the number of slots up to which a table is a plain list.
const listSlots = 4

// seed keys the hash of every level and subscriber. It is drawn when the program
// starts, so that no Client can choose levels that collide.
var seed = maphash.MakeSeed()

// hashOf hashes a key. The result is never 0, which marks a tombstone.
func hashOf(key string) uint64 {
	return maphash.String(seed, key) | 1<<63
}

func newItem[V any](key string) *item[V] {
	return &item[V]{hash: hashOf(key), key: key}
}

// slotsFor returns how many slots a table for n items is built with. A hashed
// one has room for half as many again, so that the cost of building it is spread
// over many inserts even when as many items leave as come.
func slotsFor(n uint32) int {
	size := max(2, 1<<bits.Len32(n-1))
	if size <= listSlots {
		return size
	}
	for capacity(size) < int(n+n/2) {
		size *= 2
	}
	return size
}

// capacity returns how many slots of a table may be taken, by items or by
// tombstones. At five in eight a miss looks at four slots; at three in four it
// would be more than eight, and each is a cache line of its own.
func capacity(slots int) int {
	if slots <= listSlots {
		return slots
	}
	return slots / 8 * 5
}

// newTable returns an empty table. That of a list is one object with its slots:
// it saves most nodes an allocation, and every Match a cache line.
func newTable[V any](slots int) *table[V] {
	switch slots {
	case 2:
		t := new(struct {
			table[V]
			array [2]atomic.Pointer[item[V]]
		})
		t.slots = t.array[:]
		return &t.table
	case 4:
		t := new(struct {
			table[V]
			array [4]atomic.Pointer[item[V]]
		})
		t.slots = t.array[:]
		return &t.table
	}
	return &table[V]{slots: make([]atomic.Pointer[item[V]], slots)}
}

// find returns the item with the key, or nil.
func (t *table[V]) find(key string) *item[V] {
	if t == nil {
		return nil
	}
	if len(t.slots) <= listSlots {
		for i := range t.slots {
			if it := t.slots[i].Load(); it != nil && it.key == key {
				return it
			}
		}
		return nil
	}
	hash := hashOf(key)
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		it := t.slots[i].Load()
		if it == nil {
			return nil
		}
		if it.hash == hash && it.key == key {
			return it
		}
	}
}

// size returns the number of slots. With at it lets readers visit every item.
func (t *table[V]) size() int {
	if t == nil {
		return 0
	}
	return len(t.slots)
}

// at returns the item in a slot, or nil.
func (t *table[V]) at(i int) *item[V] {
	if it := t.slots[i].Load(); it != nil && it.hash != 0 {
		return it
	}
	return nil
}

// insert adds an item whose key is not in the table and returns the table to
// publish, which is t itself when t had room.
func (t *table[V]) insert(it *item[V]) *table[V] {
	switch {
	case t == nil:
		t = newTable[V](slotsFor(1))
	case int(t.live+t.dead) >= capacity(len(t.slots)):
		t = t.rebuild(t.live+1, nil)
	}
	t.place(it)
	return t
}

// remove takes out the item with the key, if it is there, and returns the table
// to publish: nil when nothing is left, and t itself as a rule.
func (t *table[V]) remove(key string) *table[V] {
	it := t.find(key)
	switch {
	case it == nil:
		return t
	case t.live == 1:
		return nil
	case len(t.slots) <= listSlots:
		// A list has no tombstones, since searching it compares keys alone.
		return t.rebuild(t.live-1, it)
	}
	if t.tomb == nil {
		t.tomb = new(item[V])
	}
	mask := uint64(len(t.slots) - 1)
	i := it.hash & mask
	for t.slots[i].Load() != it {
		i = (i + 1) & mask
	}
	t.slots[i].Store(t.tomb)
	t.live--
	t.dead++
	if int(t.live) < len(t.slots)/8 {
		return t.rebuild(t.live, nil)
	}
	return t
}

// rebuild returns a new table, sized for n items, with all items of t but one.
// t stays as it is, for the readers that are in it.
func (t *table[V]) rebuild(n uint32, except *item[V]) *table[V] {
	next := newTable[V](slotsFor(n))
	for i := range t.slots {
		if it := t.at(i); it != nil && it != except {
			next.place(it)
		}
	}
	return next
}

// place puts an item into the first free slot of a table that has one.
func (t *table[V]) place(it *item[V]) {
	mask := uint64(len(t.slots) - 1)
	i := it.hash & mask
	for {
		switch old := t.slots[i].Load(); {
		case old == nil:
		case old.hash == 0:
			t.dead--
		default:
			i = (i + 1) & mask
			continue
		}
		t.slots[i].Store(it)
		t.live++
		return
	}
}
